import type { Clock, Timer } from '../kernel/clock.js';
import { Heap } from '../kernel/heap.js';

interface Due {
  readonly at: number;
  readonly order: number;
  readonly callback: () => void;
}

/** A clock that moves only when told to, and runs what is due on the way, in order. */
export class VirtualClock implements Clock {
  #now: number;
  #wall: number;
  #order = 0;
  readonly #due = new Heap<Due>(
    ({ at }) => at,
    ({ order }) => order,
  );

  /** @param wall epoch ms at the start */
  constructor(wall = Date.UTC(2026, 0, 5, 12), now = 0) {
    this.#now = now;
    this.#wall = wall - now;
  }

  now(): number {
    return this.#now;
  }

  wall(now = this.#now): number {
    return this.#wall + now;
  }

  after(delayMs: number, callback: () => void): Timer {
    const place = this.#due.add({ at: this.#now + Math.max(0, delayMs), order: this.#order++, callback });
    return { cancel: () => this.#due.remove(place) };
  }

  /** Timers that have not fired. */
  get timers(): number {
    return this.#due.size;
  }

  /** When the next timer is due; Infinity when none is. */
  get nextAt(): number {
    return this.#due.first()?.at ?? Number.POSITIVE_INFINITY;
  }

  /** Moves time on, firing timers at their own instants. Does not wait for promises; see `run`. */
  advance(ms: number): void {
    const until = this.#now + ms;
    while (this.#fire(until)) {}
    this.#now = until;
  }

  /** Moves time on and lets promises settle at every instant at which something fires. */
  async run(ms: number): Promise<void> {
    const until = this.#now + ms;
    await settled();
    while (this.#fire(until)) await settled();
    this.#now = until;
    await settled();
  }

  /** Steps the calendar's clock only, as an administrator or NTP would. */
  stepWall(ms: number): void {
    this.#wall += ms;
  }

  /** Fires the first timer that is due until then; false when none is. */
  #fire(until: number): boolean {
    const first = this.#due.first();
    if (first === undefined || first.at > until) return false;
    this.#due.removeFirst();
    this.#now = Math.max(this.#now, first.at);
    first.callback();
    return true;
  }
}

/** Waits until a chain of promises of ordinary length has settled. */
export async function settled(): Promise<void> {
  for (let i = 0; i < 20; i++) await Promise.resolve();
}
