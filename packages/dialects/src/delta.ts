/** Our own count of output tokens, for when the backend reports none or the answer is cut. */

/** Longest piece of text that is taken for one token. */
const tokenCharsMax = 24;
const charsPerToken = 4;

/**
 * Tokens in one delta of a stream: servers send one token an event, as a rule, so any text counts as one; a longer piece
 * (a parser that held text back, a whole tool call) counts a token for every 4 characters.
 */
export function deltaTokens(text: unknown): number {
  if (typeof text !== 'string' || text === '') return 0;
  return text.length <= tokenCharsMax ? 1 : sizeTokens(text.length);
}

/** Tokens in text of a known length that did not come as deltas. */
export function sizeTokens(length: number): number {
  return Math.ceil(length / charsPerToken);
}
