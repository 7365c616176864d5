/** What the tests measure against: a tokenizer that remembers what it was given, and the patterns of the encodings themselves. */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import type { TiktokenEncoding } from '../src/index.js';

export const encodings: readonly TiktokenEncoding[] = ['o200k_base', 'cl100k_base', 'p50k_base', 'r50k_base', 'gpt2'];

const require = createRequire(import.meta.url);

/** The pattern by which the encoding splits a text, in the spelling of JavaScript. */
export function patternOf(encoding: TiktokenEncoding): RegExp {
  const { pat_str } = JSON.parse(readFileSync(require.resolve(`tiktoken/encoders/${encoding}.json`), 'utf8')) as {
    pat_str: string;
  };
  const anyCase = (_: string, words: string): string =>
    `(?:${words.replace(/[a-z]/g, (letter) => `[${letter}${letter.toUpperCase()}]`)})`;
  return new RegExp(pat_str.replace(/\(\?i:([^)]*)\)/g, anyCase), 'gu');
}

export function longestPiece(text: string, pattern: RegExp): number {
  let longest = 0;
  for (const [piece] of text.matchAll(pattern)) longest = Math.max(longest, piece.length);
  return longest;
}

/** Counts code units, and remembers what it was asked. */
export function watchedTokenizer() {
  const given: string[] = [];
  let freed = 0;
  return {
    given,
    get freed() {
      return freed;
    },
    count(text: string): number {
      if (freed > 0) throw new Error('called after it was freed');
      given.push(text);
      return text.length;
    },
    free(): void {
      freed += 1;
    },
  };
}
