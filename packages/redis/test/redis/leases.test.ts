/** Shares of the limits of hot keys: never more is let through than the limits allow, whatever becomes of whoever has one. */
import type { Clock, Limit, LimitSet, Receipt } from '@headgate/core';
import { noCost } from '@headgate/core/store';
import { VirtualClock } from '@headgate/core/testing';
import fc from 'fast-check';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { holds } from '../../../../test/support/seeds.js';
import { bucket, calendar, minute, rolling, subject, tokens } from '../../../core/test/support/fixtures.js';
import type { RedisStore } from '../../src/store.js';
import { RedisServer } from '../support/redis-server.js';
import { StallingClock } from '../support/stalling-clock.js';
import { space, timedStore } from '../support/store.js';

let server: RedisServer;
let client: Redis;
beforeAll(async () => {
  server = await RedisServer.start();
  client = new Redis(server.url);
});
afterAll(() => {
  client.disconnect();
  server.stop();
});

const start = Date.UTC(2026, 0, 5, 12);
const some = { measure: 'tokens' } as const;

interface Process {
  readonly store: RedisStore;
  readonly set: LimitSet;
  /** As kill -9: nothing is returned. */
  kill(): void;
}

async function processOf(clock: Clock, prefix: string, limits: readonly Limit[]): Promise<Process> {
  const { store, link } = await timedStore(client, clock, { prefix, hotRate: 0 });
  store.configure(limits, { timeZone: 'UTC', keysMax: 1 });
  return { store, set: store.prepare(limits), kill: () => link.close() };
}

async function commands(): Promise<number> {
  const [, calls = '0'] = /cmdstat_evalsha:calls=(\d+)/.exec(await client.info('commandstats')) ?? [];
  return Number(calls);
}

const prefixed = (limit: Limit) => {
  const clock = new VirtualClock(start, start);
  const prefix = space();
  return { clock, another: (own: Clock = clock) => processOf(own, prefix, [limit]) };
};

/** How many units the process is let through, one by one. */
async function spend({ store, set }: Process, most = Number.POSITIVE_INFINITY, units = 1): Promise<number> {
  for (let spent = 0; spent < most; spent += units) {
    if (!(await store.reserve(set, subject('ann'), tokens(units))).admitted) return spent;
  }
  return most;
}

async function left({ store, set }: Process): Promise<number> {
  return (await store.peek(set, subject('ann')))[0]!.remaining;
}

