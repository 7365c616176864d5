/** The clock of one process among several: while that stands still, time goes on, but nothing of it runs. */
import type { Clock, Timer } from '@headgate/core';

export class StallingClock implements Clock {
  readonly #clock: Clock;
  #isStalled = false;
  readonly #due = new Set<() => void>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  now(): number {
    return this.#clock.now();
  }

  wall(): number {
    return this.#clock.wall();
  }

  after(delayMs: number, callback: () => void): Timer {
    const run = (): void => {
      if (this.#isStalled) this.#due.add(callback);
      else callback();
    };
    const timer = this.#clock.after(delayMs, run);
    return {
      cancel: () => {
        timer.cancel();
        this.#due.delete(callback);
      },
    };
  }

  /** As SIGSTOP. */
  stall(): void {
    this.#isStalled = true;
  }

  /** As SIGCONT: what was due runs now, late. */
  wake(): void {
    this.#isStalled = false;
    const due = [...this.#due];
    this.#due.clear();
    for (const callback of due) callback();
  }
}
