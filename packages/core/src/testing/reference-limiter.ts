/**
 * The policy's arithmetic in the most obvious way there is: every counter is the list of all that was ever charged to it, and
 * every question is answered by going through the list from the start. Slow, exact (whole numbers only) and without a bound on
 * memory; it says what a store must answer, and shares no code with any. Calendar windows are those of UTC.
 */
import type { Limit, Measure, Scope } from '../model.js';
import type { Cost, Subject } from '../store/store.js';

/** One reading of the clock, whole ms: time that does not step, and time since 1970. */
export interface ReferenceInstant {
  readonly now: number;
  readonly wall: number;
}

interface Entry {
  /** When it counts as charged: for windows of the calendar the start of the window, else the instant. */
  readonly at: number;
  units: number;
}

export interface ReferenceReceipt {
  readonly admitted: true;
  readonly parts: readonly { readonly counter: Counter; readonly entries: Entry[] }[];
  open: boolean;
}

export interface ReferenceRefusal {
  readonly admitted: false;
  /** Names of the limits without room. */
  readonly limits: readonly string[];
  /** One of them would have no room if it were empty. */
  readonly never: boolean;
}

export class ReferenceLimiter {
  readonly #limits: readonly Limit[];
  readonly #counters = new Map<string, Counter>();

  constructor(limits: readonly Limit[]) {
    this.#limits = limits;
  }

  reserve(subject: Subject, cost: Cost, instant: ReferenceInstant): ReferenceReceipt | ReferenceRefusal {
    const counters = this.#countersOf(subject);
    const full = counters.filter((counter) => !counter.hasRoom(counter.units(cost), instant));
    const against = full.filter(({ limit }) => limit.mode === 'enforce').map(({ limit }) => limit);
    if (against.length > 0) {
      const never = against.some((limit) => unitsOf(limit.measure, cost) > limit.capacity);
      return { admitted: false, limits: against.map(({ name }) => name), never };
    }
    const charged = counters.filter((counter) => !full.includes(counter));
    const parts = charged.map((counter) => ({ counter, entries: [counter.add(counter.units(cost), instant)] }));
    return { admitted: true, parts, open: true };
  }

  /** Charges more, if every enforced limit that counts it has room. */
  debit(receipt: ReferenceReceipt, more: Cost, instant: ReferenceInstant): boolean {
    if (!receipt.open) return false;
    const parts = receipt.parts.filter(({ counter }) => !counter.isSlots && counter.units(more) > 0);
    const refused = parts.some(
      ({ counter }) => counter.limit.mode === 'enforce' && !counter.hasRoom(counter.units(more), instant),
    );
    if (refused) return false;
    for (const { counter, entries } of parts) entries.push(counter.add(counter.units(more), instant));
    return true;
  }

  /** Corrects what was charged to what was used: the rest is charged now, too much is taken back from where it was charged last. */
  settle(receipt: ReferenceReceipt, actual: Cost, instant: ReferenceInstant): boolean {
    if (!receipt.open) return false;
    receipt.open = false;
    for (const { counter, entries } of receipt.parts) {
      let tooMuch =
        entries.reduce((sum, entry) => sum + entry.units, 0) - (counter.isSlots ? 0 : counter.units(actual));
      if (tooMuch < 0) counter.add(-tooMuch, instant);
      for (const entry of entries.reverse()) {
        const back = Math.max(0, Math.min(tooMuch, entry.units));
        entry.units -= back;
        tooMuch -= back;
      }
    }
    return true;
  }

  /** Units of each limit in use by the subject now, in the order of the limits; below zero never. */
  used(subject: Subject, instant: ReferenceInstant): number[] {
    return this.#countersOf(subject).map((counter) => counter.used(instant));
  }

  #countersOf(subject: Subject): Counter[] {
    return this.#limits.map((limit) => {
      const key = JSON.stringify([limit.name, ...[...limit.per].sort().map((scope) => scopeValue(scope, subject))]);
      let counter = this.#counters.get(key);
      if (counter === undefined) {
        counter = new Counter(limit);
        this.#counters.set(key, counter);
      }
      return counter;
    });
  }
}

class Counter {
  readonly limit: Limit;
  readonly #log: Entry[] = [];

  constructor(limit: Limit) {
    this.limit = limit;
  }

  get isSlots(): boolean {
    return this.limit.algorithm === 'slots';
  }

  units(cost: Cost): number {
    return unitsOf(this.limit.measure, cost);
  }

  hasRoom(units: number, instant: ReferenceInstant): boolean {
    const { algorithm, capacity, periodMs } = this.limit;
    if (algorithm !== 'token-bucket') return this.used(instant) + units <= capacity;
    return this.#debt(instant) + BigInt(units) * BigInt(periodMs) <= BigInt(capacity) * BigInt(periodMs);
  }

  add(units: number, instant: ReferenceInstant): Entry {
    const entry = { at: this.#at(instant), units };
    this.#log.push(entry);
    return entry;
  }

  used(instant: ReferenceInstant): number {
    const at = this.#at(instant);
    const { algorithm, periodMs } = this.limit;
    switch (algorithm) {
      case 'slots':
        return sum(this.#log);
      case 'calendar':
        return sum(this.#log.filter((entry) => entry.at === at));
      case 'token-bucket':
        return Number(this.#debt(instant)) / periodMs;
      case 'rolling': {
        const subBucket = (ms: number): number => Math.floor((ms * 60) / periodMs);
        return sum(this.#log.filter((entry) => subBucket(entry.at) >= subBucket(at) - 60));
      }
    }
  }

  /** What a bucket lacks to be full, in units x ms: the whole history played again, each charge as it stands today. */
  #debt(instant: ReferenceInstant): bigint {
    const rate = BigInt(this.limit.amount);
    let debt = 0n;
    let from = this.#log[0]?.at ?? 0;
    for (const { at, units } of [...this.#log, { at: this.#at(instant), units: 0 }]) {
      const refilled = debt - rate * BigInt(at - from);
      debt = (refilled > 0n ? refilled : 0n) + BigInt(units) * BigInt(this.limit.periodMs);
      from = at;
    }
    return debt;
  }

  /** A counter never goes back in time: a clock that does finds it where it was. */
  #at({ now, wall }: ReferenceInstant): number {
    const latest = this.#log.reduce((latest, { at }) => Math.max(latest, at), Number.NEGATIVE_INFINITY);
    return Math.max(latest, this.limit.algorithm === 'calendar' ? windowStart(this.limit, wall) : now);
  }
}

function sum(entries: readonly Entry[]): number {
  return entries.reduce((total, { units }) => total + units, 0);
}

function windowStart({ calendar }: Limit, wall: number): number {
  const date = new Date(wall);
  const [year, month, dayOfMonth] = [date.getUTCFullYear(), date.getUTCMonth(), date.getUTCDate()];
  if (calendar === 'month') return Date.UTC(year, month, 1);
  const sinceMonday = (date.getUTCDay() + 6) % 7;
  return Date.UTC(year, month, calendar === 'week' ? dayOfMonth - sinceMonday : dayOfMonth);
}

function unitsOf(measure: Measure, cost: Cost): number {
  if (measure === 'tokens') return cost.inputTokens + cost.outputTokens;
  return measure === 'concurrency' ? cost.requests : cost[measure];
}

function scopeValue(scope: Scope, subject: Subject): string {
  if (scope === 'all') return '';
  return scope === 'run' ? JSON.stringify([subject.identity, subject.run]) : subject[scope];
}
