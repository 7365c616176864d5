/**
 * Priorities as bands. Weighted, which is the default: a band is served in proportion to its weight while others wait too,
 * by the same counters as identities are, so no band starves. Strict: a band waits while anything above it can go, except
 * that once a request in it has waited `aging`, the band gets every second slot.
 */
import { type Priority, priorities } from '../model.js';
import { TokenCounter } from './token-counter.js';

/** Shares of the bands while all of them wait: each gets three times what the one below gets. */
export const bandWeights: Readonly<Record<Priority, number>> = { high: 9, normal: 3, low: 1 };

/** The requests of one priority. */
export class Band {
  readonly priority: Priority;
  /** 0 is the highest. */
  readonly rank: number;
  readonly counter: TokenCounter;

  constructor(priority: Priority, rank: number) {
    this.priority = priority;
    this.rank = rank;
    this.counter = new TokenCounter(bandWeights[priority]);
  }
}

export function makeBands(): Readonly<Record<Priority, Band>> {
  const bands = priorities.map((priority, rank) => [priority, new Band(priority, rank)] as const);
  return Object.fromEntries(bands) as Record<Priority, Band>;
}
