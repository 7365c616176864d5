/** Median and range: what is reported of every figure. Means are not, since one disturbed round would own them. */

export interface Spread {
  readonly median: number;
  readonly low: number;
  readonly high: number;
}

export function spread(values: readonly number[]): Spread {
  if (values.length === 0) throw new Error('a spread of nothing');
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const median = sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
  return { median, low: sorted[0]!, high: sorted.at(-1)! };
}

/** Pair by pair, so that what disturbed both of a pair cancels out. */
export function ratios(values: readonly number[], floors: readonly number[]): Spread {
  return spread(values.map((value, round) => value / floors[round]!));
}

/** Of figures in order; the smallest that the share does not exceed. Percentiles are never averaged: a round's are its own. */
export function percentile(sorted: ArrayLike<number>, share: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))]!;
}
