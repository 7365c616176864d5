/** The arithmetic in Lua against the arithmetic in TypeScript: the same random histories, the same answers to the last bit. */
import type { Cost, Limit, LimitState, Receipt, Shortfall, Store } from '@headgate/core';
import { MemoryStore } from '@headgate/core';
import { noCost } from '@headgate/core/store';
import { VirtualClock } from '@headgate/core/testing';
import fc from 'fast-check';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { holds } from '../../../../test/support/seeds.js';
import {
  bucket,
  calendar,
  day,
  hour,
  minute,
  rolling,
  second,
  slots,
  subject,
} from '../../../core/test/support/fixtures.js';
import { RedisServer } from '../support/redis-server.js';
import { timedStore } from '../support/store.js';

let server: RedisServer;
let client: Redis;
beforeAll(async () => {
  server = await RedisServer.start();
  client = new Redis(server.url, { lazyConnect: true });
});
afterAll(() => server.stop());

/** All algorithms, rates that divide badly, several scopes, dry runs, turns, and more than one limit a row. */
const everything: readonly Limit[] = [
  bucket(10, minute, { name: 'requests', capacity: 4 }),
  slots(3, { name: 'at-once' }),
  rolling(100, minute, { name: 'tokens', measure: 'tokens' }),
  calendar(400, 'day', { name: 'daily', measure: 'tokens' }),
  bucket(7, 13 * second, { name: 'house', per: ['all'] }),
  rolling(60, 7 * second + 1, { name: 'output', measure: 'outputTokens', per: ['model', 'identity'] }),
  slots(2, { name: 'at-once-model', per: ['model'] }),
  calendar(2000, 'week', { name: 'weekly', measure: 'inputTokens', per: ['all'] }),
  calendar(9000, 'month', { name: 'monthly', measure: 'inputTokens', per: ['run', 'model'] }),
  rolling(3, 3 * second, { name: 'trial', mode: 'shadow' }),
  bucket(300, minute, { name: 'trial-tokens', measure: 'tokens', mode: 'shadow', per: ['identity'] }),
  bucket(1_000_000, hour, { name: 'many', measure: 'tokens', capacity: 333 }),
  bucket(2, minute, { name: 'dollars', measure: 'cost' }),
  rolling(3, hour, { name: 'gpu', measure: 'gpuSeconds', per: ['address'] }),
  bucket(30, minute, { name: 'turns', capacity: 9, delay: { after: 2 } }),
];

const amount = fc.nat({ max: 40 });
const cost = fc.record({
  requests: fc.constant(1),
  inputTokens: amount,
  outputTokens: amount,
  cost: fc.constantFrom(0, 0.000_1, 0.25, 1 / 3),
  gpuSeconds: fc.constantFrom(0, 0.5, 0.1),
});
const who = fc.record({
  identity: fc.constantFrom('ann', '{bob}'),
  model: fc.constantFrom('m', 'n}'),
  address: fc.constantFrom('::1', '10.0.0.1'),
});
const pause = fc.oneof(
  fc.nat({ max: 3_000 }),
  fc.constantFrom(1, 117, 999, second, 1_300, 6 * second, minute, minute + second, hour, day, 32 * day),
);
const step = fc.oneof(
  { weight: 6, arbitrary: fc.record({ do: fc.constant('reserve' as const), who, cost }) },
  // At once: all but the first two go to Redis together.
  {
    weight: 1,
    arbitrary: fc.record({ do: fc.constant('burst' as const), some: fc.array(fc.tuple(who, cost), { maxLength: 9 }) }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('settle' as const), nth: fc.nat(), cost }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('debit' as const), nth: fc.nat(), outputTokens: amount }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('cancel' as const), nth: fc.nat() }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('advance' as const), ms: pause }) },
);
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;
const history = fc.array(step, { maxLength: 40, size: 'max' });

function answerOf(answer: Receipt | Shortfall): unknown {
  if (!answer.admitted) return ['refused by', answer.limit.name, 'for', String(answer.retryAfterMs)];
  const shadowed = answer.shadowed.map(({ limit, retryAfterMs }) => [limit.name, String(retryAfterMs)]);
  return ['admitted', shadowed.sort(), 'delay', answer.delayMs];
}

