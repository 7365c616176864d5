/** Short spellings for tests of the store and the limiter: limits, subjects, costs and a policy, with everything unsaid filled in. */
import { Limiter } from '../../src/limiter.js';
import type { LimiterOptions } from '../../src/limiter-options.js';
import type { Limit, Measure, Scope } from '../../src/model.js';
import { parsePolicy } from '../../src/policy/parse.js';
import type { Policy } from '../../src/policy/policy.js';
import { noCost } from '../../src/store/cost.js';
import type { Cost, Subject } from '../../src/store/store.js';
import { VirtualClock } from '../../src/testing/virtual-clock.js';

export const second = 1_000;
export const minute = 60 * second;
export const hour = 60 * minute;
export const day = 24 * hour;

export interface LimitWords {
  readonly name?: string;
  readonly measure?: Measure;
  readonly per?: readonly Scope[];
  readonly capacity?: number;
  readonly delay?: { readonly after: number };
  readonly mode?: 'enforce' | 'shadow';
  readonly queue?: boolean;
}

function limit(algorithm: Limit['algorithm'], amount: number, periodMs: number, words: LimitWords): Limit {
  const { name = algorithm, measure = 'requests', per = ['identity'], capacity = amount } = words;
  const { delay, mode = 'enforce', queue = false } = words;
  return {
    name,
    measure,
    algorithm,
    amount,
    capacity,
    periodMs,
    per,
    mode,
    queue,
    ...(delay === undefined ? {} : { delay }),
  };
}

export const bucket = (amount: number, periodMs: number, words: LimitWords = {}): Limit =>
  limit('token-bucket', amount, periodMs, words);

export const rolling = (amount: number, periodMs: number, words: LimitWords = {}): Limit =>
  limit('rolling', amount, periodMs, words);

export const calendar = (amount: number, unit: 'day' | 'week' | 'month', words: LimitWords = {}): Limit => ({
  ...limit('calendar', amount, { day, week: 7 * day, month: 30 * day }[unit], words),
  calendar: unit,
});

export const slots = (amount: number, words: LimitWords = {}): Limit =>
  limit('slots', amount, 0, { measure: 'concurrency', ...words });

export const cost = (more: Partial<Cost> = {}): Cost => ({ ...noCost, requests: 1, ...more });
export const tokens = (inputTokens: number, outputTokens = 0): Cost => cost({ inputTokens, outputTokens });

export const subject = (identity: string, more: Partial<Subject> = {}): Subject => ({
  identity,
  address: '',
  model: '',
  tier: 'default',
  run: '',
  ...more,
});

export interface World {
  readonly clock: VirtualClock;
  readonly limiter: Limiter;
}

/** Properties build thousands of limiters from one policy. */
const parsed = new WeakMap<object, Policy>();

/** A limiter of the policy as written, on a virtual clock, with the whole language. */
export function world(policy: object, options: LimiterOptions = {}): World {
  const clock = new VirtualClock();
  const rules = parsed.get(policy) ?? parsePolicy(policy);
  parsed.set(policy, rules);
  return { clock, limiter: new Limiter(rules, { clock, ...options }) };
}
