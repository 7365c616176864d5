/** What a limiter charged, permit by permit. */
import type { Limiter, Usage } from '@headgate/core';
import { expect } from 'vitest';

export interface Charges {
  readonly usages: Usage[];
  /** Waits until so many permits have ended, and nothing is open. */
  after(permits: number): Promise<readonly Usage[]>;
}

export function chargesOf(limiter: Limiter): Charges {
  const usages: Usage[] = [];
  let twice = 0;
  limiter.on('reservation-settled', ({ usage }) => usages.push(usage));
  limiter.on('reservation-cancelled', () => usages.push({}));
  limiter.on('permit-ended-twice', () => twice++);
  return {
    usages,
    after: async (permits) => {
      await expect.poll(() => usages.length, { timeout: 10_000 }).toBe(permits);
      expect(limiter.stats()).toMatchObject({ inFlight: 0, waiting: 0, open: 0 });
      expect(twice).toBe(0);
      return usages;
    },
  };
}