/**
 * To the last bit, but for one thing: memory forgets rows that are as good as fresh a little sooner, so that a later refund to
 * one rounds once less, which shows in the sixteenth digit of a level and in the millisecond that its rounding up makes of it.
 */
function expectSame(mine: readonly unknown[], theirs: readonly unknown[]): void {
  expect(mine.map(exact)).toEqual(theirs.map(exact));
  const [left, right] = [mine.filter(isStates).flat(), theirs.filter(isStates).flat()];
  for (const [i, { resetMs, remaining }] of left.entries()) {
    expect(Math.abs(resetMs - right[i]!.resetMs)).toBeLessThanOrEqual(1);
    expect(remaining).toBeCloseTo(right[i]!.remaining, 9);
  }
}

const isStates = (said: unknown): said is LimitState[] => Array.isArray(said) && typeof said[0] === 'object';

/** Each identity with one model. */
const asOne = (one: Step): Step => (one.do === 'reserve' ? { ...one, who: { ...one.who, model: 'm' } } : one);

/** Where limits stand is told with what is left of shares, and when they are free again is not. */
const isAnswer = (said: unknown): boolean => !isStates(said);

const exact = (said: unknown): unknown =>
  isStates(said) ? said.map(({ resetMs: _, remaining, ...rest }) => ({ ...rest, left: remaining.toFixed(6) })) : said;

/** What a request used, given what was set aside for it. */
type Used = (actual: Cost, reserved: Cost) => Cost;

/** What goes beyond a reservation counts at once, but not against a share that is out: that may be spent for two seconds more. */
const noMoreThanReserved: Used = (actual, reserved) => {
  return {
    ...noCost,
    ...Object.fromEntries(measures.map((measure) => [measure, Math.min(actual[measure], reserved[measure])])),
  };
};
const measures = ['requests', 'inputTokens', 'outputTokens', 'cost', 'gpuSeconds'] as const;

/** Plays the steps to a store and writes down everything it says. */
async function play(
  store: Store,
  clock: VirtualClock,
  limits: readonly Limit[],
  steps: readonly Step[],
  used: Used = (actual) => actual,
): Promise<unknown[]> {
  store.configure(limits, { timeZone: 'Europe/Berlin', keysMax: 1_000 });
  const set = store.prepare(limits);
  const said: unknown[] = [];
  const open: { receipt: Receipt; reserved: Cost }[] = [];
  const take = (nth: number): typeof open => (open.length === 0 ? [] : open.splice(nth % open.length, 1));
  for (const one of steps) {
    if (one.do === 'advance') clock.advance(one.ms);
    else if (one.do === 'reserve') {
      const someone = subject(one.who.identity, { ...one.who, run: 'r' });
      const reserved = { ...noCost, ...one.cost } as Cost;
      const answer = await store.reserve(set, someone, reserved);
      said.push(answerOf(answer));
      if (answer.admitted) {
        open.push({ receipt: answer, reserved });
        said.push(answer.states ?? (await store.peek(set, someone)));
      }
      said.push(await store.peek(set, someone));
    } else if (one.do === 'burst') {
      const asked = one.some.map(async ([by, units]) => {
        const reserved = { ...noCost, ...units } as Cost;
        return { reserved, answer: await store.reserve(set, subject(by.identity, { ...by, run: 'r' }), reserved) };
      });
      for (const { answer, reserved } of await Promise.all(asked)) {
        if (answer.admitted) open.push({ receipt: answer, reserved });
        said.push(answerOf(answer));
      }
    } else if (one.do === 'debit') {
      const some = open[one.nth % Math.max(1, open.length)];
      if (some !== undefined) said.push(await store.debit(some.receipt, { ...noCost, outputTokens: one.outputTokens }));
    } else {
      for (const { receipt, reserved } of take(one.nth)) {
        if (one.do === 'cancel') said.push(await store.cancel(receipt));
        else said.push(await store.settle(receipt, used({ ...noCost, ...one.cost } as Cost, reserved)));
      }
    }
  }
  return said;
}

