/** What the policy says about the queue, in the words of its parts. */
import type { FairnessOptions } from './fairness.js';
import type { OrderRules } from './order.js';

export interface QueueOptions extends Partial<OrderRules>, Partial<FairnessOptions> {
  /** Most waiters at once. */
  readonly depth: number;
  /** Longest wait, ms. */
  readonly waitMs: number;
}

export interface QueueRules extends OrderRules, FairnessOptions {
  readonly depth: number;
  readonly waitMs: number;
}

/** Without more, everyone is one and goes in order of arrival. */
export function rulesOf(options: QueueOptions): QueueRules {
  const {
    fairness = 'none',
    countersMax = Number.POSITIVE_INFINITY,
    priority = 'weighted',
    agingMs = 20_000,
  } = options;
  return { depth: options.depth, waitMs: options.waitMs, fairness, countersMax, priority, agingMs };
}

/** Whether those who wait stand in the same order under both. */
export function isSameOrder(one: QueueRules, other: QueueRules): boolean {
  return one.fairness === other.fairness && one.priority === other.priority;
}
