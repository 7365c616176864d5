/** A token bucket in a row of the memory store. */
import { bucketAdmits, bucketFullMs, bucketLevel, bucketRefund, bucketWaitMs } from '../limits/token-bucket.js';
import type { Limit, LimitState } from '../model.js';
import { type Cells, Column, type Instant } from './columns.js';

/** `[level, instant, units refunded so far]` */
export class BucketColumn extends Column {
  readonly width = 3;
  readonly rate: number;

  constructor(limit: Limit, at: number) {
    super(limit, at);
    this.rate = (limit.amount * this.scale) / limit.periodMs;
  }

  clear(row: Cells, instant: Instant): void {
    row.doubles[row.offset + this.at] = this.capacity;
    row.doubles[row.offset + this.at + 1] = instant.now;
    row.doubles[row.offset + this.at + 2] = 0;
  }

  #level(row: Cells, instant: Instant): number {
    const at = row.offset + this.at;
    return bucketLevel(row.doubles[at]!, row.doubles[at + 1]!, this.rate, this.capacity, instant.now);
  }

  waitMs(row: Cells, units: number, instant: Instant): number {
    const level = this.#level(row, instant);
    if (bucketAdmits(level, units, this.capacity)) return 0;
    return bucketWaitMs(level, units, this.rate, this.capacity) + this.#aheadMs(row, instant);
  }

  /** How far the counter's instant lies in the future, after a clock that went back. */
  #aheadMs(row: Cells, instant: Instant): number {
    return Math.max(0, row.doubles[row.offset + this.at + 1]! - instant.now);
  }

  charge(row: Cells, units: number, instant: Instant): number {
    const at = row.offset + this.at;
    const level = this.#level(row, instant) - units;
    row.doubles[at] = level;
    if (instant.now > row.doubles[at + 1]!) row.doubles[at + 1] = instant.now;
    // A bucket has no windows: the level after the charge, less the refunds before it, says how much is still the charge's own.
    return level - row.doubles[at + 2]!;
  }

  refund(row: Cells, units: number, window: number, chargedAt: number, instant: Instant, charged: number): void {
    const at = row.offset + this.at;
    const level = this.#level(row, instant);
    if (instant.now > row.doubles[at + 1]!) row.doubles[at + 1] = instant.now;
    const elapsedMs = row.doubles[at + 1]! - chargedAt;
    const back = bucketRefund(units, charged, window, elapsedMs, row.doubles[at + 2]!, this.rate, this.capacity);
    row.doubles[at] = Math.min(this.capacity, level + back);
    row.doubles[at + 2]! += back;
  }

  /** Whole ms the request just charged waits for its turn: until no more are inside than pass at once. */
  delayMs(row: Cells): number {
    if (this.limit.delay === undefined) return 0;
    const level = row.doubles[row.offset + this.at]!;
    return bucketWaitMs(level, this.capacity - this.limit.delay.after, this.rate, this.capacity);
  }

  state(row: Cells, instant: Instant): LimitState {
    const level = this.#level(row, instant);
    const resetMs = bucketFullMs(level, this.rate, this.capacity);
    return this.stateOf(level, resetMs, bucketWaitMs(level, Math.min(1, this.capacity), this.rate, this.capacity));
  }

  usedShare(row: Cells, instant: Instant): number {
    const level = this.#level(row, instant);
    if (level >= this.capacity) return 0;
    return level < 1 ? 1 : 1 - level / this.capacity;
  }
}
