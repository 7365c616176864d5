import { hexByte, hexOf } from './hex.js';

/** A number from 0 (inclusive) to 1 (exclusive). */
export type Random = () => number;

export const systemRandom: Random = () => Math.random();

/** So many times four bytes in hex, for names that need not be secret. */
export function randomHex(random: Random, words: number): string {
  let hex = '';
  for (let word = 0; word < words; word++) {
    const bits = Math.floor(random() * 2 ** 32);
    hex += hexByte(bits >>> 24) + hexByte((bits >>> 16) & 255) + hexByte((bits >>> 8) & 255) + hexByte(bits & 255);
  }
  return hex;
}

/** Sixteen bytes in hex that nobody can foresee, whatever they see of this process. */
export function secretHex(): string {
  return hexOf(crypto.getRandomValues(new Uint8Array(16)).buffer);
}
