/** The store that a policy names. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Policy } from '@headgate/core';
import { redisStore, type SharedStore } from '@headgate/redis';
import { Redis } from 'ioredis';

/** Longest that the gateway waits for its store before it begins without it, ms. */
const connectMs = 1_000;

/** Between two words about settlements that are lost, ms. While Redis is away for long, one is lost for each request. */
const tellEveryMs = 10_000;

export type OnLost = (settlements: number, cause: unknown) => void;

/** Tells of the first at once, and of those after it added up, now and then. */
export function nowAndThen(tell: OnLost): OnLost {
  let isQuiet = false;
  let untold = 0;
  return function lost(settlements, cause) {
    untold += settlements;
    if (isQuiet) return;
    tell(untold, cause);
    untold = 0;
    isQuiet = true;
    setTimeout(() => {
      isQuiet = false;
      if (untold > 0) lost(0, cause);
    }, tellEveryMs).unref();
  };
}

/** Undefined where counters live in memory. The limiter closes it. */
export function sharedStore({ store }: Policy, onLost: OnLost): SharedStore | undefined {
  if (store.kind === 'memory') return undefined;
  // Never connected itself: the store makes a connection of its own like it.
  const client = new Redis(store.url, { lazyConnect: true });
  return redisStore(client, { prefix: store.prefix, onSettlementsLost: nowAndThen(onLost) });
}

/** The first requests are decided by the store too, unless it cannot be reached. */
export async function connect({ connected }: SharedStore): Promise<void> {
  const over = new AbortController();
  const tooLong = sleep(connectMs, undefined, { signal: over.signal }).catch(() => {});
  await Promise.race([connected, tooLong]);
  over.abort();
}
