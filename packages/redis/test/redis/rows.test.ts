/** What is kept in Redis: for how long, under which limits, and what happens when these change. */
import type { Limit, Receipt } from '@headgate/core';
import { MemoryStore } from '@headgate/core';
import { VirtualClock } from '@headgate/core/testing';
import fc from 'fast-check';
import { Redis } from 'ioredis';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { holds } from '../../../../test/support/seeds.js';
import {
  bucket,
  calendar,
  cost,
  day,
  hour,
  minute,
  rolling,
  second,
  slots,
  subject,
  tokens,
} from '../../../core/test/support/fixtures.js';
import type { RedisStore } from '../../src/store.js';
import { RedisServer } from '../support/redis-server.js';
import { space, timedStore } from '../support/store.js';

let server: RedisServer;
let client: Redis;
const ends: (() => unknown)[] = [];
beforeAll(async () => {
  server = await RedisServer.start();
  client = new Redis(server.url);
});
afterEach(async () => {
  for (const end of ends.splice(0)) await end();
});
afterAll(() => {
  client.disconnect();
  server.stop();
});

const start = Date.UTC(2026, 0, 5, 12);

interface Bench {
  readonly store: RedisStore;
  readonly clock: VirtualClock;
  take(units?: number, identity?: string): Promise<Receipt>;
  refused(units?: number, identity?: string): Promise<number>;
  left(identity?: string): Promise<number[]>;
}

/** A process with a policy of its own. */
async function bench(
  limits: readonly Limit[],
  options: { clock?: VirtualClock; prefix?: string; leaseMs?: number } = {},
): Promise<Bench> {
  const { clock = new VirtualClock(start, start), ...more } = options;
  const { store } = await timedStore(client, clock, more);
  ends.push(() => store.close());
  store.configure(limits, { timeZone: 'UTC', keysMax: 1 });
  const set = store.prepare(limits);
  const reserve = (units: number, identity: string) => store.reserve(set, subject(identity), tokens(units));
  return {
    store,
    clock,
    take: async (units = 1, identity = 'ann') => {
      const answer = await reserve(units, identity);
      if (!answer.admitted) throw new Error(`refused by ${answer.limit.name}`);
      return answer;
    },
    refused: async (units = 1, identity = 'ann') => {
      const answer = await reserve(units, identity);
      if (answer.admitted) throw new Error('admitted');
      return answer.retryAfterMs;
    },
    left: async (identity = 'ann') => (await store.peek(set, subject(identity))).map(({ remaining }) => remaining),
  };
}

const some = { measure: 'tokens' } as const;

describe('every key expires', () => {
  const graceMs = 60_000;

  test.each([
    ['a bucket, once it is full again', bucket(60, minute, some), 30, 30 * second],
    ['a bucket in debt, once it is out of it and full', bucket(60, minute, some), 60, minute],
    ['a rolling window, once its last entry has left it', rolling(60, minute, some), 30, minute + second],
    ['a rolling window of less than a second', rolling(60, 300, some), 1, 305],
    ['a calendar day, once it is over', calendar(60, 'day', some), 30, 12 * hour],
    ['a bucket of a year', bucket(60, 365 * day, some), 60, 365 * day],
    [
      'slots, once their holder was not heard of for the length of a lease',
      slots(60, { measure: 'requests' }),
      1,
      9_000,
    ],
  ])('%s', async (_, limit, units, meaningMs) => {
    const prefix = space();
    const { take } = await bench([limit], { prefix, leaseMs: 9_000 });
    await take(units);
    const leftMs = await client.pttl(`${prefix}:{ann}:identity`);
    expect(leftMs).toBeGreaterThan(meaningMs + graceMs - 5_000);
    expect(leftMs).toBeLessThanOrEqual(meaningMs + graceMs);
  });

  test('never sooner than what it says has no meaning any more', () => {
    const limits = [bucket(60, minute, some), rolling(100, 7 * second, some), calendar(900, 'week', some), slots(50)];
    const step = fc.record({
      units: fc.nat({ max: 60 }),
      ends: fc.constantFrom(undefined, 0, 0.5, 1, 3),
      ms: fc.nat({ max: minute }),
    });
    return holds(
      fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 20 }), async (steps) => {
        const prefix = space();
        const clock = new VirtualClock(start, start);
        const { store } = await timedStore(client, clock, { prefix });
        try {
          store.configure(limits, { timeZone: 'UTC', keysMax: 1 });
          const set = store.prepare(limits);
          for (const { units, ends, ms } of steps) {
            const answer = await store.reserve(set, subject('ann'), tokens(units));
            if (answer.admitted && ends !== undefined) await store.settle(answer, tokens(units * ends));
            const resetMs = Math.max(...(await store.peek(set, subject('ann'))).map((state) => state.resetMs));
            if (resetMs > 0) expect(await client.pttl(`${prefix}:{ann}:identity`)).toBeGreaterThan(resetMs);
            clock.advance(ms);
          }
          const keys = await client.keys(`${prefix}:*`);
          for (const key of keys) expect(await client.pttl(key)).toBeGreaterThan(0);
        } finally {
          await store.close();
        }
      }),
      { runs: 40 },
    );
  });

  test('what expired is as good as what was kept: nothing is granted by it', async () => {
    const prefix = space();
    const { take, refused, clock } = await bench([bucket(60, minute, some)], { prefix });
    await take(60);
    clock.advance(59 * second);
    await client.del(`${prefix}:{ann}:identity`);
    clock.advance(second);
    await take(60);
    await refused(1);
  });
});

