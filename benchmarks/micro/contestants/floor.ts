/** The floor: a token bucket in a Map and nothing else. No policy, no bound on its keys, no refund, no reason for a refusal. */
import type { Contestant } from '../../lib/rounds.js';
import type { Keys } from '../keys.js';

interface Bucket {
  level: number;
  at: number;
}

export class MapBuckets {
  readonly #capacity: number;
  readonly #ratePerMs: number;
  readonly #buckets = new Map<string, Bucket>();

  constructor(capacity: number, ratePerMs: number) {
    this.#capacity = capacity;
    this.#ratePerMs = ratePerMs;
  }

  take(key: string): boolean {
    const now = Date.now();
    let bucket = this.#buckets.get(key);
    if (bucket === undefined) {
      bucket = { level: this.#capacity, at: now };
      this.#buckets.set(key, bucket);
    }
    const level = Math.min(this.#capacity, bucket.level + (now - bucket.at) * this.#ratePerMs);
    if (level < 1) return false;
    bucket.level = level - 1;
    bucket.at = now;
    return true;
  }

  async takeLater(key: string): Promise<boolean> {
    return this.take(key);
  }
}

export function floor(name: string, buckets: MapBuckets, keys: Keys, admits: boolean): Contestant {
  const { names, order } = keys;
  let at = 0;
  return {
    name,
    admits,
    run(times) {
      let admitted = 0;
      for (let i = 0; i < times; i++) if (buckets.take(names[order[at++ & (order.length - 1)]!]!)) admitted++;
      return admitted;
    },
  };
}

/** The same behind a promise, as a limiter is that may have to ask somebody else. */
export function floorAwaited(name: string, buckets: MapBuckets, keys: Keys, admits: boolean): Contestant {
  const { names, order } = keys;
  let at = 0;
  return {
    name,
    admits,
    async run(times) {
      let admitted = 0;
      for (let i = 0; i < times; i++) {
        if (await buckets.takeLater(names[order[at++ & (order.length - 1)]!]!)) admitted++;
      }
      return admitted;
    },
  };
}
