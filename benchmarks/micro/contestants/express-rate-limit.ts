/** express-rate-limit's MemoryStore, the part of that middleware that counts: fixed windows, no limit of its own. */
import { MemoryStore, type Options } from 'express-rate-limit';
import type { Contestant } from '../../lib/rounds.js';
import type { Keys } from '../keys.js';

const hourMs = 3_600_000;

export function hitStore(): MemoryStore {
  const store = new MemoryStore();
  store.init({ windowMs: hourMs } as Options);
  // Its sweep of expired keys must not keep the process alive.
  store.interval?.unref();
  return store;
}

/** The store counts, the middleware compares: so does this. */
export function increment(
  name: string,
  stores: readonly MemoryStore[],
  hits: number,
  keys: Keys,
  admits: boolean,
): Contestant {
  const { names, order } = keys;
  let at = 0;
  return {
    name,
    admits,
    async run(times) {
      let admitted = 0;
      for (let i = 0; i < times; i++) {
        const key = names[order[at++ & (order.length - 1)]!]!;
        let within = true;
        for (const store of stores) {
          const { totalHits } = await store.increment(key);
          within &&= totalHits <= hits;
        }
        if (within) admitted++;
      }
      return admitted;
    },
  };
}
