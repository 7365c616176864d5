/** Ways to choose among backends that have a free slot, the request itself disregarded. `least-wait` has a file of its own. */
import type { Random } from '../kernel/random.js';
import type { PooledBackend } from './backend.js';

/** Chooses among those that have room; there is at least one. */
export type Pick = (free: readonly PooledBackend[], random: Random) => PooledBackend;

/** The fewest requests for its weight, the one just being placed counted; among equals the one that waited longest. */
export const leastBusy: Pick = (free) => {
  let best = free[0]!;
  for (let i = 1; i < free.length; i++) {
    if (isLessBusy(free[i]!, best)) best = free[i]!;
  }
  return best;
};

function isLessBusy(a: PooledBackend, b: PooledBackend): boolean {
  const suspicion = a.health.failures - b.health.failures;
  if (suspicion !== 0) return suspicion < 0;
  const difference = (a.used + 1) / a.weight - (b.used + 1) / b.weight;
  return difference === 0 ? a.pickedAt < b.pickedAt : difference < 0;
}

/**
 * Each in its turn, heavier ones more often and evenly spread: everybody earns its weight with each turn, the richest goes
 * and pays for all (nginx's smooth weighted round robin).
 */
export const roundRobin: Pick = (free) => {
  let best: PooledBackend | undefined;
  let sum = 0;
  for (const one of free) {
    one.credit += one.weight;
    sum += one.weight;
    if (best === undefined || one.credit > best.credit) best = one;
  }
  best!.credit -= sum;
  return best!;
};

/** The less busy of two at random: nearly as good as the least busy, and many gateways that do not see each other do not all run to the same one. */
export const randomTwo: Pick = (free, random) => {
  if (free.length === 1) return free[0]!;
  const first = Math.floor(random() * free.length);
  const other = (first + 1 + Math.floor(random() * (free.length - 1))) % free.length;
  return isLessBusy(free[other]!, free[first]!) ? free[other]! : free[first]!;
};
