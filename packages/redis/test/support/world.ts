/** Processes that share a server and time, all within this one: each may stand still, or not be heard of again. */
import type { Limit, Receipt, Shortfall } from '@headgate/core';
import { VirtualClock } from '@headgate/core/testing';
import { Redis } from 'ioredis';
import { cost, slots, subject } from '../../../core/test/support/fixtures.js';
import type { RedisStore } from '../../src/store.js';
import type { RedisServer } from './redis-server.js';
import { StallingClock } from './stalling-clock.js';
import { space, timedStore } from './store.js';

export const leaseMs = 9_000;
export const beatMs = leaseMs / 3;

export interface Process {
  readonly store: RedisStore;
  /** Whose slots were lost, in the order told: the first that was taken is 1. */
  readonly lost: number[];
  /** Nothing of it runs, until it wakes. */
  readonly clock: StallingClock;
  take(identity?: string): Promise<Receipt>;
  try(identity?: string): Promise<Receipt | Shortfall>;
  free(identity?: string): Promise<number>;
  /** As kill -9: it is not heard of again. */
  vanish(): void;
}

export interface World {
  readonly clock: VirtualClock;
  readonly prefix: string;
  process(port?: number): Promise<Process>;
  /** Time passes in steps that are shorter than a beat, and what it sets off is done. */
  pass(ms: number): Promise<void>;
}

export interface Surroundings {
  readonly server: RedisServer;
  /** A client of the same server. */
  readonly admin: Redis;
  readonly ends: (() => unknown)[];
}

/** Processes that share three slots, unless other limits are given. */
export function worldOf({ server, admin, ends }: Surroundings, limits: readonly Limit[] = [slots(3)]): World {
  const clock = new VirtualClock(Date.UTC(2026, 0, 5), 0);
  const prefix = space();
  return {
    clock,
    prefix,
    pass: async (ms) => {
      for (let passed = 0; passed < ms; passed += beatMs / 2) {
        clock.advance(Math.min(beatMs / 2, ms - passed));
        // There and back, for what a beat says, and for what follows from the answer; twice as often where a proxy is between.
        for (let i = 0; i < 8; i++) await admin.ping();
      }
    },
    process: async (port = server.port) => {
      const client = new Redis(port, '127.0.0.1', { lazyConnect: true });
      const own = new StallingClock(clock);
      const { store, link } = await timedStore(client, own, { prefix, leaseMs });
      ends.push(() => store.close());
      store.configure(limits, { timeZone: 'UTC', keysMax: 1 });
      const set = store.prepare(limits);
      const taken: Receipt[] = [];
      const lost: number[] = [];
      store.onLost((receipt) => lost.push(taken.indexOf(receipt) + 1));
      const attempt = async (identity = 'ann') => store.reserve(set, subject(identity), cost());
      return {
        store,
        lost,
        clock: own,
        try: attempt,
        take: async (identity) => {
          const answer = await attempt(identity);
          if (!answer.admitted) throw new Error(`refused by ${answer.limit.name}`);
          taken.push(answer);
          return answer;
        },
        free: async (identity = 'ann') => (await store.peek(set, subject(identity)))[0]!.remaining,
        vanish: () => link.close(),
      };
    },
  };
}
