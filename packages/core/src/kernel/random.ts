import { hexOf } from './hex.js';

/** A number from 0 (inclusive) to 1 (exclusive). */
export type Random = () => number;

export const systemRandom: Random = () => Math.random();

/** Sixteen bytes in hex that nobody can foresee, whatever they see of this process. */
export function secretHex(): string {
  return hexOf(crypto.getRandomValues(new Uint8Array(16)).buffer);
}
