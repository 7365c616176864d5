/** What a key costs to keep: bytes in use before and after so many identities made one request each, names included. */
import type { Limiter } from '@headgate/core';
import { bytesInUse } from '../lib/allocation.js';
import { hitStore } from './contestants/express-rate-limit.js';
import { MapBuckets } from './contestants/floor.js';
import { memoryLimiter, threeLimiters } from './contestants/rate-limiter-flexible.js';
import { identityName } from './keys.js';
import { chatRequest, limiterOf, oneLimit, plainRequest, plenty, sixLimits } from './policies.js';

export const memoryScenarios = [
  'floor: bucket in a Map',
  'headgate, one limit',
  'headgate, six limits',
  'rate-limiter-flexible, one limit',
  'rate-limiter-flexible, three limits',
  'express-rate-limit store, one limit',
] as const;
export type MemoryScenario = (typeof memoryScenarios)[number];

export interface Memory {
  readonly scenario: MemoryScenario;
  readonly limits: number;
  readonly keys: number;
  readonly bytesPerKey: number;
  readonly bytesPerKeyPerLimit: number;
}

/** One who keeps counters: takes a request of each identity. */
export interface Keeper {
  readonly limits: number;
  take(identity: string): unknown;
  /** Counters kept, where it says so. */
  kept?(): number;
}

export function keeper(scenario: MemoryScenario): Keeper {
  switch (scenario) {
    case 'floor: bucket in a Map': {
      const buckets = new MapBuckets(plenty, 1 / 86_400_000);
      return { limits: 1, take: (identity) => buckets.take(identity) };
    }
    case 'headgate, one limit':
      return headgateKeeper(1, limiterOf(oneLimit(plenty)), plainRequest);
    case 'headgate, six limits':
      return headgateKeeper(6, limiterOf(sixLimits()), chatRequest);
    case 'rate-limiter-flexible, one limit': {
      const limiter = memoryLimiter(plenty);
      return { limits: 1, take: (identity) => limiter.consume(identity) };
    }
    case 'rate-limiter-flexible, three limits': {
      const limiters = threeLimiters(plenty);
      return { limits: 3, take: (identity) => Promise.all(limiters.map((limiter) => limiter.consume(identity))) };
    }
    case 'express-rate-limit store, one limit': {
      const store = hitStore();
      return { limits: 1, take: (identity) => store.increment(identity) };
    }
  }
}

/** Requests are settled: what is kept is the counters', not a running request's. */
function headgateKeeper(limits: number, limiter: Limiter, ask: typeof plainRequest): Keeper {
  return {
    limits,
    take(identity) {
      const decision = limiter.admitNow(ask(identity));
      if (!decision.admitted) throw new Error(`${identity} was refused: ${decision.refusal.message}`);
      decision.permit.settle();
    },
    kept: () => limiter.stats().keys,
  };
}

export async function measureMemory(scenario: MemoryScenario, keys: number): Promise<Memory> {
  const { limits, take, kept } = keeper(scenario);
  await take(identityName(keys));
  const before = bytesInUse();
  for (let index = 0; index < keys; index++) await take(identityName(index));
  const bytesPerKey = (bytesInUse() - before) / keys;
  if (kept !== undefined && kept() < keys) throw new Error(`${scenario}: only ${kept()} of ${keys} keys were kept`);
  await take(identityName(keys));
  return { scenario, limits, keys, bytesPerKey, bytesPerKeyPerLimit: bytesPerKey / limits };
}
