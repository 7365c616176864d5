/** What a request really cost, on its way to Redis through faults: written once, or said to be lost; budgets do not drift. */
import type { Limit, LimitSet, Receipt } from '@headgate/core';
import { noCost } from '@headgate/core/store';
import { VirtualClock } from '@headgate/core/testing';
import { Redis } from 'ioredis';
import { describe, expect, test } from 'vitest';
import { hour, minute, rolling, subject, tokens } from '../../../core/test/support/fixtures.js';
import type { RedisStore } from '../../src/store.js';
import { admin, ends, ownRedis, proxy, server } from '../support/own-redis.js';
import { space, timedStore } from '../support/store.js';

ownRedis({ proxied: true });

const ann = subject('ann');
const budget = rolling(1_000, hour, { measure: 'tokens' });

interface Bench {
  readonly store: RedisStore;
  readonly set: LimitSet;
  readonly clock: VirtualClock;
  readonly prefix: string;
  readonly lost: [count: number, why: string][];
  take(units: number): Promise<Receipt>;
  /** As Redis has it, asked by another process. */
  used(identity?: string): Promise<number>;
}

async function bench(limits: readonly Limit[] = [budget]): Promise<Bench> {
  const clock = new VirtualClock(Date.UTC(2026, 0, 5, 12));
  const prefix = space();
  const lost: [number, string][] = [];
  const onSettlementsLost = (count: number, why: unknown): void => void lost.push([count, String(why)]);
  const [{ store }, { store: other }] = await Promise.all([
    timedStore(new Redis(proxy.port, '127.0.0.1', { lazyConnect: true }), clock, { prefix, onSettlementsLost }),
    timedStore(new Redis(server.port, '127.0.0.1', { lazyConnect: true }), clock, { prefix }),
  ]);
  ends.push(
    () => store.close(),
    () => other.close(),
  );
  for (const one of [store, other]) one.configure(limits, { timeZone: 'UTC', keysMax: 1 });
  const set = store.prepare(limits);
  // The scripts are known to the server: the next reply is not that they are not.
  const warm = await store.reserve(set, subject('somebody'), tokens(1));
  if (warm.admitted) await store.settle(warm, tokens(0));
  return {
    store,
    set,
    clock,
    prefix,
    lost,
    take: async (units) => {
      const answer = await store.reserve(set, ann, tokens(units));
      if (!answer.admitted) throw new Error(`refused by ${answer.limit.name}`);
      return answer;
    },
    used: async (identity = 'ann') => {
      const [state] = await other.peek(other.prepare(limits), subject(identity));
      return state!.limit - state!.remaining;
    },
  };
}

describe('settlements of which nobody knows whether Redis has them', () => {
  test('are sent again while it can tell, and have been written once (F20)', async () => {
    const { store, take, used, clock } = await bench();
    const receipt = await take(100);
    proxy.loseNextReply(true);
    const settled = store.settle(receipt, tokens(150));
    await expect.poll(() => used()).toBe(150);
    clock.advance(9 * minute);
    proxy.pass();
    expect(await settled).toBe(true);
    expect(await used()).toBe(150);
  });

  test('are not sent again once it cannot tell any more: they are said to be lost, and count at most once (F20)', async () => {
    const { store, take, used, clock, prefix, lost } = await bench();
    const receipt = await take(100);
    proxy.loseNextReply(true);
    const settled = store.settle(receipt, tokens(150));
    await expect.poll(() => used()).toBe(150);
    clock.advance(10 * minute);
    // Redis goes by its own clock.
    await admin.del(await admin.keys(`${prefix}:{settled}:*`));
    proxy.pass();
    await settled;
    expect(await used()).toBe(150);
    expect(lost).toEqual([[1, expect.stringContaining('away for too long')]]);
  });

  test('that certainly never reached it are sent whenever it is back, however late', async () => {
    const { store, take, used, clock } = await bench();
    const receipt = await take(100);
    proxy.cut();
    await expect
      .poll(() =>
        store.peek(store.prepare([budget]), ann).then(
          () => 'up',
          () => 'down',
        ),
      )
      .toBe('down');
    const settled = store.settle(receipt, tokens(150));
    clock.advance(30 * minute);
    proxy.pass();
    expect(await settled).toBe(true);
    expect(await used()).toBe(150);
  });
});

describe('more tokens in mid-stream of which nobody knows whether they were charged', () => {
  test.each([
    [20, 'less than was set aside', 60],
    [60, 'what is in doubt', 60],
    [55, 'part of what is in doubt', 60],
    [90, 'more than all of it', 90],
  ])('are not charged once more when it ends with %i: %s (F20)', async (actual, _, expected) => {
    const { store, take, used } = await bench();
    const receipt = await take(40);
    proxy.loseNextReply();
    const more = store.debit(receipt, { ...noCost, outputTokens: 20 });
    await expect(more).rejects.toThrow();
    await expect.poll(() => used()).toBe(60);
    expect(await store.settle(receipt, tokens(actual))).toBe(true);
    // What is given back is what was certainly charged.
    expect(await used()).toBe(actual < 40 ? 60 - (40 - actual) : expected);
  });
});

describe('while Redis is away', () => {
  test('what waits is bounded: the oldest is lost and said to be, and what comes after it for the same row is not', async () => {
    const { store, set, used, lost } = await bench();
    proxy.cut();
    await expect
      .poll(() =>
        store.peek(set, ann).then(
          () => 'up',
          () => 'down',
        ),
      )
      .toBe('down');
    store.record(set, ann, tokens(100));
    for (let i = 0; i < 20_000; i++) store.record(set, subject(`id${i}`), tokens(1));
    expect(lost).toHaveLength(1);
    store.record(set, ann, tokens(7));
    expect(lost).toHaveLength(2);
    proxy.pass();
    await expect.poll(() => used('id19999')).toBe(1);
    await expect.poll(() => used()).toBe(7);
  });
});
