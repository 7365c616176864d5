import { createLimiter, estimateTokens } from '@headgate/core';
import { get_encoding } from 'tiktoken';
import { afterAll, describe, expect, test } from 'vitest';
import { boundedCounter } from '../../src/counter.js';
import { tiktokenCounter } from '../../src/index.js';
import { byteLength, longestRun } from '../../src/runs.js';
import { encodings, watchedTokenizer } from '../support.js';

const kibibyte = 1024;
const words = (bytes: number): string => 'word '.repeat(Math.ceil(bytes / 5)).slice(0, bytes);

describe('tiktokenCounter', () => {
  const prompt = 'Why is the sky blue? Τί είναι; 空はなぜ青いの？ function add(a, b) { return a + b; } 3.14159\n\n';

  test.each(encodings)('%s counts what the encoding counts', (encoding) => {
    const counter = tiktokenCounter(encoding);
    const exact = get_encoding(encoding);
    expect(counter(prompt)).toBe(exact.encode(prompt).length);
    expect(counter.all([prompt, 'hi'])).toBe(exact.encode(prompt).length + exact.encode('hi').length);
    expect(counter('')).toBe(0);
    exact.free();
    counter.close();
  });

  test('takes what looks like a special token for text', () => {
    const counter = tiktokenCounter('o200k_base');
    expect(counter('<|endoftext|>')).toBeGreaterThan(1);
    counter.close();
  });

  test('takes halves of characters', () => {
    const counter = tiktokenCounter('o200k_base');
    expect(counter('\ud83d')).toBe(counter('\ufffd'));
    counter.close();
  });

  test('says at once that an encoding does not exist', () => {
    expect(() => tiktokenCounter('o300k_base' as 'o200k_base')).toThrow('Invalid encoding');
  });

  test('estimates once it is closed, and may be closed again', () => {
    const counter = tiktokenCounter('o200k_base');
    counter.close();
    counter.close();
    expect(counter(prompt)).toBe(estimateTokens(prompt));
  });

  test('counts for a limiter, which closes it', async () => {
    const counter = tiktokenCounter('o200k_base');
    const exact = counter(prompt);
    const limiter = createLimiter({ tokens: '10k/hour' }, { countTokens: counter });
    const decision = limiter.admitNow({ input: prompt });
    if (!decision.admitted) throw new Error(decision.refusal.message);
    expect(decision.permit.reserved.inputTokens).toBe(exact);
    expect(exact).not.toBe(estimateTokens(prompt));
    decision.permit.settle();
    await limiter.close();
    expect(counter(prompt)).toBe(estimateTokens(prompt));
  });
});

describe('the bounds', () => {
  const tokenizer = watchedTokenizer();
  const counter = boundedCounter(tokenizer);
  const reached = (...texts: readonly string[]): boolean => {
    tokenizer.given.length = 0;
    counter.all(texts);
    return tokenizer.given.length > 0;
  };
  afterAll(() => counter.close());

  test('of the size hold for all texts of a prompt together', () => {
    expect(reached(words(64 * kibibyte))).toBe(true);
    expect(reached(words(64 * kibibyte + 1))).toBe(false);
    expect(reached(...Array.from({ length: 64 }, () => words(kibibyte)))).toBe(true);
    expect(reached(...Array.from({ length: 64 }, () => words(kibibyte)), 'a')).toBe(false);
  });

  test('of the size count bytes', () => {
    const han = '漢字。'.repeat(7281);
    expect(byteLength(han)).toBeLessThanOrEqual(64 * kibibyte);
    expect(reached(han)).toBe(true);
    expect(reached(`${han}漢字。`)).toBe(false);
  });

  test.each([
    ['letters', 'a'],
    ['capitals', 'A'],
    ['spaces', ' '],
    ['newlines', '\n'],
    ['punctuation', '_'],
    ['digits', '7'],
    ['Han', '漢'],
    ['Hangul', '한'],
    ['letters of which little is known', 'ក'],
  ])('of a run of %s are 512 characters', (_, unit) => {
    const other = unit === ' ' || unit === '\n' ? 'x' : ' ';
    expect(reached(`${unit.repeat(512)}${other}${unit.repeat(512)}`)).toBe(true);
    expect(reached(`${unit.repeat(512)}${other}${unit.repeat(513)}`)).toBe(false);
    expect(reached(`${unit.repeat(513)}${other}x`)).toBe(false);
  });

  test('of a run leave other texts of the prompt exact', () => {
    tokenizer.given.length = 0;
    expect(counter.all(['x'.repeat(513), 'some words'])).toBe(estimateTokens('x'.repeat(513)) + 'some words'.length);
    expect(tokenizer.given).toEqual(['some words']);
  });

  test.each([
    ['symbols, then newlines and slashes in turns', `!${'\n/'.repeat(300)}`],
    ['symbols and their marks', '!\u0301'.repeat(300)],
    ['letters and their marks', 'e\u0301'.repeat(300)],
    ['symbols, then newlines', `${'!'.repeat(300)}${'\n'.repeat(300)}`],
    ['pairs of surrogates', '😀'.repeat(300)],
    ['characters that are space to some', 'a\u0085'.repeat(300)],
    ['numbers of several scripts', '1٣'.repeat(300)],
  ])('see one run in %s', (_, text) => {
    expect(longestRun(text)).toBe(text.length);
  });

  test.each([
    ['prose', 'The quick brown fox, jumping; '.repeat(50), 7],
    ['code', 'const a_b = f(x1, "y");\n'.repeat(50), 5],
    ['Chinese with its own punctuation', '敏捷的棕色狐狸，跳过了懒狗。'.repeat(50), 7],
    ['Japanese in several scripts', '素早い、茶色の狐！ジャンプする？'.repeat(50), 6],
    ['Korean', '빠른 갈색 여우가 뛰어넘는다. '.repeat(50), 5],
    ['Russian', 'Быстрая, бурая лиса. '.repeat(50), 7],
  ])('do not touch %s', (_, text, longest) => {
    expect(longestRun(text)).toBe(longest);
  });

  test('leave the estimate where the tokenizer fails', () => {
    const failing = boundedCounter({
      count: () => {
        throw new Error('unreachable');
      },
      free: () => {},
    });
    expect(failing('some words')).toBe(estimateTokens('some words'));
  });
});

test.each(['', 'abc', 'é', '漢', '😀', '\ud83d', '\ude00\ud83d', 'a\ud83d\ud83d\ude00b', '\u07ff\u0800'])(
  'the bytes of %j are those of UTF-8',
  (text) => {
    expect(byteLength(text)).toBe(new TextEncoder().encode(text).length);
  },
);
