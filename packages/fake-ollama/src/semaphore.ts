import type { Cancellation } from './cancellation.js';

/** First come, first served, unbounded and cancellable: the queue inside a model runner. */
export class Semaphore {
  readonly size: number;
  #held = 0;
  readonly #waiting = new Set<() => void>();

  constructor(size: number) {
    this.size = size;
  }

  get held(): number {
    return this.#held;
  }

  get waiting(): number {
    return this.#waiting.size;
  }

  /** Takes a unit at once, or returns false without queueing. Never overtakes a waiter. */
  tryAcquire(): boolean {
    if (this.#held >= this.size || this.#waiting.size > 0) return false;
    this.#held++;
    return true;
  }

  wait(cancellation: Cancellation): Promise<void> {
    return cancellation.race<void>((resolve) => {
      this.#waiting.add(resolve);
      return () => this.#waiting.delete(resolve);
    });
  }

  /** The unit goes straight to the first waiter, so a latecomer cannot slip in between. */
  release(): void {
    for (const next of this.#waiting) {
      this.#waiting.delete(next);
      next();
      return;
    }
    this.#held--;
  }
}