describe('a refused request', () => {
  test('writes nothing', async () => {
    const prefix = space();
    const { take, refused } = await bench([bucket(60, minute, some), rolling(60, hour, some)], { prefix });
    await take(60);
    const before = await client.dump(`${prefix}:{ann}:identity`);
    await refused(1);
    await refused(1, 'bob').catch(() => {});
    expect(await client.dump(`${prefix}:{ann}:identity`)).toBe(before);
  });
});

describe('when limits change', () => {
  const requests = bucket(10, minute, { name: 'requests', capacity: 10 });

  async function change(before: readonly Limit[], after: readonly Limit[]): Promise<[Bench, Bench]> {
    const shared = { clock: new VirtualClock(start, start), prefix: space() };
    return [await bench(before, shared), await bench(after, shared)];
  }

  test.each([
    ['bucket', bucket(60, minute, some), bucket(100, minute, some)],
    ['rolling window', rolling(60, minute, some), rolling(100, minute, some)],
    ['calendar day', calendar(60, 'day', some), calendar(100, 'day', some)],
  ])('the amount of a %s: what was used stays used', async (_, before, after) => {
    const [old, young] = await change([before], [after]);
    await old.take(45);
    expect(await young.left()).toEqual([55]);
    await young.take(30);
    expect(await young.left()).toEqual([25]);
    expect(await old.left()).toEqual([-15]);
  });

  test('a refund goes to the window that was charged before', async () => {
    const [old, young] = await change([bucket(60, minute, some)], [bucket(100, minute, some)]);
    const receipt = await old.take(45);
    await young.take(1);
    await old.store.cancel(receipt);
    expect(await young.left()).toEqual([99]);
  });

  test('a limit that is added begins empty beside those there are', async () => {
    const [old, young] = await change([requests], [rolling(60, minute, some), requests, slots(2)]);
    await old.take();
    await young.take(20);
    expect(await young.left()).toEqual([40, 8, 1]);
  });

  test('a limit that was there already is found again, wherever it stands', async () => {
    const all = [requests, rolling(60, minute, some), calendar(600, 'day', some), slots(3)];
    const [old, young] = await change(all, [...all].reverse());
    await old.take(20);
    expect(await young.left()).toEqual([2, 580, 40, 9]);
    await young.take(10);
    expect(await young.left()).toEqual([1, 570, 30, 8]);
    expect(await old.left()).toEqual([8, 30, 570, 1]);
  });

  test('processes with the old and the new policy work side by side and lose nothing of each other', async () => {
    const window = rolling(60, minute, { ...some, name: 'old-window' });
    const [old, young] = await change(
      [requests, window, slots(5)],
      [calendar(600, 'day', some), requests, bucket(90, minute, { ...some, name: 'new' })],
    );
    for (let i = 0; i < 4; i++) {
      await old.take(10);
      await young.take(5);
      old.clock.advance(10);
    }
    expect((await old.left()).map(Math.round)).toEqual([2, 20, 1]);
    expect((await young.left()).map(Math.round)).toEqual([580, 2, 70]);
    await old.take(10);
    expect(await old.refused(20)).toBeGreaterThan(0);
  });

  test('what nobody knows any more is dropped when its time is over, also in a row that is in use', async () => {
    const prefix = space();
    const clock = new VirtualClock(start, start);
    const old = await bench([requests, rolling(60, minute, some)], { clock, prefix });
    const young = await bench([requests], { clock, prefix });
    await old.take(30);
    const key = `${prefix}:{ann}:identity`;
    await young.take();
    const withOld = await client.strlen(key);
    clock.advance(3 * minute);
    await young.take();
    expect(await client.strlen(key)).toBe(withOld - 6 * 8 - 1 - 8 - 8);
    expect(await old.left()).toEqual([9, 60]);
  });

  test('slots that are held stay held', async () => {
    const [old, young] = await change([slots(3), requests], [requests, slots(2), slots(9, { name: 'other' })]);
    const receipts = [await old.take(), await old.take()];
    expect(await young.left()).toEqual([8, 0, 9]);
    await young.refused();
    await old.store.settle(receipts[0]!, cost());
    await young.take();
    expect(await young.left()).toEqual([7, 0, 8]);
    await old.store.settle(receipts[1]!, cost());
    expect(await young.left()).toEqual([7, 1, 8]);
  });

  test('a limit whose window has another length begins anew', async () => {
    const [old, young] = await change([rolling(60, minute, some)], [rolling(60, hour, some)]);
    await old.take(50);
    expect(await young.left()).toEqual([60]);
  });

  test('histories under changing policies are never more generous than each policy by itself', () => {
    const pool = [
      bucket(60, minute, { ...some, name: 'a' }),
      rolling(90, minute, { ...some, name: 'b' }),
      calendar(300, 'day', { ...some, name: 'c' }),
      slots(4, { name: 'd' }),
      bucket(7, 10 * second, { name: 'e' }),
      rolling(120, 90 * second, { ...some, name: 'f', mode: 'shadow' }),
      slots(2, { name: 'g', per: ['identity'] }),
    ];
    const policy = fc.shuffledSubarray(pool, { minLength: 1 });
    const step = fc.record({
      who: fc.constantFrom(0, 1),
      units: fc.nat({ max: 40 }),
      ends: fc.option(fc.nat({ max: 60 })),
      ms: fc.constantFrom(0, 1, 999, 5_000),
    });
    return holds(
      fc.asyncProperty(policy, policy, fc.array(step, { maxLength: 25, size: 'max' }), async (one, other, steps) => {
        const clock = new VirtualClock(start, start);
        const prefix = space();
        const policies = [one, other];
        const stores = await Promise.all(
          policies.map(async () => (await timedStore(client, clock, { prefix, leaseMs: day })).store),
        );
        // In memory each limit is a store of its own, asked only by the policy that has it.
        const alone = new Map(pool.map((limit) => [limit.name, new MemoryStore(clock)]));
        try {
          const sets = stores.map((store, i) => {
            store.configure(policies[i]!, { timeZone: 'UTC', keysMax: 1 });
            return store.prepare(policies[i]!);
          });
          for (const limit of pool) alone.get(limit.name)!.configure([limit], { timeZone: 'UTC', keysMax: 9 });
          for (const { who, units, ends, ms } of steps) {
            const answer = await stores[who]!.reserve(sets[who]!, subject('ann'), tokens(units));
            const mirrored = policies[who]!.map((limit) => {
              const store = alone.get(limit.name)!;
              return { limit, store, answer: store.reserve(store.prepare([limit]), subject('ann'), tokens(units)) };
            });
            const refusing = mirrored.filter(({ answer }) => !answer.admitted).map(({ limit }) => limit.name);
            if (answer.admitted) expect(refusing).toEqual([]);
            else expect(refusing).toContain(answer.limit.name);
            for (const { store, answer: mirror } of mirrored) {
              if (!mirror.admitted) continue;
              if (!answer.admitted) store.cancel(mirror);
              else if (ends !== null) store.settle(mirror, tokens(ends));
            }
            if (answer.admitted && ends !== null) await stores[who]!.settle(answer, tokens(ends));
            clock.advance(ms);
          }
        } finally {
          await Promise.all(stores.map((store) => store.close()));
        }
      }),
      { runs: 60 },
    );
  });
});
