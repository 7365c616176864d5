/** Exact counts within bounds: a tokenizer is handed only what it is sure to be quick with, the rest is estimated. */
import { type CountTokens, estimateTokens } from '@headgate/core';
import { byteLength, longestRun } from './runs.js';

/** What counts exactly. Not called again once it is freed. */
export interface Tokenizer {
  count(text: string): number;
  free(): void;
}

export interface TokenCounter extends CountTokens {
  /** All texts of one prompt: the bound on its size holds for them together. */
  all(texts: readonly string[]): number;
  /** Frees the tokenizer; from then on everything is estimated. */
  close(): void;
}

/** Most bytes of all texts of one prompt, in UTF-8. */
export const bytesMax = 64 * 1024;
/** Longest run without a boundary, in UTF-16 code units. */
export const runMax = 512;

export function boundedCounter(tokenizer: Tokenizer): TokenCounter {
  let open: Tokenizer | undefined = tokenizer;

  const count = (text: string): number => {
    if (open === undefined || longestRun(text) > runMax) return estimateTokens(text);
    try {
      return open.count(text);
    } catch {
      // A count is worth less than the request that it is for.
      return estimateTokens(text);
    }
  };
  const all = (texts: readonly string[]): number => {
    const countOne = fits(texts) ? count : estimateTokens;
    let tokens = 0;
    for (const text of texts) tokens += countOne(text);
    return tokens;
  };
  const close = (): void => {
    open?.free();
    open = undefined;
  };
  return Object.assign((text: string) => all([text]), { all, close });
}

function fits(texts: readonly string[]): boolean {
  // No text has fewer bytes than code units, so what is far too long is told apart without a look at it.
  let rest = bytesMax;
  for (const text of texts) rest -= text.length;
  if (rest < 0) return false;
  rest = bytesMax;
  for (const text of texts) rest -= byteLength(text);
  return rest >= 0;
}
