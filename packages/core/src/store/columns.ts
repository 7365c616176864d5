/**
 * How each algorithm keeps its state in a row of the memory store: a few doubles at a fixed offset, and for rolling windows
 * a sparse list beside them. A column knows one limit; it never decides alone, it answers what the store asks of it.
 */
import type { Calendar, CalendarWindow } from '../limits/calendar-window.js';
import {
  type RollingWindow,
  rollForward,
  rollingAdd,
  rollingFreeMs,
  rollingRefund,
  rollingStart,
  rollingWaitMs,
} from '../limits/rolling-window.js';
import type { Limit, LimitState, Measure } from '../model.js';
import type { Cost } from './store.js';

/** One reading of the clock for a whole decision, whole ms. `wall` is 0 when no limit of the policy follows the calendar. */
export interface Instant {
  now: number;
  wall: number;
}

/** The doubles of one row, and the rolling windows of the row by column. */
export interface Cells {
  readonly doubles: Float64Array;
  readonly offset: number;
  readonly windows: (RollingWindow | undefined)[] | undefined;
}

/** Dollars and seconds are counted in whole billionths and millionths, so that sums stay exact. */
const scales: { readonly [M in Measure]?: number } = { cost: 1e9, gpuSeconds: 1e6 };

export function unitsOf(measure: Measure, cost: Cost): number {
  switch (measure) {
    case 'requests':
    case 'concurrency':
      return cost.requests;
    case 'tokens':
      return cost.inputTokens + cost.outputTokens;
    case 'inputTokens':
      return cost.inputTokens;
    case 'outputTokens':
      return cost.outputTokens;
    case 'cost':
      return Math.round(cost.cost * 1e9);
    case 'gpuSeconds':
      return Math.round(cost.gpuSeconds * 1e6);
    case 'failures':
      return cost.failures;
    case 'toolCalls':
      return cost.toolCalls;
  }
}

/** The same in the limit's own unit, as `remaining` is told: dollars, seconds. */
export function amountOf(measure: Measure, cost: Cost): number {
  return unitsOf(measure, cost) / (scales[measure] ?? 1);
}

/** Whether an empty counter of the limit has room for the cost. */
export function fits({ measure, capacity }: Limit, cost: Cost): boolean {
  return unitsOf(measure, cost) <= capacity * (scales[measure] ?? 1);
}

/** Never: this cost does not fit an empty counter either. Unknown: only a slot's release can tell. */
export const never = Number.POSITIVE_INFINITY;
export const unknown = Number.NaN;

export abstract class Column {
  readonly limit: Limit;
  readonly at: number;
  readonly scale: number;
  readonly capacity: number;
  readonly enforced: boolean;
  /** Of limits that follow one. */
  readonly calendar: Calendar | undefined;
  /** The same for all columns that a counter has had, as long as what was charged on one can be refunded on the next. */
  lineage = 0;

  /** @param at index of the column's first double in its row */
  constructor(limit: Limit, at: number) {
    this.limit = limit;
    this.at = at;
    this.scale = scales[limit.measure] ?? 1;
    this.capacity = limit.capacity * this.scale;
    this.enforced = limit.mode === 'enforce';
  }

  /** Doubles that the column takes in a row. */
  abstract readonly width: number;
  /** Writes what a fresh counter holds. */
  abstract clear(row: Cells, instant: Instant): void;
  /** Ms until `units` fit; 0 now. */
  abstract waitMs(row: Cells, units: number, instant: Instant): number;
  /** Charges without asking and returns the window that was charged: what a refund needs to know of it. */
  abstract charge(row: Cells, units: number, instant: Instant): number;
  /**
   * Takes units back from the window they were charged to, or from nowhere when it has passed.
   * @param charged units to the same request in all
   */
  abstract refund(
    row: Cells,
    units: number,
    window: number,
    chargedAt: number,
    instant: Instant,
    charged: number,
  ): void;
  abstract state(row: Cells, instant: Instant): LimitState;
  /** Share of the limit in use: 0 when forgetting the counter would change nothing, 1 and above when it must not be forgotten. */
  abstract usedShare(row: Cells, instant: Instant): number;

  /** What a counter that does not exist yet would answer. */
  freshWaitMs(units: number): number {
    return units <= this.capacity ? 0 : never;
  }

  freshState(): LimitState {
    return this.stateOf(this.capacity, 0, 0);
  }

  protected stateOf(remaining: number, resetMs: number, nextMs: number): LimitState {
    const { name, measure, amount, mode, periodMs } = this.limit;
    return { name, measure, limit: amount, remaining: remaining / this.scale, resetMs, mode, periodMs, nextMs };
  }
}

/** `[start of the window, units used]` */
export class CalendarColumn extends Column {
  readonly width = 2;
  override readonly calendar: Calendar;

