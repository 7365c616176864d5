/** Answers of a shared store that are waited for until a deadline, and no longer. */
import type { Clock } from '../kernel/clock.js';
import type { Circuit } from './circuit.js';
import { Deadlines } from './deadline.js';
import type { Answer } from './store.js';

/** Told of every question to the store that is waited for. */
export type OnAsked = (tookMs: number, answered: boolean) => void;

export class Patience {
  readonly #clock: Clock;
  readonly #deadlines: Deadlines;
  readonly #onAsked: OnAsked;

  constructor(clock: Clock, deadlineMs: number, onAsked: OnAsked) {
    this.#clock = clock;
    this.#deadlines = new Deadlines(clock, deadlineMs);
    this.#onAsked = onAsked;
  }

  /** The answer, if it comes in time: that its place answers is told to the circuit. */
  wait<T>(answer: Answer<T>, circuit: Circuit): Promise<T> {
    const askedAt = this.#clock.now();
    let isTold = false;
    const tell = (answered: boolean): void => {
      if (!isTold) this.#onAsked(this.#clock.now() - askedAt, answered);
      isTold = true;
    };
    return new Promise((resolve, reject) => {
      const end = this.#deadlines.begin(() => {
        tell(false);
        reject(new Error('the shared store did not answer in time'));
      });
      Promise.resolve(answer).then(
        (value) => {
          end();
          tell(true);
          circuit.succeeded();
          resolve(value);
        },
        (error: unknown) => {
          end();
          tell(false);
          reject(error);
        },
      );
    });
  }
}
