import { describe, expect, test } from 'vitest';
import type { Limit } from '../../../src/model.js';
import { MemoryStore } from '../../../src/store/memory.js';
import type { Cost, Receipt } from '../../../src/store/store.js';
import { VirtualClock } from '../../../src/testing/virtual-clock.js';
import { bucket, calendar, cost, day, minute, rolling, second, subject, tokens } from '../../support/fixtures.js';

const ann = subject('ann');

function storeOf(limits: readonly Limit[], keysMax = 100) {
  const clock = new VirtualClock();
  const store = new MemoryStore(clock);
  store.configure(limits, { timeZone: 'UTC', keysMax });
  const set = store.prepare(limits);
  const take = (units: Cost = cost(), who = ann): Receipt => {
    const answer = store.reserve(set, who, units);
    if (!answer.admitted) throw new Error(`no room on ${answer.limit.name}`);
    return answer;
  };
  const remaining = (who = ann): number => store.peek(set, who)[0]!.remaining;
  return { clock, store, take, remaining };
}

describe('a refund', () => {
  test('gives a bucket back what was taken, in any order, within the instant', () => {
    const { store, take, remaining } = storeOf([bucket(10, minute)]);
    const [first, second_] = [take(), take()];
    store.cancel(first);
    store.cancel(second_);
    expect(remaining()).toBe(10);
  });

  test('gives a bucket nothing for units that time has given back already (F14: 16 of 10 admitted)', () => {
    const { clock, store, take, remaining } = storeOf([bucket(10, 10 * second)]);
    const early = Array.from({ length: 6 }, () => take());
    clock.advance(10 * second);
    for (let i = 0; i < 10; i++) take();
    for (const receipt of early) store.cancel(receipt);
    expect(remaining()).toBe(0);
  });

  test('gives a bucket nothing for units that an earlier refund made time give back', () => {
    const { clock, store, take, remaining } = storeOf([bucket(10, 10 * second, { measure: 'tokens' })]);
    const first = take(tokens(5));
    const second_ = take(tokens(5));
    store.cancel(first);
    clock.advance(5 * second);
    take(tokens(10));
    store.cancel(second_);
    expect(remaining()).toBe(0);
  });

  test('gives a busy bucket all of it, whatever was given back before the charge', () => {
    const { clock, store, take, remaining } = storeOf([bucket(100, 100 * second, { measure: 'tokens' })]);
    store.cancel(take(tokens(50)));
    take(tokens(50));
    const held = take(tokens(20));
    clock.advance(40 * second);
    store.cancel(held);
    expect(remaining()).toBe(90);
  });

  test('of a part gives a busy bucket that part, long after the charge', () => {
    const { clock, store, take, remaining } = storeOf([bucket(1000, minute, { measure: 'tokens' })]);
    const held = take(tokens(500));
    take(tokens(500));
    clock.advance(6 * second);
    take(tokens(100));
    store.settle(held, tokens(200));
    expect(remaining()).toBeCloseTo(300, 6);
  });

  test('goes to the rolling window that was charged, and to nothing once that has passed', () => {
    const { clock, store, take, remaining } = storeOf([rolling(100, minute, { measure: 'tokens' })]);
    const early = take(tokens(40));
    clock.advance(30 * second);
    const late = take(tokens(40));
    clock.advance(31 * second);
    store.cancel(early);
    expect(remaining()).toBe(60);
    store.cancel(late);
    expect(remaining()).toBe(100);
  });

  test('goes to the calendar day that was charged, and to nothing on the next', () => {
    const { clock, store, take, remaining } = storeOf([calendar(100, 'day', { measure: 'tokens' })]);
    const yesterdays = take(tokens(80));
    clock.advance(day);
    take(tokens(30));
    store.cancel(yesterdays);
    expect(remaining()).toBe(70);
  });

  test.each([
    ['bucket', bucket(10, day, { measure: 'tokens', capacity: 10 })],
    ['rolling window', rolling(10, day, { measure: 'tokens' })],
    ['calendar day', calendar(10, 'day', { measure: 'tokens' })],
  ])('of a charge on a %s that was forgotten for newcomers goes nowhere, though its subject came back', (_, limit) => {
    const { store, take, remaining } = storeOf([limit], 1);
    const forgotten = take(tokens(5));
    take(tokens(1), subject('newcomer'));
    take(tokens(5));
    expect(remaining()).toBe(5);
    store.cancel(forgotten);
    expect(remaining()).toBe(5);
  });

  test.each([
    ['rolling window', rolling(10, day, { measure: 'tokens' })],
    ['calendar day', calendar(10, 'day', { measure: 'tokens' })],
  ])(
    'of what was charged on a %s since its row was forgotten, with nothing on it, goes to the row that is now',
    (_, limit) => {
      const { store, take, remaining } = storeOf([limit]);
      const running = take(tokens(0));
      for (let i = 0; i < 9; i++) take(tokens(0), subject(`newcomer-${i}`));
      store.debit(running, tokens(4));
      expect(remaining()).toBe(6);
      store.cancel(running);
      expect(remaining()).toBe(10);
    },
  );

  test('a surcharge is debt, and delays whoever comes next', () => {
    const { clock, store, take, remaining } = storeOf([bucket(60, minute, { measure: 'tokens' })]);
    store.settle(take(tokens(10)), tokens(10, 90));
    expect(remaining()).toBe(-40);
    clock.advance(41 * second);
    expect(remaining()).toBeCloseTo(1, 6);
  });
});
