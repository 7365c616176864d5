/** How commands reach Redis: sent once, executed in time or not at all, counted once. */
import type { Limit, LimitSet, Receipt, Shortfall } from '@headgate/core';
import { VirtualClock } from '@headgate/core/testing';
import { Redis } from 'ioredis';
import { describe, expect, test } from 'vitest';
import {
  bucket,
  calendar,
  day,
  hour,
  minute,
  rolling,
  slots,
  subject,
  tokens,
} from '../../../core/test/support/fixtures.js';
import { redisStore, type SharedStore } from '../../src/index.js';
import { admin, ends, ownRedis, proxy, server } from '../support/own-redis.js';
import { inTime, space, timedStore } from '../support/store.js';

ownRedis({ proxied: true });

const ann = subject('ann');
const some = { measure: 'tokens' } as const;
const budget = rolling(1_000, hour, some);

/** A store through the faulty proxy, connected. */
async function storeOf(limits: readonly Limit[], prefix = space()): Promise<{ store: SharedStore; set: LimitSet }> {
  const store = redisStore(new Redis(proxy.port, '127.0.0.1', { lazyConnect: true }), { prefix });
  ends.push(() => store.close());
  store.configure(limits, { timeZone: 'UTC', keysMax: 1 });
  const set = store.prepare(limits);
  await connected(store, set);
  return { store, set };
}

async function connected(store: SharedStore, set: LimitSet): Promise<void> {
  await expect
    .poll(() =>
      Promise.resolve(store.peek(set, ann)).then(
        () => true,
        () => false,
      ),
    )
    .toBe(true);
}

/** Resolves once Redis has read what earlier connections of the store still sent, and has closed them. */
async function alone(): Promise<void> {
  const clients = async (): Promise<number> =>
    String(await admin.client('LIST'))
      .trim()
      .split('\n').length;
  // The one that asks, and the store's own.
  await expect.poll(clients).toBe(2);
}

async function take(store: SharedStore, set: LimitSet, units = 1): Promise<Receipt> {
  const answer = await inTime(() => store.reserve(set, ann, tokens(units)));
  if (!answer.admitted) throw new Error(`refused by ${answer.limit.name}`);
  return answer;
}

async function used(store: SharedStore, set: LimitSet): Promise<number> {
  const [state] = await inTime(() => store.peek(set, ann));
  return state!.limit - state!.remaining;
}

/** Commands that found the memory full. */
async function refused(): Promise<number> {
  return Number(/errorstat_OOM:count=(\d+)/.exec(await admin.info('errorstats'))?.[1] ?? 0);
}

async function executed(command: string): Promise<number> {
  const stats = await admin.info('commandstats');
  return Number(new RegExp(`cmdstat_${command}:calls=(\\d+)`).exec(stats)?.[1] ?? 0);
}

describe('a script that Redis does not know', () => {
  test('is sent whole, and counts once', async () => {
    const { store, set } = await storeOf([budget]);
    await take(store, set, 10);
    await admin.script('FLUSH');
    const receipt = await take(store, set, 10);
    await admin.script('FLUSH');
    await store.settle(receipt, tokens(5));
    await admin.script('FLUSH');
    expect(await used(store, set)).toBe(15);
  });

  test('is sent whole by each of many at once, and each counts once', async () => {
    const { store, set } = await storeOf([budget]);
    await admin.script('FLUSH');
    await Promise.all(Array.from({ length: 300 }, () => take(store, set, 1)));
    expect(await used(store, set)).toBe(300);
  });
});