describe('a share', () => {
  test('is enough for a hot key, without Redis, for as long as it lasts', async () => {
    const { another } = prefixed(bucket(10_000, minute, some));
    const one = await another();
    expect(await spend(one, 50)).toBe(50);
    const before = await commands();
    expect([await spend(one, 50), (await commands()) - before]).toEqual([50, 0]);
    expect(await left(one)).toBe(9_900);
    await one.store.close();
  });

  test('is to the measure of requests, whatever covers others meanwhile', async () => {
    const { another } = prefixed(bucket(10_000, minute, some));
    const one = await another();
    const { store, set } = one;
    const cover = () => store.reserve(set, subject('ann'), { ...noCost, outputTokens: 2_600 }) as Promise<Receipt>;
    expect(await spend(one, 50)).toBe(50);
    const before = await commands();
    const covers = [await cover(), await cover(), await cover()];
    expect([covers.map(({ admitted }) => admitted), await spend(one, 40)]).toEqual([[true, true, true], 40]);
    // A share came with each cover, and the requests did not have to ask.
    expect((await commands()) - before).toBe(3);
    for (const one of covers) await store.cancel(one);
    // What covered the last came back to the share that it was taken from, and covers the next.
    const again = await cover();
    await store.cancel(again);
    expect([again.admitted, await spend(one, 40), (await commands()) - before]).toEqual([true, 40, 5]);
    expect(await left(one)).toBe(10_000 - 130);
    await store.close();
  });

  test('that comes after one from which others are covered is to the measure of requests too', async () => {
    const { clock, another } = prefixed(bucket(10_000, minute, some));
    const one = await another();
    const { store, set } = one;
    expect(await spend(one, 1)).toBe(1);
    const cover = (await store.reserve(set, subject('ann'), { ...noCost, outputTokens: 2_600 })) as Receipt;
    expect([cover.admitted, await spend(one, 3)]).toEqual([true, 3]);
    clock.advance(2_100);
    const before = await commands();
    expect(await spend(one, 50)).toBe(50);
    // The one before was returned, and this one asked for.
    expect((await commands()) - before).toBe(2);
    await store.cancel(cover);
    await store.close();
  });

  test('is to the measure of what requests took in all, of which some was asked for in mid-stream and came back', async () => {
    const { clock, another } = prefixed(rolling(10_000, minute, some));
    const [one, other] = [await another(), await another()];
    const { store, set } = one;
    const receipt = (await store.reserve(set, subject('ann'), tokens(30))) as Receipt;
    expect(await store.debit(receipt, { ...noCost, outputTokens: 69 })).toBe(true);
    await store.settle(receipt, tokens(35));
    clock.advance(2_100);
    expect(await spend(one, 30, 30)).toBe(30);
    // Others have neither what was spent nor the rest of the share.
    expect(await left(other)).toBeLessThan(10_000 - 35 - 30);
    const before = await commands();
    expect([await spend(one, 30, 30), (await commands()) - before]).toEqual([30, 0]);
    await store.close();
    expect(await left(other)).toBe(10_000 - 35 - 60);
    await other.store.close();
  });

  test('is not spoiled by a cover of which no share could be had', async () => {
    const { another } = prefixed(bucket(10_000, minute, some));
    const one = await another();
    const { store, set } = one;
    const before = await commands();
    const cover = (await store.reserve(set, subject('ann'), { ...noCost, outputTokens: 2_600 })) as Receipt;
    expect([cover.admitted, await spend(one, 50), (await commands()) - before]).toEqual([true, 50, 2]);
    await store.cancel(cover);
    await store.close();
  });

  test('of a bucket does not come back by time while it is out', async () => {
    const { clock, another } = prefixed(bucket(600, minute, { ...some, capacity: 100 }));
    const [one, other] = [await another(), await another()];
    expect(await spend(one, 1)).toBe(1);
    clock.advance(1_001);
    expect(await spend(other, 1)).toBe(1);
    clock.advance(699);
    // A burst, of what both have: no more than the bucket holds.
    const burst = (await spend(other)) + (await spend(one));
    expect(burst).toBeLessThanOrEqual(100);
    expect(burst).toBeGreaterThan(95);
    for (const { store } of [one, other]) await store.close();
  });

  test('of a rolling window ends with its sub-bucket', async () => {
    const { clock, another } = prefixed(rolling(100, minute, some));
    const [one, other] = [await another(), await another()];
    expect(await spend(one, 1)).toBe(1);
    clock.advance(1_500);
    const late = await spend(one, 20);
    // The sub-bucket in which the share was lent has left the window; what was spent after it has not.
    clock.advance(60_499 - 1_500 + 501);
    expect((await spend(other)) + late).toBe(100);
    for (const { store } of [one, other]) await store.close();
  });

  test('of a day ends with the day', async () => {
    const { clock, another } = prefixed(calendar(200, 'day', some));
    const [one, other] = [await another(), await another()];
    clock.advance(12 * 60 * minute - 500);
    expect(await spend(one, 1)).toBe(1);
    clock.advance(700);
    expect((await spend(one, 20)) + (await spend(other)) + (await spend(one))).toBe(200);
    for (const { store } of [one, other]) await store.close();
  });

  test('goes back when the store is closed', async () => {
    const { another } = prefixed(bucket(1, 60 * minute, { ...some, capacity: 100 }));
    const [one, other] = [await another(), await another()];
    expect(await spend(one, 3)).toBe(3);
    await one.store.close();
    expect(await spend(other)).toBe(97);
    await other.store.close();
  });

  test('goes back when nobody spends it any more', async () => {
    const { clock, another } = prefixed(bucket(1, 60 * minute, { ...some, capacity: 100 }));
    const [one, other] = [await another(), await another()];
    expect(await spend(one, 3)).toBe(3);
    clock.advance(1_900);
    await left(one);
    expect(await spend(other)).toBe(97);
    for (const { store } of [one, other]) await store.close();
  });

  test('of a process that stood still is not spent after its end, and what is returned late is spent', async () => {
    const { clock, another } = prefixed(bucket(600, minute, { ...some, capacity: 100 }));
    const own = new StallingClock(clock);
    const [one, other] = [await another(own), await another()];
    const open = await one.store.reserve(one.set, subject('ann'), tokens(6));
    own.stall();
    clock.advance(2_500);
    expect(await spend(other)).toBeLessThan(100);
    expect(await spend(one)).toBe(0);
    own.wake();
    // Nor is there anything that a refund could give back: a bucket does not know of the charge.
    await one.store.settle(open as Receipt, tokens(0));
    expect([await spend(other), await spend(one)]).toEqual([0, 0]);
    clock.advance(60_000);
    expect(await left(other)).toBe(100);
    for (const { store } of [one, other]) await store.close();
  });

  test('of a process that was killed is spent: it comes back as the limit does, and no more than that', async () => {
    const { clock, another } = prefixed(bucket(600, minute, { ...some, capacity: 100 }));
    const [one, other] = [await another(), await another()];
    expect(await spend(one, 1)).toBe(1);
    one.kill();
    const rest = await spend(other);
    expect(rest).toBeLessThan(80);
    clock.advance(3_000);
    expect(await spend(other)).toBe(30);
    clock.advance(60_000);
    expect([await left(other), await spend(other)]).toEqual([100, 100]);
    await other.store.close();
  });
});

