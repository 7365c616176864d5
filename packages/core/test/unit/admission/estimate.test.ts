import { describe, expect, test } from 'vitest';
import { leastCpuMs } from '../../../../../test/support/cpu.js';
import { estimateTokens } from '../../../src/admission/estimate.js';
import { promptSizeOf } from '../../../src/admission/sizing.js';
import type { AdmitRequest } from '../../../src/model.js';

const megabyte = 2 ** 20;
const kinds: readonly (readonly [string, string])[] = [
  ['one letter', 'a'],
  ['spaces', ' '],
  ['digits', '7'],
  ['Han', '漢'],
  ['kana', 'か'],
  ['Hangul', '한'],
  ['emoji', '😀'],
  ['lone surrogates', '\ud83d'],
  ['zero bytes', '\u0000'],
  ['combining marks', '\u0301'],
  ['a mixture', 'Wörter, 12 漢字 and 😀\n'],
];

/** A loop that looks at every character and does nothing with it: no estimate can be quicker. */
function floor(text: string): number {
  let sum = 0;
  for (let i = 0; i < text.length; i++) sum += text.charCodeAt(i);
  return sum;
}

async function ratio(work: (text: string) => number, text: string): Promise<number> {
  const workMs = await leastCpuMs(() => work(text), 15);
  return workMs / (await leastCpuMs(() => floor(text), 15));
}

describe('the estimate of tokens', () => {
  test.each(kinds)('of a megabyte of %s takes about as long as looking at its characters (F32)', async (_, unit) => {
    const text = unit.repeat(Math.ceil(megabyte / unit.length)).slice(0, megabyte);
    expect(await ratio(estimateTokens, text)).toBeLessThan(30);
  });

  test.each([
    ['', 0],
    ['a', 1],
    ['The quick brown fox jumps over the lazy dog.', 10],
    ['1234567890', 12],
    ['漢字漢字', 4],
  ])('of %j is %i', (text, expected) => {
    expect(estimateTokens(text)).toBe(expected);
  });

  test('grows with the text and never shrinks', () => {
    let text = '';
    let before = 0;
    for (const part of ['Hello', ' ', 'world', '!', ' 42', ' 漢', '😀', '\n']) {
      text += part;
      const now = estimateTokens(text);
      expect(now).toBeGreaterThanOrEqual(before);
      before = now;
    }
  });
});

describe('the size of a prompt', () => {
  const countTokens = (text: string) => text.length;
  const nothing = { textTokens: 0, messages: 0, images: 0, tokensKnown: 0 };

  test.each<[string, AdmitRequest['input'], object]>([
    ['nothing', undefined, nothing],
    ['one text', 'abc', { ...nothing, textTokens: 3 }],
    ['several texts', ['abc', 'de'], { ...nothing, textTokens: 5 }],
    ['a size that is known', { tokens: 812 }, { ...nothing, tokensKnown: 812 }],
    [
      'the parts of a chat',
      { texts: ['ab', 'cde'], messages: 2, images: 1, inputTokensKnown: 10 },
      { textTokens: 5, messages: 2, images: 1, tokensKnown: 10 },
    ],
  ])('of %s', (_, input, size) => {
    expect(promptSizeOf(input, countTokens)).toEqual(size);
  });

  test('is told by classes of characters where nothing counts tokens', () => {
    expect(promptSizeOf('Ab 1, 漢か한é', estimateTokens)).toEqual({
      ...nothing,
      characters: [2, 1, 2, 1, 1, 1, 1, 1],
    });
    const parts = { texts: ['ab', '1'], messages: 1, images: 0, inputTokensKnown: 5 };
    const characters = [2, 1, 0, 0, 0, 0, 0, 0];
    expect(promptSizeOf(parts, estimateTokens)).toEqual({ ...nothing, characters, messages: 1, tokensKnown: 5 });
  });

  test('is left to a counter that counts all texts together', () => {
    const counter = Object.assign(countTokens, { all: (texts: readonly string[]) => 100 * texts.length });
    expect(promptSizeOf(['a', 'b'], counter).textTokens).toBe(200);
    expect(promptSizeOf({ texts: ['a'], messages: 0, images: 0, inputTokensKnown: 0 }, counter).textTokens).toBe(100);
  });
});