  constructor(limit: Limit, at: number, calendar: Calendar) {
    super(limit, at);
    this.calendar = calendar;
  }

  clear(row: Cells, instant: Instant): void {
    row.doubles[row.offset + this.at] = this.calendar.at(instant.wall).start;
    row.doubles[row.offset + this.at + 1] = 0;
  }

  /** The window that counts: that of `wall`, or the one already begun if the clock went back before it. */
  #window(row: Cells, instant: Instant): CalendarWindow {
    return this.calendar.at(Math.max(instant.wall, row.doubles[row.offset + this.at]!));
  }

  #used(row: Cells, window: CalendarWindow): number {
    const at = row.offset + this.at;
    return row.doubles[at] === window.start ? row.doubles[at + 1]! : 0;
  }

  waitMs(row: Cells, units: number, instant: Instant): number {
    const window = this.#window(row, instant);
    if (this.#used(row, window) + units <= this.capacity) return 0;
    return units > this.capacity ? never : Math.ceil(window.end - instant.wall);
  }

  charge(row: Cells, units: number, instant: Instant): number {
    const at = row.offset + this.at;
    const window = this.#window(row, instant);
    row.doubles[at + 1] = this.#used(row, window) + units;
    row.doubles[at] = window.start;
    return window.start;
  }

  refund(row: Cells, units: number, window: number): void {
    const at = row.offset + this.at;
    if (row.doubles[at] === window) row.doubles[at + 1] = Math.max(0, row.doubles[at + 1]! - units);
  }

  state(row: Cells, instant: Instant): LimitState {
    const window = this.#window(row, instant);
    const remaining = this.capacity - this.#used(row, window);
    const resetMs = remaining >= this.capacity ? 0 : Math.ceil(window.end - instant.wall);
    return this.stateOf(remaining, resetMs, remaining >= 1 ? 0 : resetMs);
  }

  usedShare(row: Cells, instant: Instant): number {
    const used = this.#used(row, this.#window(row, instant));
    return this.capacity - used < 1 ? 1 : used / this.capacity;
  }
}

/** No doubles; a sparse window in the row's list. */
export class RollingColumn extends Column {
  readonly width = 0;
  /** Place of the window in the row's list. */
  readonly index: number;

  constructor(limit: Limit, at: number, index: number) {
    super(limit, at);
    this.index = index;
  }

  clear(): void {}

  #window(row: Cells, instant: Instant): RollingWindow | undefined {
    const window = row.windows?.[this.index];
    if (window !== undefined) rollForward(window, instant.now, this.limit.periodMs);
    return window;
  }

  waitMs(row: Cells, units: number, instant: Instant): number {
    const window = this.#window(row, instant);
    if (window === undefined) return this.freshWaitMs(units);
    return rollingWaitMs(window, units, this.capacity, instant.now, this.limit.periodMs);
  }

  charge(row: Cells, units: number, instant: Instant): number {
    const { periodMs } = this.limit;
    const window = this.#window(row, instant);
    if (window !== undefined) return rollingAdd(window, units, instant.now, periodMs);
    const first = rollingStart(units, instant.now, periodMs);
    row.windows![this.index] = first;
    return first.counts[0]!;
  }

  refund(row: Cells, units: number, window: number): void {
    const rolling = row.windows?.[this.index];
    if (rolling !== undefined) rollingRefund(rolling, units, window);
  }

  state(row: Cells, instant: Instant): LimitState {
    const window = this.#window(row, instant);
    if (window === undefined) return this.freshState();
    const { periodMs } = this.limit;
    const nextMs = rollingWaitMs(window, Math.min(1, this.capacity), this.capacity, instant.now, periodMs);
    return this.stateOf(this.capacity - window.total, rollingFreeMs(window, instant.now, periodMs), nextMs);
  }

  usedShare(row: Cells, instant: Instant): number {
    const total = this.#window(row, instant)?.total ?? 0;
    return this.capacity - total < 1 ? 1 : total / this.capacity;
  }
}

/** `[slots held]` */
export class SlotsColumn extends Column {
  readonly width = 1;

  clear(row: Cells): void {
    row.doubles[row.offset + this.at] = 0;
  }

  waitMs(row: Cells, units: number): number {
    return row.doubles[row.offset + this.at]! + units <= this.capacity ? 0 : unknown;
  }

  charge(row: Cells, units: number): number {
    row.doubles[row.offset + this.at]! += units;
    return 0;
  }

  refund(row: Cells, units: number): void {
    row.doubles[row.offset + this.at]! -= units;
  }

  state(row: Cells): LimitState {
    return this.stateOf(this.capacity - row.doubles[row.offset + this.at]!, 0, 0);
  }

  usedShare(row: Cells): number {
    return row.doubles[row.offset + this.at]! > 0 ? 1 : 0;
  }
}
