/** Whose turn it is: keys in an order that looks random and is the same in every run. */
const orderLength = 2 ** 20;

export const namesOf = (count: number): string[] => Array.from({ length: count }, (_, i) => `identity-${i}`);

export function keysOf(count: number): () => string {
  const names = namesOf(count);
  const order = new Uint32Array(orderLength);
  let state = 1;
  for (let i = 0; i < orderLength; i++) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    order[i] = (state >>> 8) % count;
  }
  let at = 0;
  return () => names[order[at++ & (orderLength - 1)]!]!;
}