describe('any other error', () => {
  test('is passed on and nothing is sent again', async () => {
    const prefix = space();
    const { store, set } = await storeOf([budget], prefix);
    await admin.del(`${prefix}:{ann}:rolling`);
    await admin.lpush(`${prefix}:{ann}:identity`, 'not a row');
    const before = (await executed('evalsha')) + (await executed('eval'));
    await expect(store.reserve(set, ann, tokens(1))).rejects.toThrow(/WRONGTYPE/);
    expect((await executed('evalsha')) + (await executed('eval'))).toBe(before + 1);
  });

  test('leaves all rows as they were, also when it comes after the first', async () => {
    const prefix = space();
    const { store, set } = await storeOf(
      [budget, rolling(1_000, hour, { ...some, name: 'house', per: ['all'] })],
      prefix,
    );
    await admin.lpush(`${prefix}:{all}:all`, 'not a row');
    await expect(inTime(() => store.reserve(set, ann, tokens(1)))).rejects.toThrow(/WRONGTYPE/);
    expect(await admin.exists(`${prefix}:{ann}:identity`)).toBe(0);
  });

  test('of one row fails nobody who was decided with it: each of those is charged once', async () => {
    const prefix = space();
    const { store, set } = await storeOf([budget], prefix);
    await admin.lpush(`${prefix}:{odd}:identity`, 'not a row');
    const who = Array.from({ length: 100 }, (_, i) => (i % 10 === 3 ? 'odd' : `id${i}`));
    const asked = who.map((identity) =>
      inTime(() => store.reserve(set, subject(identity), tokens(10))).then(
        (answer) => (answer.admitted ? answer : 'refused'),
        ({ code }: { code: string }) => code,
      ),
    );
    const answers = await Promise.all(asked);
    expect(answers.filter((answer) => answer === 'HG_STORE_DATA')).toHaveLength(10);
    const receipts = answers.filter((answer) => typeof answer === 'object');
    expect(receipts).toHaveLength(90);
    for (const identity of who) {
      if (identity !== 'odd') expect((await inTime(() => store.peek(set, subject(identity))))[0]?.remaining).toBe(990);
    }
    // And so it is when they end: the last of them whose row has become unreadable is lost alone.
    await admin.set(`${prefix}:{id99}:identity`, 'h9 something');
    const settled = await Promise.all(receipts.map((receipt) => store.settle(receipt, tokens(4))));
    expect(settled).toEqual(receipts.map(() => true));
    for (const identity of who.slice(0, 99)) {
      if (identity !== 'odd') expect((await inTime(() => store.peek(set, subject(identity))))[0]?.remaining).toBe(996);
    }
  });

  test('memory that is full: refused by Redis before anything is changed, and right again after', async () => {
    const { store, set } = await storeOf([budget, slots(1_000)]);
    const receipt = await take(store, set, 10);
    await admin.config('SET', 'maxmemory', '1');
    try {
      await expect(store.reserve(set, ann, tokens(1))).rejects.toThrow(/OOM/);
      expect(await used(store, set)).toBe(10);
      const settled = store.settle(receipt, tokens(4));
      // Refused, and refused again: it goes on trying.
      const before = await refused();
      await expect.poll(refused).toBeGreaterThan(before + 1);
      expect(await used(store, set)).toBe(10);
      await admin.config('SET', 'maxmemory', '0');
      expect(await settled).toBe(true);
      expect(await used(store, set)).toBe(4);
    } finally {
      await admin.config('SET', 'maxmemory', '0');
    }
  });

  test('a value of another version is not read as if it were of this one', async () => {
    const prefix = space();
    const { store, set } = await storeOf([budget], prefix);
    await admin.set(`${prefix}:{ann}:identity`, 'h9 something');
    await expect(inTime(() => store.reserve(set, ann, tokens(1)))).rejects.toThrow(/not written by this version/);
    await expect(inTime(() => store.peek(set, ann))).rejects.toThrow(/not written by this version/);
  });
});

describe('a reply that is lost after the command was executed', () => {
  test('of a reservation: it fails, and has been charged once', async () => {
    const { store, set } = await storeOf([budget]);
    proxy.loseNextReply();
    await expect(store.reserve(set, ann, tokens(10))).rejects.toThrow();
    await connected(store, set);
    await alone();
    expect(await used(store, set)).toBe(10);
  });

  test('of settlements: they are sent again, and have been written once', async () => {
    const { store, set } = await storeOf([budget, slots(10)]);
    const receipts = await Promise.all([1, 2, 3, 4].map(() => take(store, set, 100)));
    proxy.loseNextReply();
    const settled = receipts.map((receipt, i) => store.settle(receipt, tokens(50 * i)));
    expect(await Promise.all(settled)).toEqual([true, true, true, true]);
    expect(await used(store, set)).toBe(0 + 50 + 100 + 150);
    expect((await store.peek(set, ann))[1]?.remaining).toBe(10);
  });
});

describe('a command that Redis gets to late', () => {
  test('has no effect once everybody has given up', async () => {
    const { store, set } = await storeOf([budget]);
    await take(store, set, 1);
    server.pause();
    // It takes longer to give up than a command may be late by the server's clock.
    await expect(store.reserve(set, ann, tokens(10))).rejects.toThrow();
    server.resume();
    await connected(store, set);
    await alone();
    expect(await used(store, set)).toBe(1);
  });

  test('but in time counts', async () => {
    const { store, set } = await storeOf([budget]);
    await take(store, set, 1);
    // A machine that stands still itself makes it too late: then nothing was counted, and it is tried once more.
    for (let isInTime = false; !isInTime; ) {
      server.pause();
      const answer = Promise.resolve(store.reserve(set, ann, tokens(10))).then(
        () => true,
        () => false,
      );
      // The real clock has to pass: by it the server tells whether the command is late.
      await new Promise((resolve) => setTimeout(resolve, 400));
      server.resume();
      isInTime = await answer;
      await connected(store, set);
    }
    await alone();
    expect(await used(store, set)).toBe(11);
  });
});

