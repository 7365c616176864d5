/** Exact token counts for `createLimiter(policy, { countTokens: tiktokenCounter('o200k_base') })`. */
import { get_encoding, type TiktokenEncoding } from 'tiktoken';
import { boundedCounter, type TokenCounter } from './counter.js';

export type { TiktokenEncoding, TokenCounter };

/**
 * Counts as the encoding does where that is sure to be quick, and estimates elsewhere: prompts of more than 64 KiB, and texts
 * with more than 512 characters in a row between which the encoding might not split. Holds memory of WebAssembly until it
 * is closed, which a limiter does with its counter when it is closed itself.
 * @throws Error for an encoding that does not exist
 */
export function tiktokenCounter(encoding: TiktokenEncoding): TokenCounter {
  const tiktoken = get_encoding(encoding);
  // Ordinary: what looks like a special token in a prompt is text like any other.
  return boundedCounter({ count: (text) => tiktoken.encode_ordinary(text).length, free: () => tiktoken.free() });
}
