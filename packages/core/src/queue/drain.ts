/**
 * How fast a line drains, from those it let through lately: the mean time between two of them while others waited. Sums
 * that fade instead of a mean of intervals, so that slots freed in pairs count as two and a pause counts while it lasts.
 */
import { LRUCache } from 'lru-cache';

/** What is kept of the sums at each one let through: about the last ten count. */
const kept = 0.9;
/** Lines remembered after they emptied. */
const linesMax = 1_000;

export class Drain {
  #let = 0;
  #spentMs = 0;
  /** When the line last let one through, or began; undefined while nobody waits in it. */
  #since: number | undefined;

  begin(now: number): void {
    this.#since ??= now;
  }

  /** Nobody waits any more: what passes until somebody does says nothing. */
  end(): void {
    this.#since = undefined;
  }

  letThrough(now: number): void {
    const spentMs = now - (this.#since ?? now);
    this.#since = now;
    this.#let = kept * this.#let + 1;
    this.#spentMs = kept * this.#spentMs + spentMs;
  }

  /** Mean time between two let through, ms; undefined when none was yet. A line that stands still gets slower by the minute. */
  intervalMs(now: number): number | undefined {
    if (this.#let === 0) return undefined;
    const pausedMs = now - (this.#since ?? now);
    return Math.max(this.#spentMs / this.#let, (kept * this.#spentMs + pausedMs) / (kept * this.#let + 1));
  }
}

export class Drains {
  readonly #lines = new LRUCache<string, Drain>({ max: linesMax });

  of(line: string): Drain {
    let drain = this.#lines.get(line);
    if (drain === undefined) {
      drain = new Drain();
      this.#lines.set(line, drain);
    }
    return drain;
  }

  /** Without making one. */
  intervalMs(line: string, now: number): number | undefined {
    return this.#lines.get(line)?.intervalMs(now);
  }
}