describe('what a request on a share did not use', () => {
  const slow = bucket(1, 60 * minute, { ...some, capacity: 100 });
  const half = async ({ store, set }: Process): Promise<Receipt> => {
    const answer = await store.reserve(set, subject('ann'), tokens(6));
    if (!answer.admitted) throw new Error('refused');
    return answer;
  };

  test('goes back to the share, or to the limit once that is over', async () => {
    const { clock, another } = prefixed(slow);
    const one = await another();
    const [early, late] = [await half(one), await half(one)];
    await one.store.settle(early, tokens(1));
    expect(await left(one)).toBe(93);
    clock.advance(1_900);
    expect(await left(one)).toBeCloseTo(93, 2);
    await one.store.settle(late, tokens(2));
    expect(await left(one)).toBeCloseTo(97, 2);
    await one.store.close();
  });

  test('of what was charged beyond a share in mid-stream is not lost with what the share can take back', async () => {
    const { another } = prefixed(rolling(100, minute, some));
    const one = await another();
    const { store, set } = one;
    const receipt = (await store.reserve(set, subject('ann'), tokens(1))) as Receipt;
    expect(await store.debit(receipt, { ...tokens(60), requests: 0 })).toBe(true);
    await store.settle(receipt, tokens(1));
    expect([await left(one), await spend(one)]).toEqual([99, 99]);
    await store.close();
  });

  test('of what was charged beyond a share in mid-stream fills a bucket no further than time has', async () => {
    const { clock, another } = prefixed(bucket(600, minute, { ...some, capacity: 100 }));
    const one = await another();
    const { store, set } = one;
    const receipt = (await store.reserve(set, subject('ann'), tokens(1))) as Receipt;
    expect(await store.debit(receipt, { ...tokens(60), requests: 0 })).toBe(true);
    clock.advance(1_000);
    await store.settle(receipt, tokens(1));
    expect(await spend(one)).toBe(100);
    await store.close();
  });

  test('in mid-stream has all that is left, of the share and beside it', async () => {
    const { another } = prefixed(rolling(100, minute, some));
    const one = await another();
    const { store, set } = one;
    const receipt = (await store.reserve(set, subject('ann'), tokens(1))) as Receipt;
    expect(await store.debit(receipt, { ...tokens(99), requests: 0 })).toBe(true);
    expect(await spend(one)).toBe(0);
    await store.close();
  });

  test('may be less than nothing: a debt is charged at once, for everybody', async () => {
    const { another } = prefixed(slow);
    const [one, other] = [await another(), await another()];
    await one.store.settle(await half(one), tokens(80));
    expect([await left(one), await left(other)]).toEqual([20, 20]);
    for (const { store } of [one, other]) await store.close();
  });
});

describe('a refusal', () => {
  test('of a hot key is not asked about again for a tenth of a second, and promises the same instant', async () => {
    const { clock, another } = prefixed(bucket(60, minute, { ...some, capacity: 3 }));
    const one = await another();
    expect(await spend(one)).toBe(3);
    const before = await commands();
    const waits: number[] = [];
    for (let i = 0; i < 50; i++) {
      const answer = await one.store.reserve(one.set, subject('ann'), tokens(1));
      if (!answer.admitted) waits.push(answer.retryAfterMs);
      clock.advance(1);
    }
    expect(waits).toEqual(Array.from({ length: 50 }, (_, i) => 1_000 - i));
    expect((await commands()) - before).toBe(0);
    clock.advance(949);
    expect(await spend(one)).toBe(0);
    clock.advance(1);
    expect(await spend(one)).toBe(1);
    await one.store.close();
  });

  test('ends when somebody gives back: at once in this process, within a tenth of a second in another', async () => {
    const { clock, another } = prefixed(bucket(1, 60 * minute, { ...some, capacity: 3 }));
    const [one, other] = [await another(), await another()];
    const receipts = [await one.store.reserve(one.set, subject('ann'), tokens(2))] as Receipt[];
    expect([await spend(one), await spend(other)]).toEqual([1, 0]);
    await one.store.settle(receipts[0]!, tokens(0));
    expect(await spend(other)).toBe(0);
    expect(await spend(one, 1)).toBe(1);
    clock.advance(100);
    expect(await spend(other)).toBe(1);
    for (const { store } of [one, other]) await store.close();
  });
});

