/**
 * Notices that a connection has fallen silent: something was asked, and for too long nothing came back. That looks the same
 * when it is this process that stood still, with the answers waiting to be read, so it is looked at twice.
 */
import type { Clock, Timer } from '@headgate/core';

export interface WatchdogOptions {
  readonly clock: Clock;
  readonly silenceMs: number;
  readonly onSilence: () => void;
}

/** Between two looks, as a share of the silence. */
const lookShare = 0.25;

export class Watchdog {
  readonly #options: WatchdogOptions;
  #timer: Timer | undefined;
  #unanswered = 0;
  /** When something last came back, or was asked while nothing was under way. */
  #heardAt = 0;
  #looks = 0;

  constructor(options: WatchdogOptions) {
    this.#options = options;
  }

  asked(): void {
    if (this.#unanswered++ > 0) return;
    this.#heardAt = this.#options.clock.now();
    this.#timer ??= this.#lookLater();
  }

  answered(): void {
    this.#unanswered--;
    this.#heardAt = this.#options.clock.now();
    this.#looks = 0;
  }

  #lookLater(): Timer {
    const { clock, silenceMs } = this.#options;
    return clock.after(silenceMs * lookShare, () => {
      this.#timer = undefined;
      if (this.#unanswered === 0) return;
      if (clock.now() - this.#heardAt < silenceMs) this.#looks = 0;
      else if (++this.#looks > 1) {
        this.#looks = 0;
        this.#heardAt = clock.now();
        this.#options.onSilence();
      }
      this.#timer = this.#lookLater();
    });
  }

  close(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
  }
}
