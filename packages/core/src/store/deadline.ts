/**
 * One length of time for many waits: they end in the order in which they began, so one timer serves them all. While this
 * process is too busy to look, answers lie unread, and that time is nobody's delay but its own: it is not counted, up to a bound.
 */
import type { Clock, Timer } from '../kernel/clock.js';
import { type Link, List } from '../kernel/list.js';

interface Wait {
  /** By the time that is counted. */
  readonly until: number;
  /** By the clock. */
  readonly untilAnyway: number;
  readonly late: () => void;
  link: Link<Wait> | undefined;
}

/** A timer later than this is late because the process was busy. */
const busyMsMin = 5;
/** Until then what came meanwhile has been read. */
const readingMs = 1;
/** However busy the process is, no wait is longer than this many times its length. */
const lengthsMax = 10;

export class Deadlines {
  readonly #clock: Clock;
  readonly #lengthMs: number;
  readonly #waits = new List<Wait>();
  #timer: Timer | undefined;
  /** Time that is not counted. */
  #busyMs = 0;

  constructor(clock: Clock, lengthMs: number) {
    this.#clock = clock;
    this.#lengthMs = lengthMs;
  }

  /** Waits begun and not ended. */
  get size(): number {
    return this.#waits.size;
  }

  /** Calls `late` when the time is up; never once the returned function was called. */
  begin(late: () => void): () => void {
    const now = this.#clock.now();
    const wait: Wait = {
      until: now - this.#busyMs + this.#lengthMs,
      untilAnyway: now + this.#lengthMs * lengthsMax,
      late,
      link: undefined,
    };
    wait.link = this.#waits.push(wait);
    this.#arm();
    return () => {
      this.#waits.remove(wait.link!);
    };
  }

  #arm(): void {
    const { first } = this.#waits;
    if (this.#timer !== undefined || first === undefined) return;
    const dueAt = Math.max(first.until + this.#busyMs, this.#clock.now());
    this.#timer = this.#clock.after(dueAt - this.#clock.now(), () => {
      const lateMs = this.#clock.now() - dueAt;
      if (lateMs > busyMsMin) this.#busyMs += lateMs + readingMs;
      this.#expire();
      this.#timer = undefined;
      this.#arm();
    });
  }

  #expire(): void {
    const now = this.#clock.now();
    for (let wait = this.#waits.first; wait !== undefined; wait = this.#waits.first) {
      if (wait.until + this.#busyMs > now && wait.untilAnyway > now) return;
      this.#waits.remove(wait.link!);
      wait.late();
    }
  }
}