/** Units that were used in the end, at the instant of their request. */
type Spent = [at: number, units: number];

const limitsOf = {
  bucket: [bucket(600, minute, { ...some, capacity: 100 })],
  rolling: [rolling(100, minute, some)],
  calendar: [calendar(200, 'day', some)],
} as const;

const step = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({ do: fc.constant('spend' as const), by: fc.nat(2), units: fc.nat(6), times: fc.nat(20) }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('end' as const), nth: fc.nat(), used: fc.nat(8) }) },
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constant('wait' as const),
      ms: fc.oneof(fc.nat(300), fc.nat(2_500), fc.nat(30_000)),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('kill' as const), by: fc.nat(2) }) },
);

/**
 * Lets time pass, in small steps for as long as anybody has a share: what is sent in one step is executed before the next, as it is
 * where the server's clock is not told by the test.
 */
async function pass(clock: VirtualClock, ms: number, processes: readonly Process[]): Promise<void> {
  for (let passed = 0; passed < ms; ) {
    const stepMs = passed < 2_500 ? Math.min(500, ms - passed) : ms - passed;
    clock.advance(stepMs);
    passed += stepMs;
    await Promise.all(processes.map(({ store, set }) => store.peek(set, subject('ann'))));
  }
}

/** Most that was spent in any stretch, beyond what it allows. */
function excess(spent: readonly Spent[], allowed: (ms: number) => number): number {
  let worst = Number.NEGATIVE_INFINITY;
  for (let from = 0; from < spent.length; from++) {
    let units = 0;
    for (let to = from; to < spent.length; to++) {
      units += spent[to]![1];
      worst = Math.max(worst, units - allowed(spent[to]![0] - spent[from]![0]));
    }
  }
  return worst;
}

describe('three processes on one hot key, some of them killed', () => {
  test.each(['bucket', 'rolling', 'calendar'] as const)('never let more through than a %s allows', (name) =>
    holds(
      fc.asyncProperty(fc.array(step, { maxLength: 40, size: 'max' }), async (steps) => {
        const limits: readonly Limit[] = limitsOf[name];
        const clock = new VirtualClock(start, start);
        const prefix = space();
        const processes = await Promise.all([0, 1, 2].map(() => processOf(clock, prefix, limits)));
        const spent: Spent[] = [];
        const open: { spent: Spent; receipt: Receipt; store: RedisStore }[] = [];
        try {
          for (const one of steps) {
            if (one.do === 'wait') await pass(clock, one.ms, processes);
            else if (one.do === 'kill') {
              const { store: killed, kill } = processes[one.by]!;
              kill();
              // Nobody tells what its requests came to.
              open.splice(0, open.length, ...open.filter(({ store }) => store !== killed));
              processes[one.by] = await processOf(clock, prefix, limits);
            } else if (one.do === 'end') {
              for (const { spent: its, receipt, store } of open.splice(one.nth % (open.length + 1), 3)) {
                its[1] = Math.min(its[1], one.used);
                await store.settle(receipt, tokens(its[1]));
              }
            } else if (one.do === 'spend') {
              const { store, set } = processes[one.by]!;
              for (let i = 0; i < one.times; i++) {
                const answer = await store.reserve(set, subject('ann'), tokens(one.units));
                if (!answer.admitted) break;
                spent.push([clock.now(), one.units]);
                open.push({ spent: spent.at(-1)!, receipt: answer, store });
              }
            }
          }
          if (name === 'bucket') expect(excess(spent, (ms) => 100 + ms / 100)).toBeLessThanOrEqual(1e-6);
          if (name === 'rolling') {
            const within = excess(spent, (ms) => (ms < minute ? 100 : Number.POSITIVE_INFINITY));
            expect(within).toBeLessThanOrEqual(0);
          }
          if (name === 'calendar') expect(excess(spent, () => 200)).toBeLessThanOrEqual(0);
        } finally {
          for (const { store } of processes) await store.close();
        }
      }),
      { runs: 40 },
    ),
  );
});
