/** A process behind the guard, with its way to Redis through a proxy that fails as it is told, and another that sees what Redis has. */
import { type Limit, type LimitSet, type Receipt, systemClock } from '@headgate/core';
import { GuardedStore, type OnDown } from '@headgate/core/store';
import { Redis } from 'ioredis';
import { expect } from 'vitest';
import { patienceMs } from '../../../../test/support/patience.js';
import { subject, tokens } from '../../../core/test/support/fixtures.js';
import { type RedisClient, redisStore, type SharedStore } from '../../src/index.js';
import { space } from './store.js';

export interface Decision {
  readonly said: 'admitted' | 'refused' | 'down';
  readonly receipt: Receipt | undefined;
  readonly tookMs: number;
}

export interface GuardedOptions {
  readonly onDown: OnDown;
  readonly limits: readonly Limit[];
  readonly deadlineMs?: number;
}

export class Guarded {
  readonly onDown: OnDown;
  readonly store: SharedStore;
  readonly guard: GuardedStore;
  readonly set: LimitSet;
  readonly changes: string[] = [];
  readonly #observer: SharedStore;
  readonly #limits: readonly Limit[];

  private constructor({ onDown, limits, ...more }: GuardedOptions, observer: SharedStore, store: SharedStore) {
    this.onDown = onDown;
    this.store = store;
    this.#observer = observer;
    this.#limits = limits;
    const onChange = (isDown: boolean): void => void this.changes.push(isDown ? 'down' : 'up');
    this.guard = new GuardedStore(store, { clock: systemClock(), onDown, onChange, ...more });
    this.guard.configure(limits, { timeZone: 'UTC', keysMax: 1_000 });
    this.set = this.guard.prepare(limits);
  }

  /**
   * Two processes that know of each other: the guarded one, and one that asks Redis itself.
   * @param own of the guarded one
   */
  static async start(options: GuardedOptions, own: RedisClient, direct: RedisClient, waits = true): Promise<Guarded> {
    const { limits } = options;
    const prefix = space();
    const observer = redisStore(direct, { prefix });
    observer.configure(limits, { timeZone: 'UTC', keysMax: 1 });
    await observer.connected;
    const one = new Guarded(options, observer, redisStore(own, { prefix }));
    if (waits) {
      await one.store.connected;
      await expect.poll(() => one.store.peers?.count).toBe(2);
      await one.take('somebody', 0);
    }
    return one;
  }

  async decide(identity: string, units: number): Promise<Decision> {
    const from = performance.now();
    const answer = await this.guard.reserve(this.set, subject(identity), tokens(units)).catch(() => undefined);
    const tookMs = performance.now() - from;
    if (answer === undefined) return { said: 'down', receipt: undefined, tookMs };
    if (!answer.admitted) return { said: 'refused', receipt: undefined, tookMs };
    return { said: 'admitted', receipt: answer, tookMs };
  }

  /** Asked again where a machine was so busy that Redis missed its deadline: nothing was let through then. */
  async take(identity: string, units: number): Promise<Receipt> {
    for (const until = performance.now() + patienceMs; ; ) {
      const { said, receipt } = await this.decide(identity, units);
      if (receipt !== undefined) return receipt;
      if (said === 'refused' || performance.now() > until) throw new Error(`it is ${said}`);
      // The guard looks by the real clock whether Redis is back.
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }

  /** As Redis has it. */
  async used(identity: string): Promise<number> {
    const observer = this.#observer;
    const [state] = await observer.peek(observer.prepare(this.#limits), subject(identity));
    return state!.limit - state!.remaining;
  }

  async close(): Promise<void> {
    await Promise.all([this.guard.close(), this.#observer.close()]);
  }
}

export const clientOf = (port: number): Redis => new Redis(port, '127.0.0.1', { lazyConnect: true });

/** How long most of some decisions took: the machine may hold up a few, and what holds up each of them shows. */
export function usual(tookMs: readonly number[]): number {
  return tookMs.toSorted((a, b) => a - b)[Math.floor(tookMs.length / 2)]!;
}