describe('without a connection', () => {
  test('every call fails at once, settlements wait and are written when it is back', async () => {
    const { store, set } = await storeOf([budget]);
    const receipt = await take(store, set, 100);
    proxy.cut();
    await expect
      .poll(() =>
        Promise.resolve(store.peek(set, ann)).then(
          () => 'up',
          () => 'down',
        ),
      )
      .toBe('down');
    const failed = Promise.resolve(store.reserve(set, ann, tokens(1))).catch(({ code }: { code: string }) => code);
    // Before anything else could happen: it waits neither for time to pass nor for the network.
    expect(await Promise.race([failed, new Promise((resolve) => setImmediate(resolve, 'late'))])).toBe('HG_STORE_DOWN');
    const settled = store.settle(receipt, tokens(30));
    proxy.pass();
    expect(await settled).toBe(true);
    expect(await used(store, set)).toBe(30);
  });

  test('a store is made all the same, and works once Redis is there', async () => {
    proxy.cut();
    const store = redisStore(new Redis(proxy.port, '127.0.0.1', { lazyConnect: true }), { prefix: space() });
    ends.push(() => store.close());
    store.configure([budget], { timeZone: 'UTC', keysMax: 1 });
    const set = store.prepare([budget]);
    await expect(store.reserve(set, ann, tokens(1))).rejects.toMatchObject({ code: 'HG_STORE_DOWN' });
    proxy.pass();
    await connected(store, set);
    await take(store, set, 1);
    expect(await used(store, set)).toBe(1);
  });
});

describe("a step of the server's clock", () => {
  const limits: readonly Limit[] = [
    bucket(60, minute, { ...some, name: 'bucket' }),
    rolling(60, minute, { ...some, name: 'rolling' }),
    calendar(60, 'day', { ...some, name: 'daily' }),
  ];

  async function timed(limit: Limit) {
    const clock = new VirtualClock(Date.UTC(2026, 0, 5, 12), 0);
    const client = new Redis(server.url, { lazyConnect: true });
    const { store } = await timedStore(client, clock);
    ends.push(() => store.close());
    store.configure([limit], { timeZone: 'UTC', keysMax: 1 });
    const set = store.prepare([limit]);
    const ask = async (units: number): Promise<Receipt | Shortfall> => store.reserve(set, ann, tokens(units));
    return { clock, ask };
  }

  test.each(limits)('an hour on or back and then right again grants nothing: $name', async (limit) => {
    const { clock, ask } = await timed(limit);
    expect((await ask(60)).admitted).toBe(true);
    for (const stepMs of [hour, -hour, -hour, hour, 32 * day, -32 * day]) {
      clock.stepWall(stepMs);
      const answer = await ask(1);
      expect(answer.admitted).toBe(false);
      clock.advance(5);
    }
    const answer = await ask(60);
    if (answer.admitted) throw new Error('admitted');
    const longest = limit.algorithm === 'calendar' ? 12 * hour : 61_000;
    expect(answer.retryAfterMs).toBeLessThanOrEqual(longest);
    clock.advance(answer.retryAfterMs);
    expect((await ask(60)).admitted).toBe(true);
  });

  test.each(limits)(
    'that stays is believed after a minute, and locks nobody for longer than the limit does: $name',
    async (limit) => {
      const { clock, ask } = await timed(limit);
      await ask(60);
      clock.stepWall(hour);
      await ask(1);
      clock.advance(minute + 1);
      await ask(1);
      await ask(30);
      // And back, with counters that were kept ahead of the time that is right now.
      clock.stepWall(-hour);
      await ask(1);
      clock.advance(minute + 1);
      await ask(1);
      const answer = await ask(60);
      if (answer.admitted) return;
      expect(answer.retryAfterMs).toBeLessThanOrEqual(limit.algorithm === 'calendar' ? 12 * hour : 61_000);
      clock.advance(answer.retryAfterMs);
      expect((await ask(60)).admitted).toBe(true);
    },
  );

  test.each(limits)('of a month and back locks nobody for longer than two windows: $name', async (limit) => {
    const { clock, ask } = await timed(limit);
    clock.stepWall(31 * day);
    for (let i = 0; i < 3; i++) {
      await ask(60);
      clock.advance(minute + 1);
    }
    await ask(60);
    clock.stepWall(-31 * day);
    for (let i = 0; i < 3; i++) {
      await ask(1);
      clock.advance(minute + 1);
    }
    const answer = await ask(60);
    if (answer.admitted) return;
    expect(answer.retryAfterMs).toBeLessThanOrEqual(limit.algorithm === 'calendar' ? 2 * day : 61_000);
    clock.advance(answer.retryAfterMs);
    expect((await ask(60)).admitted).toBe(true);
  });
});

test("a store keeps no one's time but its own clock's: the real one works", async () => {
  const { store, set } = await storeOf([bucket(10, 10_000, some)]);
  await take(store, set, 10);
  const answer = await store.reserve(set, ann, tokens(5));
  if (answer.admitted) throw new Error('admitted');
  // Half of it is back after half its time, of which a little has passed; not after a thousand times as much or as little.
  expect(answer.retryAfterMs).toBeGreaterThan(0);
  expect(answer.retryAfterMs).toBeLessThanOrEqual(5_000);
  // The server's clock is the real one here, and so it has to pass.
  await new Promise((resolve) => setTimeout(resolve, answer.retryAfterMs));
  await take(store, set, 5);
});
