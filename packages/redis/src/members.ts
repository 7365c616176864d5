/**
 * The processes that share a prefix: each says that it is there, and hears how many there are. A Redis that comes back without
 * memory knows of none until they have told it; so fewer than before are believed only once that has lasted.
 */
import { type Clock, HeadgateError, type Timer } from '@headgate/core';
import { type Column, SlotsColumn } from '@headgate/core/store';
import type { Link } from './link.js';
import { join } from './scripts.js';

export interface MembersOptions {
  readonly link: Link;
  readonly clock: Clock;
  readonly prefix: string;
  readonly node: number;
  readonly leaseMs: number;
}

/** By then whoever was connected before is again, and has told what it holds, ms. See `retryMsMax` in connection.ts. */
const returnMs = 600;

export class Members {
  readonly #options: MembersOptions;
  #peers = { count: 1, rank: 0 };
  /** Since when fewer are heard of than are believed to be there. */
  #fewerSince: number | undefined;
  #returningUntil = 0;
  #timer: Timer | undefined;
  #isAsking = false;
  /** Short at first: processes that begin together hear of each other soon. */
  #pauseMs = 500;

  constructor(options: MembersOptions) {
    this.#options = options;
    options.link.onReady(() => {
      if (this.#peers.count > 1) this.#returningUntil = options.clock.now() + returnMs;
      void this.#join(true);
    });
  }

  /**
   * Lets others tell first which slots they hold: those that look free in a Redis that is just back may be theirs.
   * @param columns asked for
   * @throws HeadgateError `HG_STORE_DOWN` for slots in that time
   */
  letTell(columns: readonly Column[]): void {
    const isReturning = this.#options.clock.now() < this.#returningUntil;
    if (!isReturning || !columns.some((column) => column instanceof SlotsColumn)) return;
    throw new HeadgateError(
      'HG_STORE_DOWN',
      'Redis is just back, and others have yet to tell it which slots they hold',
    );
  }

  /** As last heard; before that this process alone. */
  get peers(): { readonly count: number; readonly rank: number } {
    return this.#peers;
  }

  async #join(stays: boolean): Promise<void> {
    const { link, clock, prefix, node, leaseMs } = this.#options;
    this.#timer?.cancel();
    if (stays) this.#timer = clock.after(Math.min(this.#pauseMs, leaseMs / 3), () => void this.#join(true));
    this.#pauseMs *= 2;
    // One that is not answered yet says the same.
    if (!link.isReady || (this.#isAsking && stays)) return;
    this.#isAsking = true;
    try {
      const [reply] = await link.run(join, [`${prefix}:{nodes}:nodes`], [node, leaseMs, Number(stays)]);
      const [count, rank] = [reply!.readDoubleLE(16), reply!.readDoubleLE(24)];
      if (stays) this.#hear(Math.max(1, count), rank);
    } catch {
      // Who was there when last heard of is the best that is known.
    } finally {
      this.#isAsking = false;
    }
  }

  #hear(count: number, rank: number): void {
    const { clock, leaseMs } = this.#options;
    if (count < this.#peers.count) {
      this.#fewerSince ??= clock.now();
      if (clock.now() - this.#fewerSince < leaseMs) return;
    }
    this.#peers = { count, rank };
    this.#fewerSince = undefined;
    this.#returningUntil = 0;
  }

  async close(): Promise<void> {
    await this.#join(false);
    this.#timer?.cancel();
  }
}
