/**
 * The server's clock as this process knows it, from what its replies told. Every command says where it expects that clock, so
 * that one which is executed long after its caller gave up has no effect; and a step of that clock is believed only after it
 * has lasted a minute, so that one that is set wrong and back again grants nothing.
 */
import type { Clock } from '@headgate/core';

const stepToleranceMs = 1_000;
const stepBelievedMs = 60_000;

export class ServerClock {
  readonly #clock: Clock;
  /** The server's clock less this process's monotonic one, as last seen and as believed, ms. */
  #seenMs: number | undefined;
  #believedMs = 0;
  /** A step that was seen: the offset it amounts to, and since when. */
  #step: { readonly offsetMs: number; readonly since: number } | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Where the server's clock should be now, epoch ms; 0 before the first reply. */
  get expected(): number {
    return this.#seenMs === undefined ? 0 : Math.floor(this.#clock.now() + this.#seenMs);
  }

  /** How far the server's clock is ahead of what is believed, whole ms; 0 when there was no step. */
  get ahead(): number {
    return this.#step === undefined ? 0 : Math.round(this.#seenMs! - this.#believedMs);
  }

  /** Now, as decisions count it, epoch ms. Before the first reply: as this machine's calendar has it. */
  get wall(): number {
    return this.#seenMs === undefined ? this.#clock.wall() : this.#clock.now() + this.#believedMs;
  }

  /**
   * @param serverMs what the server's clock said
   * @param sentAt when the command was sent, on this process's monotonic clock
   */
  learn(serverMs: number, sentAt: number): void {
    const now = this.#clock.now();
    // Where between the two it was read is not known: after a long wait, or when this process stood still, that says too little.
    if (now - sentAt > stepToleranceMs) return;
    const offsetMs = serverMs - (sentAt + now) / 2;
    const isFirst = this.#seenMs === undefined;
    this.#seenMs = offsetMs;
    if (isFirst || Math.abs(offsetMs - this.#believedMs) <= stepToleranceMs) this.#believe(offsetMs);
    else if (this.#step === undefined || Math.abs(offsetMs - this.#step.offsetMs) > stepToleranceMs) {
      this.#step = { offsetMs, since: now };
    } else if (now - this.#step.since >= stepBelievedMs) this.#believe(offsetMs);
  }

  #believe(offsetMs: number): void {
    this.#believedMs = offsetMs;
    this.#step = undefined;
  }
}
