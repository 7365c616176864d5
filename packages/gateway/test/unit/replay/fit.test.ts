import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { holds } from '../../../../../test/support/seeds.js';
import { Ends } from '../../../src/replay/ends.js';
import { Amounts, Trailing } from '../../../src/replay/fit.js';
import { Histogram } from '../../../src/replay/histogram.js';

describe('amounts', () => {
  it('are quantiles of what was seen: exact when small, within 2 % when large', async () => {
    await holds(
      fc.property(
        fc.array(fc.oneof(fc.integer({ min: 0, max: 128 }), fc.integer({ min: 0, max: 1e9 })), { minLength: 1 }),
        fc.constantFrom(0.5, 0.95, 0.99, 1),
        (seen, share) => {
          const amounts = new Amounts();
          for (const amount of seen) amounts.add(amount);
          const exact = [...seen].sort((a, b) => a - b)[Math.ceil(seen.length * share) - 1]!;
          const found = amounts.quantile(share);
          expect(found).toBeGreaterThanOrEqual(exact);
          expect(found).toBeLessThanOrEqual(exact <= 128 ? exact : exact * 1.02 + 1);
        },
      ),
    );
  });
});

it('what was used in a period is never less than in any stretch of that length, and at most a sixtieth of it more', async () => {
  await holds(
    fc.property(fc.array(fc.tuple(fc.integer({ min: 0, max: 5_000 }), fc.integer({ min: 1, max: 50 }))), (steps) => {
      const periodMs = 6_000;
      const trailing = new Trailing(periodMs);
      const past: (readonly [at: number, units: number])[] = [];
      let at = 0;
      for (const [gap, units] of steps) {
        at += gap;
        past.push([at, units]);
        trailing.use(at, units);
        const within = (ms: number): number =>
          past.reduce((sum, [when, amount]) => (when > at - ms ? sum + amount : sum), 0);
        expect(trailing.sum).toBeGreaterThanOrEqual(within(periodMs));
        expect(trailing.sum).toBeLessThanOrEqual(within(periodMs + (2 * periodMs) / 60));
      }
    }),
  );
});

it('what ends comes out in the order of its end', async () => {
  await holds(
    fc.property(fc.array(fc.integer({ min: 0, max: 100 })), (times) => {
      const ends = new Ends<number>();
      for (const at of times) ends.add(at, at);
      const out: number[] = [];
      for (let end = ends.next(50); end !== undefined; end = ends.next(50)) out.push(end);
      expect(out).toEqual(times.filter((at) => at <= 50).sort((a, b) => a - b));
    }),
  );
});

it('a histogram keeps every count, however long it takes', () => {
  const histogram = new Histogram(0);
  for (let at = 0; at < 10_000_000; at += 10_000) histogram.add(at);
  const bars = histogram.bars(10_000_000, 10);
  expect(bars.reduce((sum, bar) => sum + bar, 0)).toBe(1_000);
  expect(Math.min(...bars)).toBeGreaterThan(50);
});
