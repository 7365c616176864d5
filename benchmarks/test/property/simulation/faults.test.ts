import { describe, expect, test } from 'vitest';
import { moreSeeds } from '../../../../test/support/seeds.js';
import type { Plan } from '../../../simulation/faults/plan.js';
import { runSeed } from '../../../simulation/faults/run.js';
import { keptSeeds } from '../../../simulation/faults/seeds.js';

const fixed = Array.from({ length: 60 }, (_, i) => i + 1);
const more = moreSeeds.flatMap((seed) => Array.from({ length: 60 }, (_, i) => seed + i));

describe('whatever is drawn and whatever breaks', () => {
  test.each([
    ['the seeds that once failed', keptSeeds()],
    ['the first sixty seeds', fixed],
    ['those that were asked for', more],
  ])('everything that must hold holds: %s', async (_, seeds) => {
    for (const seed of seeds) {
      const { violation } = await runSeed(seed);
      expect(violation, `npm run bench:simulation -- --seed ${seed}`).toBeUndefined();
    }
  });

  test('one seed is one history', async () => {
    const logs: string[][] = [];
    for (let i = 0; i < 2; i++) {
      const log: string[] = [];
      await runSeed(17, { log: (line) => log.push(line) });
      logs.push(log);
    }
    expect(logs[0]!.length).toBeGreaterThan(50);
    expect(logs[1]).toEqual(logs[0]);
  });

  /** What the limiter believes is drawn; what is really there is changed. */
  test.each<[string, (plan: Plan) => Plan]>([
    ['capacity', (plan) => ({ ...plan, backends: plan.backends.map((one) => ({ ...one, slots: one.slots - 1 })) })],
    ['windows', (plan) => ({ ...plan, requests: { burst: 0, perMinute: 1 } })],
    ['deadlines', (plan) => ({ ...plan, waitMs: 0 })],
    ['fairness', (plan) => ({ ...plan, driftMost: 1 })],
  ])('the checker of %s sees a world in which that does not hold', async (name, change) => {
    const found: string[] = [];
    for (const seed of fixed.slice(0, 30)) found.push((await runSeed(seed, { change })).violation ?? '');
    expect(found.some((violation) => violation.startsWith(`${name},`))).toBe(true);
  });
});