const start = Date.UTC(2026, 2, 28, 22, 59, 59, 123);

describe('Redis and memory', () => {
  test('say the same about the same history, whichever limits apply', () =>
    holds(
      fc.asyncProperty(fc.subarray([...everything], { minLength: 1 }), history, async (limits, steps) => {
        const [mine, theirs] = [new VirtualClock(start, start), new VirtualClock(start, start)];
        // Holds that no history outlives: in memory nobody forgets them either.
        const { store } = await timedStore(client, mine, { leaseMs: 2000 * day });
        try {
          const said = await play(store, mine, limits, steps);
          expectSame(said, await play(new MemoryStore(theirs), theirs, limits, steps));
        } finally {
          await store.close();
        }
      }),
      { runs: 150 },
    ));

  // What is lent of a bucket does not come back by time, so that one refuses a little sooner. And what one requester of a key gives back
  // another may hear of a tenth of a second later, so each has rows of its own here.
  const windows = everything.filter(({ algorithm, mode, per }) => {
    return /rolling|calendar/.test(algorithm) && mode === 'enforce' && per.includes('identity');
  });

  /** What was charged after a refusal makes the next one another limit's. */
  const chargedMeanwhile = (): Step[] => {
    const ann = { identity: 'ann', model: 'm', address: '::1' } as const;
    const units: [number, number][] = [
      [0, 27],
      [0, 34],
      [0, 3],
      [37, 34],
    ];
    return units.map(([inputTokens, outputTokens]) => {
      return { do: 'reserve', who: ann, cost: { requests: 1, inputTokens, outputTokens, cost: 0, gpuSeconds: 0 } };
    });
  };

  /** There is room for it together with what is left of the share, and in neither alone. */
  const debitedBeyondShare = (): Step[] => {
    const bob = { identity: '{bob}', model: 'm', address: '::1' } as const;
    const cost = { requests: 1, inputTokens: 0, outputTokens: 1, cost: 0, gpuSeconds: 0 } as const;
    return [
      { do: 'reserve', who: bob, cost },
      { do: 'reserve', who: bob, cost: { ...cost, inputTokens: 12, outputTokens: 25 } },
      { do: 'debit', nth: 0, outputTokens: 38 },
    ];
  };

  /** Beyond what the share could hold, and then not used. */
  const debitedInVain = (): Step[] => {
    const ann = { identity: 'ann', model: 'm', address: '::1' } as const;
    const reserved = (inputTokens: number): Step => {
      return { do: 'reserve', who: ann, cost: { requests: 1, inputTokens, outputTokens: 0, cost: 0, gpuSeconds: 0 } };
    };
    const nothing = { requests: 1, inputTokens: 0, outputTokens: 0, cost: 0, gpuSeconds: 0 } as const;
    const debit: Step = { do: 'debit', nth: 0, outputTokens: 38 };
    return [reserved(0), debit, { do: 'settle', nth: 0, cost: nothing }, reserved(43), reserved(20)];
  };

  test('decide alike where shares are lent for every key', () =>
    holds(
      fc.asyncProperty(fc.subarray(windows, { minLength: 1 }), history, async (limits, all) => {
        // Who asks at the same time may be decided in any order.
        const steps = all.filter((one) => one.do !== 'burst').map(asOne);
        const [mine, theirs] = [new VirtualClock(start, start), new VirtualClock(start, start)];
        const { store } = await timedStore(client, mine, { hotRate: 0 });
        try {
          const said = await play(store, mine, limits, steps, noMoreThanReserved);
          const memory = new MemoryStore(theirs);
          expect(said.filter(isAnswer)).toEqual(
            (await play(memory, theirs, limits, steps, noMoreThanReserved)).filter(isAnswer),
          );
        } finally {
          await store.close();
        }
      }),
      {
        runs: 60,
        examples: [
          [windows.filter(({ name }) => ['tokens', 'output'].includes(name)), chargedMeanwhile()],
          [windows.filter(({ name }) => ['tokens', 'daily'].includes(name)), debitedBeyondShare()],
          [windows.filter(({ name }) => name === 'tokens'), debitedInVain()],
        ],
      },
    ));
});
