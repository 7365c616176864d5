/**
 * Those who wait for their turn: a limit that delays has charged them already, and they go on when the rate allows. Each is
 * sent off by its timer, by `sendOffAll`, or by its client's leaving; whichever comes first.
 */

import type { Clock } from '../kernel/clock.js';
import type { Signal } from '../kernel/signal.js';
import type { Refusal } from '../model.js';
import { inWords, refuse } from '../refusal.js';

export class Turns {
  readonly #clock: Clock;
  /** Longest wait for a turn, ms. */
  readonly #waitMsMax: () => number;
  readonly #waiting = new Set<(refusal: Refusal) => void>();

  constructor(clock: Clock, waitMsMax: () => number) {
    this.#clock = clock;
    this.#waitMsMax = waitMsMax;
  }

  get size(): number {
    return this.#waiting.size;
  }

  /**
   * Resolves when the turn has come, or with the refusal when it is too far away or never will come; rejects with the
   * signal's reason when the client leaves, after `onLeft`.
   */
  wait(delayMs: number, signal: Signal | undefined, onLeft: () => void): Promise<Refusal | undefined> {
    const waitMsMax = this.#waitMsMax();
    if (delayMs > waitMsMax) {
      const message = `its turn is ${inWords(delayMs)} away, longer than requests wait here.`;
      return Promise.resolve(refuse('queue-timeout', message, { retryAfterMs: Math.ceil(delayMs - waitMsMax) }));
    }
    return new Promise((resolve, reject) => {
      const end = (refusal: Refusal | undefined): void => {
        timer.cancel();
        this.#waiting.delete(end);
        signal?.removeEventListener('abort', onAbort);
        resolve(refusal);
      };
      const timer = this.#clock.after(delayMs, () => end(undefined));
      const onAbort = (): void => {
        timer.cancel();
        this.#waiting.delete(end);
        onLeft();
        reject(signal?.reason);
      };
      this.#waiting.add(end);
      signal?.addEventListener('abort', onAbort, { once: true });
    });
  }

  sendOffAll(refusal: Refusal): void {
    for (const end of [...this.#waiting]) end(refusal);
  }
}
