/** What a rate lets through, in both spellings: how many at once, and to the millisecond when the next one. */
import { describe, expect, test } from 'vitest';
import { day, hour, minute, second, world } from '../../support/fixtures.js';

/** The clock of tests starts at noon. */
const hoursToMidnight = 12;

type Rate = readonly [spelling: string | object, atOnce: number, nextMs: number];

/** Ours: the burst is how many there may be at once, and the whole amount unless said. */
const ours: readonly Rate[] = [
  ['60/min', 60, second],
  ['60/m', 60, second],
  ['60/min burst 10', 10, second],
  ['10/min burst 3', 3, 6 * second],
  ['10/min burst 1', 1, 6 * second],
  ['10/min burst 30', 30, 6 * second],
  ['5/s', 5, 200],
  ['3/s', 3, 334],
  ['1/2s', 1, 2 * second],
  ['0.5/s burst 2', 2, 2 * second],
  ['10/90s', 10, 9 * second],
  ['2/hour', 2, hour / 2],
  ['1k/day', 1000, day / 1000],
  // A rolling window is kept in sixtieths, and the oldest counts until all of it is past.
  ['10/min rolling', 10, minute + second],
  ['100/day calendar', 100, hoursToMidnight * hour],
  [{ limit: 10, per: 'min', burst: 3 }, 3, 6 * second],
  [{ limit: 10, per: 'min', algorithm: 'rolling' }, 10, minute + second],
];

/** nginx's: the burst is what comes on top of the one that the rate itself lets through. */
const nginx: readonly Rate[] = [
  ['10r/m', 1, 6 * second],
  ['10r/m burst=0', 1, 6 * second],
  ['10r/m burst=0 nodelay', 1, 6 * second],
  ['10r/m burst=3 nodelay', 4, 6 * second],
  ['10r/m burst=3 delay=3', 4, 6 * second],
  ['60r/m burst=9 nodelay', 10, second],
  ['5r/s', 1, 200],
  ['3r/s burst=2 nodelay', 3, 334],
];

describe.each([
  ['our spelling', ours],
  ["nginx's spelling", nginx],
])('%s', (_, rates) => {
  test.each(rates)('%j: %i at once, the next after %i ms and not one earlier', (requests, atOnce, nextMs) => {
    const { clock, limiter } = world({ requests });
    const passes = (): boolean => limiter.admitNow({ identity: 'ann' }).admitted;
    const first = Array.from({ length: atOnce + 1 }, passes);
    expect(first.filter(Boolean)).toHaveLength(atOnce);
    expect(first.at(-1)).toBe(false);
    const refused = limiter.admitNow({ identity: 'ann' });
    expect(!refused.admitted && refused.refusal.retryAfterMs).toBe(nextMs);
    clock.advance(nextMs - 1);
    expect(passes()).toBe(false);
    clock.advance(1);
    expect(passes()).toBe(true);
  });
});

test('the same words mean another number in the two spellings', () => {
  const atOnce = (requests: string): number => {
    const { limiter } = world({ requests });
    return Array.from({ length: 20 }, () => limiter.admitNow({}).admitted).filter(Boolean).length;
  };
  expect([atOnce('10/min burst 3'), atOnce('10r/m burst=3 nodelay')]).toEqual([3, 4]);
  expect([atOnce('10/min'), atOnce('10r/m')]).toEqual([10, 1]);
});
