/** What the cases of the store's conformance stand on: a store with its limits configured, and the calls spelt short. */
import type { Limit, LimitState } from '../model.js';
import { noCost } from '../store/cost.js';
import type { Cost, LimitSet, Receipt, Shortfall, Store, Subject } from '../store/store.js';
import type { VirtualClock } from './virtual-clock.js';

export const keysMax = 64;
export const minuteMs = 60_000;
export const dayMs = 86_400_000;

export function subject(identity: string, model: string): Subject {
  return { identity, address: '', model, tier: 'default', run: '' };
}

export function tokens(units: number): Cost {
  return { ...noCost, requests: 1, inputTokens: units };
}

export function limit(
  algorithm: Limit['algorithm'],
  amount: number,
  periodMs: number,
  more: Partial<Limit> = {},
): Limit {
  const measure = algorithm === 'slots' ? 'concurrency' : 'tokens';
  return {
    name: algorithm,
    measure,
    algorithm,
    amount,
    capacity: amount,
    periodMs,
    per: ['identity'],
    mode: 'enforce',
    queue: false,
    ...(algorithm === 'calendar' ? { calendar: 'day' } : {}),
    ...more,
  };
}

export const bucket = limit('token-bucket', 60, minuteMs);
export const rolling = limit('rolling', 60, minuteMs);
export const daily = limit('calendar', 60, dayMs);
export const slots = limit('slots', 2, 0);
export const windows = { bucket, rolling, daily } as const;

export function equal(actual: unknown, expected: unknown, what: string): void {
  const [is, should] = [spelt(actual), spelt(expected)];
  if (is !== should) throw new Error(`${what}: expected ${should}, got ${is}`);
}

/** As JSON, with the numbers that JSON has not: a wait may be Infinity or NaN. */
function spelt(value: unknown): string {
  return JSON.stringify(value, (_, one: unknown) =>
    typeof one === 'number' && !Number.isFinite(one) ? String(one) : one,
  );
}

export interface StoreCase {
  readonly limits: readonly Limit[];
  check(bench: Bench): Promise<void>;
}

export class Bench {
  readonly clock: VirtualClock;
  readonly store: Store;
  #set!: LimitSet;

  constructor(clock: VirtualClock, store: Store, limits: readonly Limit[]) {
    this.clock = clock;
    this.store = store;
    this.configure(limits);
  }

  /** Goes on with these limits. */
  configure(limits: readonly Limit[], timeZone = 'UTC'): void {
    this.store.configure(limits, { timeZone, keysMax });
    this.#set = this.store.prepare(limits);
  }

  get set(): LimitSet {
    return this.#set;
  }

  async try(units: number, identity = 'ann', model = ''): Promise<Receipt | Shortfall> {
    return this.store.reserve(this.#set, subject(identity, model), tokens(units));
  }

  async take(units: number, identity = 'ann', model = ''): Promise<Receipt> {
    const answer = await this.try(units, identity, model);
    if (!answer.admitted) throw new Error(`${identity} was refused ${units} by ${answer.limit.name}`);
    return answer;
  }

  async refused(units: number, identity = 'ann', model = ''): Promise<Shortfall> {
    const answer = await this.try(units, identity, model);
    if (answer.admitted) throw new Error(`${identity} was admitted with ${units}`);
    return answer;
  }

  async states(identity = 'ann', model = ''): Promise<LimitState[]> {
    return this.store.peek(this.#set, subject(identity, model));
  }

  /** Units left on each limit, to the thousandth: levels of buckets may be rounded. */
  async left(identity = 'ann', model = ''): Promise<number[]> {
    return (await this.states(identity, model)).map(({ remaining }) => Math.round(remaining * 1000) / 1000 + 0);
  }
}
