/** rate-limiter-flexible in memory: one limiter, three in sequence, and its own union of three. It refuses by rejecting a promise. */
import { RateLimiterMemory, RateLimiterRes, RateLimiterUnion } from 'rate-limiter-flexible';
import type { Contestant } from '../../lib/rounds.js';
import type { Keys } from '../keys.js';

type Limiter = Pick<RateLimiterMemory, 'consume'> | RateLimiterUnion;

const dayS = 86_400;

export function memoryLimiter(points: number, keyPrefix = 'one'): RateLimiterMemory {
  return new RateLimiterMemory({ points, duration: dayS, keyPrefix });
}

export function threeLimiters(points: number): readonly RateLimiterMemory[] {
  return ['minute', 'hour', 'day'].map((prefix) => memoryLimiter(points, prefix));
}

export function union(limiters: readonly RateLimiterMemory[]): RateLimiterUnion {
  return new RateLimiterUnion(...limiters);
}

/** Whether what was thrown is a refusal; a bug is none. A union rejects with refusals by prefix. */
function isRefusal(thrown: unknown): boolean {
  if (thrown instanceof RateLimiterRes) return true;
  return Object.values(thrown as object).some((one) => one instanceof RateLimiterRes);
}

export function consume(name: string, limiter: Limiter, keys: Keys, admits: boolean): Contestant {
  const { names, order } = keys;
  let at = 0;
  return {
    name,
    admits,
    async run(times) {
      let admitted = 0;
      for (let i = 0; i < times; i++) {
        try {
          await limiter.consume(names[order[at++ & (order.length - 1)]!]!);
          admitted++;
        } catch (thrown) {
          if (!isRefusal(thrown)) throw thrown;
        }
      }
      return admitted;
    },
  };
}

/** One after the other until one refuses: what it charged before stays charged. */
export function consumeInSequence(
  name: string,
  limiters: readonly RateLimiterMemory[],
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
        try {
          for (const limiter of limiters) await limiter.consume(key);
          admitted++;
        } catch (thrown) {
          if (!isRefusal(thrown)) throw thrown;
        }
      }
      return admitted;
    },
  };
}

/** The same, and once the request is done two of them are given back what it did not use: what a settlement is there. */
export function consumeAndCorrect(name: string, limiters: readonly RateLimiterMemory[], keys: Keys): Contestant {
  const { names, order } = keys;
  let at = 0;
  return {
    name,
    admits: true,
    async run(times) {
      let admitted = 0;
      for (let i = 0; i < times; i++) {
        const key = names[order[at++ & (order.length - 1)]!]!;
        for (const limiter of limiters) await limiter.consume(key, 2);
        for (const limiter of limiters.slice(1)) await limiter.reward(key, 1);
        admitted++;
      }
      return admitted;
    },
  };
}
