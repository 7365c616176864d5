/** Whose decisions: names of identities, and the order in which they come. */

export interface Keys {
  readonly names: readonly string[];
  /** Indices into `names`; as many as a power of two, so that going round is a mask. */
  readonly order: Uint32Array;
}

const orderLength = 2 ** 20;

/** As flat strings, the way a header arrives: a concatenation would carry its parts along. */
export function identityName(index: number): string {
  return Buffer.from(`identity-${index}`, 'latin1').toString('latin1');
}

/** One key, again and again. */
export function hotKey(): Keys {
  return { names: [identityName(0)], order: new Uint32Array(orderLength) };
}

/** So many keys, each as likely as the others: the order that caches like least. */
export function uniformKeys(count: number): Keys {
  const order = new Uint32Array(orderLength);
  let state = 0x2545f491;
  for (let i = 0; i < orderLength; i++) {
    // xorshift32: the same order in every run and for every contestant.
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    order[i] = (state >>> 0) % count;
  }
  return { names: Array.from({ length: count }, (_, index) => identityName(index)), order };
}
