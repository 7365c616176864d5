import type { Clock } from '@headgate/core';

/** Counts the exchanges whose end is still to be told. That of one that was cut comes after its client's connection is closed. */
export class Untold {
  #count = 0;
  #onNone = (): void => {};

  /** @param told resolves when the end was told; must not reject */
  add(told: Promise<void>): void {
    this.#count++;
    void told.then(() => {
      if (--this.#count === 0) this.#onNone();
    });
  }

  /** Resolves when there are none, or after `waitMs`. */
  async none(clock: Clock, waitMs: number): Promise<void> {
    if (this.#count === 0) return;
    await new Promise<void>((resolve) => {
      const timer = clock.after(waitMs, resolve);
      const onNone = (): void => {
        timer.cancel();
        resolve();
      };
      this.#onNone = onNone;
    });
  }
}
