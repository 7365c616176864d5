import { describe, expect, test } from 'vitest';
import type { Limit } from '../../../src/model.js';
import { MemoryStore } from '../../../src/store/memory.js';
import { subjectKey } from '../../../src/store/subject.js';
import { VirtualClock } from '../../../src/testing/virtual-clock.js';
import { bucket, cost, minute, rolling, slots, subject, tokens } from '../../support/fixtures.js';

function storeOf(limits: readonly Limit[], keysMax = 100_000) {
  const clock = new VirtualClock();
  const store = new MemoryStore(clock);
  store.configure(limits, { timeZone: 'UTC', keysMax });
  return { clock, store, set: store.prepare(limits) };
}

describe('keys', () => {
  test('of several scopes cannot be read two ways, whatever their ids hold', () => {
    const ids = ['', 'a', 'ab', 'b', '1:a', ':', '0:', '1', 'a1:b', '\u0000shared', '*'];
    const seen = new Set(
      ids.flatMap((identity) => ids.map((model) => subjectKey(['identity', 'model'], subject(identity, { model })))),
    );
    expect(seen.size).toBe(ids.length ** 2);
  });

  test('are the same however the scopes are ordered', () => {
    const who = subject('ann', { model: 'm' });
    expect(subjectKey(['model', 'identity'], who)).toBe(subjectKey(['identity', 'model'], who));
  });

  test('of runs are of the identity that runs them', () => {
    expect(subjectKey(['run'], subject('ann', { run: 'r1' }))).not.toBe(
      subjectKey(['run'], subject('bob', { run: 'r1' })),
    );
    expect(subjectKey(['run'], subject('a', { run: 'br' }))).not.toBe(subjectKey(['run'], subject('ab', { run: 'r' })));
  });
});

describe('limits side by side', () => {
  test('of one scope share a row, and each keeps its own count', () => {
    const { store, set } = storeOf([
      bucket(10, minute, { name: 'requests' }),
      rolling(100, minute, { name: 'tokens', measure: 'tokens' }),
      slots(3, { name: 'slots' }),
      rolling(50, minute, { name: 'output', measure: 'outputTokens' }),
    ]);
    store.reserve(set, subject('ann'), tokens(20, 5));
    expect(store.peek(set, subject('ann')).map(({ remaining }) => remaining)).toEqual([9, 75, 2, 45]);
    expect(store.stats().keys).toBe(1);
  });

  test('of one name and different tiers keep apart', () => {
    const free = { ...bucket(2, minute, { name: 'free' }), tier: 'free' };
    const paid = { ...bucket(5, minute, { name: 'paid' }), tier: 'paid' };
    const { store } = storeOf([free, paid]);
    const [freeSet, paidSet] = [store.prepare([free]), store.prepare([paid])];
    store.reserve(freeSet, subject('ann'), cost());
    expect([freeSet, paidSet].map((set) => store.peek(set, subject('ann'))[0]!.remaining)).toEqual([1, 5]);
  });

  test('a set of some of them charges those only', () => {
    const limits = [bucket(10, minute, { name: 'a' }), bucket(10, minute, { name: 'b' })];
    const { store, set } = storeOf(limits);
    store.reserve(store.prepare([limits[1]!]), subject('ann'), cost());
    expect(store.peek(set, subject('ann')).map(({ remaining }) => remaining)).toEqual([10, 9]);
  });

  test('an empty set admits everyone and keeps nothing', () => {
    const { store, set } = storeOf([]);
    const receipt = store.reserve(set, subject('ann'), cost());
    if (!receipt.admitted) throw new Error('refused by nothing');
    expect(store.stats()).toEqual({ keys: 0, open: 1 });
    expect([store.settle(receipt, cost()), store.settle(receipt, cost())]).toEqual([true, false]);
  });
});

test('a hundred thousand subjects are kept apart', () => {
  const { store, set } = storeOf([bucket(3, minute), rolling(9, minute, { name: 'r' })], 1_000_000);
  for (let i = 0; i < 100_000; i++) for (let n = 0; n <= i % 3; n++) store.reserve(set, subject(`id-${i}`), cost());
  for (let i = 0; i < 100_000; i += 997) {
    expect(store.peek(set, subject(`id-${i}`)).map(({ remaining }) => remaining)).toEqual([2 - (i % 3), 8 - (i % 3)]);
  }
});

test('the rows of idle subjects go to one newcomer each', () => {
  const { store, set, clock } = storeOf([bucket(3, minute)]);
  for (let i = 0; i < 100; i++) store.reserve(set, subject(`old-${i}`), cost());
  clock.advance(minute);
  const newcomers = Array.from({ length: 200 }, (_, i) => subject(`new-${i}`));
  for (const one of newcomers) store.reserve(set, one, cost());
  expect(store.stats().keys).toBe(200);
  expect(new Set(newcomers.map((one) => store.peek(set, one)[0]!.remaining))).toEqual(new Set([2]));
});
