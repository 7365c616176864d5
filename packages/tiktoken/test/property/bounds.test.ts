import { estimateTokens } from '@headgate/core';
import fc from 'fast-check';
import { get_encoding } from 'tiktoken';
import { describe, expect, test } from 'vitest';
import { holds } from '../../../../test/support/seeds.js';
import { boundedCounter, bytesMax, runMax } from '../../src/counter.js';
import { tiktokenCounter } from '../../src/index.js';
import { byteLength } from '../../src/runs.js';
import { encodings, longestPiece, patternOf, watchedTokenizer } from '../support.js';

/** The character in front of a piece, and the longest contraction behind it. */
const slack = 1 + "'ll".length;

/** One of each kind of character that some pattern treats in a way of its own, and some that tables of Unicode disagree on. */
const characters = [
  ...[
    'a',
    'Z',
    'é',
    'ǅ',
    'ʰ',
    'ß',
    'Ω',
    'ж',
    'א',
    'ب',
    'ก',
    'न',
    'ក',
    '漢',
    '々',
    'か',
    'ー',
    'ｱ',
    '한',
    'ᄀ',
    'ﬁ',
    '𝒜',
    '𠮷',
  ],
  ...['7', '٣', '²', '½', 'Ⅷ', '〇', '𝟙', '\u0301', '\u0e31', '\u20dd', '\ufe0f', '\u200d', '\u00ad'],
  ...['!', '_', '-', "'", '/', '\\', '。', '「', '€', '→', '─', '\u0000', '\u001b', '\ufffd', '😀', '\ud83d', '\ude00'],
  ...[' ', '\t', '\v', '\f', '\n', '\r', '\r\n', '\u0085', '\u00a0', '\u1680', '\u180e', '\u2003', '\u2028', '\u3000'],
  ...['\ufeff', '\u200b', '\ue000', '\u0378', "'s", "'LL", 'xʼ'],
];
const few = fc.array(
  fc.oneof({ weight: 6, arbitrary: fc.constantFrom(...characters) }, fc.string({ unit: 'binary' })),
  {
    minLength: 1,
    maxLength: 4,
  },
);
/** A few characters, over and over. */
const stretch = fc
  .tuple(few, fc.oneof(fc.integer({ min: 1, max: 60 }), fc.integer({ min: 100, max: 700 })))
  .map(([unit, times]) => unit.join('').repeat(times));
const long = fc.constant('word '.repeat(10_000));
const text = fc
  .array(fc.oneof({ weight: 30, arbitrary: stretch }, long), { minLength: 1, maxLength: 5 })
  .map((stretches) => stretches.join(''));

describe('pathological texts', () => {
  const patterns = encodings.map((encoding) => [encoding, patternOf(encoding)] as const);

  test('never reach the tokenizer past its bounds, whatever the encoding', async () => {
    let reached = 0;
    await holds(
      fc.property(fc.array(text, { minLength: 1, maxLength: 3 }), (texts) => {
        const tokenizer = watchedTokenizer();
        boundedCounter(tokenizer).all(texts);
        reached += tokenizer.given.length;
        expect(byteLength(tokenizer.given.join(' '))).toBeLessThanOrEqual(bytesMax + tokenizer.given.length);
        for (const given of tokenizer.given) {
          for (const [encoding, pattern] of patterns) {
            expect(longestPiece(given, pattern), encoding).toBeLessThanOrEqual(runMax + slack);
          }
        }
      }),
      { runs: 3_000 },
    );
    expect(reached).toBeGreaterThan(500);
  });

  test('are counted exactly or estimated, and nothing else', async () => {
    const exact = get_encoding('o200k_base');
    const counter = tiktokenCounter('o200k_base');
    let exactly = 0;
    await holds(
      fc.property(text, (counted) => {
        const tokens = counter(counted);
        if (tokens === estimateTokens(counted)) return;
        exactly += 1;
        expect(tokens).toBe(exact.encode_ordinary(counted).length);
      }),
      { runs: 300 },
    );
    expect(exactly).toBeGreaterThan(100);
    counter.close();
    exact.free();
  });
});
