/**
 * Whether a shared store is asked at all. One that does not answer is not waited for again and again: after a few failures
 * nobody asks it, until a probe that nobody waits for has found it well.
 *
 *   closed --no connection, or three failures in a row--> open --a probe succeeds--> closed
 *
 * Once nobody needs it any more it stays closed, whatever fails: a store that is being closed fails for those who come late.
 */
import type { Clock, Timer } from '../kernel/clock.js';
import type { Random } from '../kernel/random.js';

const failuresMax = 3;
const probeMsMin = 100;
const probeMsMax = 500;

export interface CircuitOptions {
  readonly clock: Clock;
  readonly random: Random;
  /** Asks the store whether it would charge, without charging; rejects when it does not answer in time. */
  readonly probe: () => Promise<unknown>;
  readonly onOpen: (cause: unknown) => void;
  readonly onClose: () => void;
}

export class Circuit {
  readonly #options: CircuitOptions;
  #failures = 0;
  #isOpen = false;
  #isOver = false;
  #probes = 0;
  #timer: Timer | undefined;

  constructor(options: CircuitOptions) {
    this.#options = options;
  }

  get isOpen(): boolean {
    return this.#isOpen;
  }

  succeeded(): void {
    this.#failures = 0;
  }

  /** @param isCertain the store says itself that it is not there */
  failed(cause: unknown, isCertain: boolean): void {
    this.#failures++;
    if (this.#isOver || this.#isOpen || (!isCertain && this.#failures < failuresMax)) return;
    this.#isOpen = true;
    this.#probes = 0;
    this.#probeLater();
    this.#options.onOpen(cause);
  }

  #probeLater(): void {
    const { clock, random } = this.#options;
    // Soon at first, then rarer, and not all processes in the same instant.
    const meanMs = Math.min(probeMsMax, probeMsMin * 2 ** this.#probes++);
    this.#timer = clock.after(meanMs * (0.5 + random()), () => void this.#probe());
  }

  async #probe(): Promise<void> {
    try {
      await this.#options.probe();
    } catch {
      if (this.#isOpen) this.#probeLater();
      return;
    }
    if (!this.#isOpen) return;
    this.#isOpen = false;
    this.#failures = 0;
    this.#options.onClose();
  }

  /** Probes no more, and never again. */
  close(): void {
    this.#isOver = true;
    this.#isOpen = false;
    this.#timer?.cancel();
  }
}
