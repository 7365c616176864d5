import { describe, expect, test } from 'vitest';
import {
  type RollingWindow,
  rollForward,
  rollingAdd,
  rollingFreeMs,
  rollingRefund,
  rollingWaitMs,
} from '../../../src/limits/rolling-window.js';
import {
  bucketAdmits,
  bucketFullMs,
  bucketLevel,
  bucketRefund,
  bucketWaitMs,
} from '../../../src/limits/token-bucket.js';
import { day, hour, minute } from '../../support/fixtures.js';

describe('a token bucket', () => {
  test('admits to the unit, and not one more', () => {
    expect([bucketAdmits(10, 10, 10), bucketAdmits(9.9999, 10, 10)]).toEqual([true, false]);
  });

  test('fills at its rate, to its capacity, and not by a clock that goes back', () => {
    expect(bucketLevel(2, 1000, 0.01, 10, 1300)).toBe(5);
    expect(bucketLevel(2, 1000, 0.01, 10, 999_999)).toBe(10);
    expect(bucketLevel(2, 1000, 0.01, 10, 0)).toBe(2);
    expect(bucketLevel(-5, 0, 0.01, 10, 100)).toBe(-4);
  });

  test('waits whole milliseconds, nothing when there is room, for ever when there never is', () => {
    expect(bucketWaitMs(10, 10, 0.01, 10)).toBe(0);
    expect(bucketWaitMs(9, 10, 0.01, 10)).toBe(100);
    expect(bucketWaitMs(9, 10, 0.03, 10)).toBe(34);
    expect(bucketWaitMs(-20, 10, 0.01, 10)).toBe(3000);
    expect(bucketWaitMs(10, 10.001, 0.01, 10)).toBe(Number.POSITIVE_INFINITY);
    expect(bucketWaitMs(-100, 11, 0.01, 10)).toBe(Number.POSITIVE_INFINITY);
    expect([bucketFullMs(10, 0.01, 10), bucketFullMs(0, 0.03, 10)]).toEqual([0, 334]);
  });

  test('answers for a debt that outlasts the universe as it does for any other', () => {
    for (const level of [-1e12, -1e15, -9e15, -1e18, -1e300]) {
      for (const rate of [1 / day, 1 / (365 * day), 3.3e-11]) {
        const waitMs = bucketWaitMs(level, 1, rate, 10);
        expect(waitMs).toBeGreaterThan(0);
        expect(level + waitMs * rate).toBeGreaterThanOrEqual(level);
      }
    }
  });

  test.each([
    [1_000_000, minute, 1],
    [7_000_000, minute, 1],
    [7_000_000, minute, 500],
    [1_000_000_000, day, 800],
    [7, 1000, 1],
    [150_000, minute, 37],
    [90_000, hour, 1],
  ])('of %i per %i ms gives exactly its rate under sustained load, cost %i', (amount, periodMs, cost) => {
    const rate = amount / periodMs;
    // Room for what comes in between two polls, so that nothing is lost at the brim.
    const capacity = cost + Math.ceil(rate);
    let level = 0;
    let admitted = 0;
    const polls = 400_000;
    for (let now = 1; now <= polls; now++) {
      level = bucketLevel(level, now - 1, rate, capacity, now);
      while (bucketAdmits(level, cost, capacity)) {
        level -= cost;
        admitted += cost;
      }
    }
    const ideal = rate * polls;
    expect(admitted).toBeLessThanOrEqual(ideal * (1 + 1e-9) + capacity * 1e-6);
    expect(admitted).toBeGreaterThan(ideal * (1 - 1e-9) - cost);
  });

  test('gives a refund for what time has not given back', () => {
    // Ten in a bucket of ten at one a second, refunded after 0, 4 and 20 seconds.
    expect([0, 4_000, 20_000].map((elapsedMs) => bucketRefund(10, 10, 0, elapsedMs, 0, 0.001, 10))).toEqual([10, 6, 0]);
    // Two of a bucket that was taken empty since: all of it for the time in which the rest came back.
    expect([6_000, 8_000, 9_000].map((elapsedMs) => bucketRefund(2, 2, 0, elapsedMs, 0, 0.001, 10))).toEqual([2, 2, 1]);
    // Five of ten, the other five taken and given back since: they came in through no room of these.
    expect([0, 2_000, 6_000].map((elapsedMs) => bucketRefund(5, 5, 5, elapsedMs, 5, 0.001, 10))).toEqual([5, 3, 0]);
  });
});

describe('a rolling window', () => {
  const periodMs = 60_000;
  const windowWith = (...charges: [units: number, at: number][]): RollingWindow => {
    const window = { total: 0, counts: [] };
    for (const [units, at] of charges) rollingAdd(window, units, at, periodMs);
    return window;
  };

  test('counts a charge for a whole period wherever it fell in its sub-bucket, and at most one sub-bucket longer', () => {
    for (const at of [0, 1, 999, 1000, 30_500]) {
      const window = windowWith([1, at]);
      rollForward(window, at + periodMs - 1, periodMs);
      expect(window.total).toBe(1);
      rollForward(window, at + periodMs + 1000, periodMs);
      expect(window.total).toBe(0);
    }
  });

  test('keeps one number for each sub-bucket that holds something', () => {
    const window = windowWith([1, 0], [1, 500], [1, 999], [1, 5000]);
    expect(window).toEqual({ total: 4, counts: [0, 3, 5, 1] });
  });

  test('waits until enough has passed out, to the millisecond', () => {
    const window = windowWith([40, 0], [30, 10_000], [30, 20_000]);
    const wait = (cost: number) => rollingWaitMs(window, cost, 100, 20_000, periodMs);
    expect([wait(0), wait(1), wait(40), wait(41), wait(70), wait(71), wait(100), wait(101)]).toEqual([
      0,
      41_000,
      41_000,
      51_000,
      51_000,
      61_000,
      61_000,
      Number.POSITIVE_INFINITY,
    ]);
    expect(rollingFreeMs(window, 20_000, periodMs)).toBe(61_000);
  });

  test('of a period that does not divide by 60 keeps its instants too', () => {
    for (const odd of [1_001, 7_001, 30, 59, 1, 86_399_999]) {
      const window: RollingWindow = { total: 0, counts: [] };
      for (const at of [0, 13, 1_000_003]) {
        rollForward(window, at, odd);
        rollingAdd(window, 1, at, odd);
      }
      const now = 1_000_003;
      const waitMs = rollingWaitMs(window, 1, window.total, now, odd);
      rollForward(window, now + waitMs - 1, odd);
      const before = window.total;
      rollForward(window, now + waitMs, odd);
      expect(window.total).toBeLessThan(before);
    }
  });

  test('refunds only what the sub-bucket holds, and nothing to one that has passed', () => {
    const window = windowWith([10, 0], [10, 5_000]);
    rollingRefund(window, 4, 0);
    rollingRefund(window, 99, 5);
    rollingRefund(window, 7, 3);
    expect(window).toEqual({ total: 6, counts: [0, 6, 5, 0] });
  });

  test('is free when its newest charge that was not refunded has passed out', () => {
    expect(rollingFreeMs(windowWith([10, 0]), 500, periodMs)).toBe(60_500);
    const window = windowWith([10, 0], [10, 5_000], [10, 9_000]);
    const free = (): number => rollingFreeMs(window, 9_000, periodMs);
    expect(free()).toBe(61_000);
    rollingRefund(window, 10, 9);
    expect(free()).toBe(57_000);
    rollingRefund(window, 10, 0);
    expect(free()).toBe(57_000);
    rollingRefund(window, 10, 5);
    expect(free()).toBe(0);
  });
});
