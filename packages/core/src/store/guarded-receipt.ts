/** What the guard remembers of a request that it let through: what the store knows of it, and what this process counted. */
import type { LimitState } from '../model.js';
import { noCost } from './cost.js';
import type { Cost, LimitSet, Receipt, Shortfall, Subject } from './store.js';

/**
 * What the shared store knows of it.
 *
 *   awaited --charged--> shared --> ended there
 *      | \---not charged--> alone --the store is back--> awaited
 *      \----nobody knows--> unknown: taken to have been charged, so that it never counts twice; what it uses beyond is recorded
 */
export type Standing = 'shared' | 'awaited' | 'alone' | 'unknown';

const noShortfalls: readonly Shortfall[] = [];
const noStates: readonly LimitState[] = [];

export class GuardedReceipt implements Receipt {
  readonly admitted = true;
  readonly set: LimitSet;
  readonly subject: Subject;
  charged: Cost;
  shadowed = noShortfalls;
  delayMs = 0;
  standing: Standing = 'alone';
  shared: Receipt | undefined;
  /** What the store is taken to have charged, where nobody knows. */
  assumed = noCost;
  /** Counted by this process itself. */
  readonly local: Receipt | undefined;
  /** What it turned out to cost; undefined while it runs. */
  actual: Cost | undefined;
  readonly #decided: Receipt | undefined;
  #states: readonly LimitState[] | undefined;

  /** @param decided by whoever let it through */
  constructor(
    set: LimitSet,
    subject: Subject,
    charged: Cost,
    local: Receipt | undefined,
    decided: Receipt | undefined,
  ) {
    this.set = set;
    this.subject = subject;
    this.charged = charged;
    this.local = local;
    this.#decided = decided;
    if (decided === undefined) return;
    this.shadowed = decided.shadowed;
    this.delayMs = decided.delayMs;
  }

  /** Worked out when they are asked for, which is not always. */
  get states(): readonly LimitState[] {
    this.#states ??= this.#decided?.states ?? noStates;
    return this.#states;
  }

  set states(states: readonly LimitState[]) {
    this.#states = states;
  }
}
