/** Timers of an exchange. They take the limiter's clock, whose delays may be longer than a timer of the runtime can hold. */
import type { ServerResponse } from 'node:http';
import type { Clock, Timer } from '@headgate/core';

/** Calls back when nothing happened for a while. Touching it is cheap: the timer is moved only when it goes off. */
export class IdleTimer {
  readonly #clock: Clock;
  #idleMs: number;
  readonly #onIdle: () => void;
  #timer: Timer | undefined;
  #touchedAt = 0;

  constructor(clock: Clock, idleMs: number, onIdle: () => void) {
    this.#clock = clock;
    this.#idleMs = idleMs;
    this.#onIdle = onIdle;
  }

  /** Something happened; starts the timer when it is not running. */
  touch(): void {
    this.#touchedAt = this.#clock.now();
    this.#timer ??= this.#clock.after(this.#idleMs, this.#check);
  }

  /** Waits no longer than this from now on. */
  shorten(idleMs: number): void {
    if (idleMs >= this.#idleMs) return;
    this.#idleMs = idleMs;
    if (this.#timer === undefined) return;
    this.stop();
    this.touch();
  }

  stop(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  readonly #check = (): void => {
    const restMs = this.#touchedAt + this.#idleMs - this.#clock.now();
    this.#timer = undefined;
    if (restMs <= 0) this.#onIdle();
    else this.#timer = this.#clock.after(restMs, this.#check);
  };
}

/**
 * Drops a client that does not read its answer: while bytes wait to be sent, some have to leave in any `idleReadMs`.
 * Without this a client that stops reading would hold a backend, and afterwards memory, for ever.
 */
export function dropSlowReader(response: ServerResponse, clock: Clock, idleReadMs: number): void {
  let leftBefore = -1;
  const check = (): void => {
    const { socket } = response;
    const waiting = socket?.writableLength ?? 0;
    const left = socket === null ? 0 : socket.bytesWritten - waiting;
    if (waiting > 0 && left === leftBefore) {
      response.destroy();
      return;
    }
    leftBefore = left;
    timer = clock.after(idleReadMs, check);
  };
  let timer: Timer | undefined;
  // Most short answers are with the client's system by then, and need no watching.
  process.nextTick(() => {
    const { socket, writableEnded, writableFinished, destroyed } = response;
    if (writableFinished || destroyed || (writableEnded && socket?.writableLength === 0)) return;
    timer = clock.after(idleReadMs, check);
    response.once('close', () => timer?.cancel());
  });
}
