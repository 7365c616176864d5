import type { Clock, Timer } from '@headgate/core';

const none: Timer = { cancel: () => {} };

/** The clock of a log: it stands where the last line was, and never goes back. Nothing waits on it. */
export class PastClock implements Clock {
  #at = 0;

  constructor(at: number) {
    this.#at = at;
  }

  /** @returns false when the instant lies before one that was reached */
  moveTo(at: number): boolean {
    if (at < this.#at) return false;
    this.#at = at;
    return true;
  }

  now(): number {
    return this.#at;
  }

  wall(): number {
    return this.#at;
  }

  after(): Timer {
    return none;
  }
}
