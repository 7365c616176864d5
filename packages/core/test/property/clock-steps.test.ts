/** A clock that steps grants nothing (I11). Time that passes is `real`; what the store reads is set back now and then. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { holds } from '../../../../test/support/seeds.js';
import type { Clock, Timer } from '../../src/kernel/clock.js';
import type { Limit } from '../../src/model.js';
import { MemoryStore } from '../../src/store/memory.js';
import { bucket, calendar, day, hour, minute, rolling, second, subject, tokens } from '../support/fixtures.js';

class SteppingClock implements Clock {
  nowMs = 10 * day;
  wallMs = Date.UTC(2026, 0, 15, 12);
  now(): number {
    return this.nowMs;
  }
  wall(): number {
    return this.wallMs;
  }
  after(): Timer {
    throw new Error('a store needs no timers');
  }
}

const ann = subject('ann');

function storeOf(limit: Limit) {
  const clock = new SteppingClock();
  const store = new MemoryStore(clock);
  store.configure([limit], { timeZone: 'UTC', keysMax: 100 });
  const set = store.prepare([limit]);
  const take = (units: number): boolean => store.reserve(set, ann, tokens(units)).admitted;
  return { clock, store, set, take };
}

const steps = fc.array(
  fc.oneof(
    { weight: 5, arbitrary: fc.record({ do: fc.constant('take' as const), units: fc.nat({ max: 30 }) }) },
    {
      weight: 2,
      arbitrary: fc.record({
        do: fc.constant('pass' as const),
        ms: fc.oneof(fc.nat({ max: 2 * minute }), fc.nat({ max: hour })),
      }),
    },
    fc.record({ do: fc.constant('back' as const), ms: fc.oneof(fc.nat({ max: minute }), fc.nat({ max: 2 * day })) }),
  ),
  { maxLength: 60, size: 'max' },
);

describe('a clock that is set back', () => {
  test.each([
    ['bucket', bucket(60, minute, { measure: 'tokens', capacity: 40 })],
    ['rolling window', rolling(60, minute, { measure: 'tokens' })],
  ])('never lets more through a %s than the time that really passed allows', (_, limit) =>
    holds(
      fc.property(steps, (history) => {
        const { clock, take } = storeOf(limit);
        let real = 0;
        const log: { at: number; units: number }[] = [];
        for (const step of history) {
          if (step.do === 'back') clock.nowMs -= step.ms;
          else if (step.do === 'pass') {
            clock.nowMs += step.ms;
            real += step.ms;
          } else if (take(step.units)) log.push({ at: real, units: step.units });
        }
        const isBucket = limit.algorithm === 'token-bucket';
        for (const [first, { at }] of log.entries()) {
          let total = 0;
          for (const later of log.slice(first)) {
            total += later.units;
            const lengthMs = later.at - at;
            const allowed = isBucket ? limit.capacity + (lengthMs * limit.amount) / limit.periodMs : limit.amount;
            if (isBucket || lengthMs < limit.periodMs) expect(total).toBeLessThanOrEqual(allowed + 1e-6);
          }
        }
      }),
    ),
  );

  test.each([
    ['bucket', bucket(10, minute, { measure: 'tokens' })],
    ['rolling window', rolling(10, minute, { measure: 'tokens' })],
    ['calendar day', calendar(10, 'day', { measure: 'tokens' })],
  ])('says honestly when a %s has room again, and is right', (_, limit) => {
    const { clock, store, set, take } = storeOf(limit);
    expect(take(6)).toBe(true);
    clock.nowMs -= hour;
    clock.wallMs -= hour;
    expect(take(4)).toBe(true);
    const answer = store.reserve(set, ann, tokens(7));
    if (answer.admitted) throw new Error('admitted by a clock set back');
    const wait = (ms: number) => {
      clock.nowMs += ms;
      clock.wallMs += ms;
    };
    wait(answer.retryAfterMs - 1);
    expect(take(7)).toBe(false);
    wait(1);
    expect(take(7)).toBe(true);
  });

  test.each([
    ['back across midnight', -13 * hour],
    ['back by a month', -31 * day],
    ['on within the day', 11 * hour],
  ])('moves no calendar day when it goes %s', (_, ms) => {
    const { clock, take } = storeOf(calendar(10, 'day', { measure: 'tokens' }));
    expect(take(10)).toBe(true);
    clock.wallMs += ms;
    expect(take(1)).toBe(false);
    clock.wallMs -= ms;
    expect(take(1)).toBe(false);
  });

  test('and on again, any number of times, holds a calendar day to its amount', () =>
    holds(
      fc.property(fc.array(fc.integer({ min: -3 * day, max: 0 }), { minLength: 1, maxLength: 30 }), (offsets) => {
        const { clock, take } = storeOf(calendar(10, 'day', { measure: 'tokens' }));
        const noon = clock.wallMs;
        let admitted = 0;
        for (const offset of [0, ...offsets]) {
          clock.wallMs = noon + offset;
          for (let i = 0; i < 4; i++) if (take(3)) admitted += 3;
        }
        expect(admitted).toBe(9);
      }),
    ));

  test('by a second keeps the bucket where it was: time already counted is not counted twice', () => {
    const { clock, take } = storeOf(bucket(60, minute, { measure: 'tokens', capacity: 2 }));
    let admitted = 0;
    for (let i = 0; i < 100; i++) {
      if (take(1)) admitted++;
      clock.nowMs += second;
      if (take(1)) admitted++;
      clock.nowMs -= second;
    }
    expect(admitted).toBe(3);
  });
});
