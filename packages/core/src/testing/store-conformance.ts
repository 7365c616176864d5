/**
 * What every store must do, one case or more for each clause S1 to S8 and S10 of the contract in `store/store.ts`, as cases that throw
 * when it does not: hand them to any test runner. Every answer is awaited, time is told by the clock given, and each case makes
 * a store of its own: a store that is shared must give each of them a space of its own.
 */
import type { Clock } from '../kernel/clock.js';
import type { Limit } from '../model.js';
import { noCost } from '../store/cost.js';
import type { Receipt, Store } from '../store/store.js';
import {
  Bench,
  bucket,
  daily,
  dayMs,
  equal,
  keysMax,
  limit,
  minuteMs,
  rolling,
  type StoreCase,
  slots,
  subject,
  tokens,
  windows,
} from './store-bench.js';
import { decisions, time } from './store-decisions.js';
import { reloads } from './store-reloads.js';
import { VirtualClock } from './virtual-clock.js';

export interface StoreConformanceCase {
  readonly name: string;
  run(): Promise<void>;
}

/** A store that tells time by the clock given. */
export type MakeStore = (clock: Clock) => Store | Promise<Store>;

/** The cases for a store. */
export function storeConformance(makeStore: MakeStore): StoreConformanceCase[] {
  return Object.entries({ ...decisions, ...time, ...receipts, ...bounds, ...reloads }).map(
    ([name, { limits, check }]) => ({
      name,
      run: async () => {
        const clock = new VirtualClock();
        await check(new Bench(clock, await makeStore(clock), limits));
      },
    }),
  );
}

const ends = (name: keyof typeof windows): StoreCase => ({
  limits: [windows[name]],
  check: async (bench) => {
    const receipt = await bench.take(30);
    await bench.store.settle(receipt, tokens(10));
    equal(await bench.left(), [50], 'left after a refund');
    const other = await bench.take(10);
    await bench.store.settle(other, tokens(70));
    equal(await bench.left(), [-20], 'left after a surcharge');
    await bench.refused(1);
  },
});

const returns = (name: keyof typeof windows, passMs: number): StoreCase => ({
  limits: [windows[name]],
  check: async (bench) => {
    const early = await bench.take(50);
    bench.clock.advance(passMs);
    await bench.take(40);
    equal(await bench.store.cancel(early), true, 'the cancellation');
    equal(await bench.left(), [20], 'left');
  },
});

const receipts: Readonly<Record<string, StoreCase>> = {
  'S4: a bucket gives back what was not used and keeps debts': ends('bucket'),
  'S4: a rolling window gives back what was not used and keeps debts': ends('rolling'),
  'S4: a calendar day gives back what was not used and keeps debts': ends('daily'),
  'S4: a bucket that filled up since gives nothing back': returns('bucket', minuteMs),
  'S4: a rolling window that has passed gives nothing back': returns('rolling', 62_000),
  'S4: a calendar day that has passed gives nothing back': returns('daily', dayMs),
  'S4: a surcharge goes to the current window': {
    limits: [daily],
    check: async (bench) => {
      const receipt = await bench.take(10);
      bench.clock.advance(dayMs);
      await bench.store.settle(receipt, tokens(25));
      equal(await bench.left(), [45], 'left');
    },
  },
  'S4: a bucket gives back what was not used, in whatever order charges end': {
    limits: [bucket],
    check: async (bench) => {
      const [first, second, third] = [await bench.take(10), await bench.take(20), await bench.take(25)];
      await bench.store.cancel(third);
      equal(await bench.left(), [30], 'left after the last was cancelled');
      await bench.store.settle(first, tokens(4));
      equal(await bench.left(), [36], 'left after the first was settled');
      await bench.store.cancel(second);
      equal(await bench.left(), [56], 'left in the end');
    },
  },
  'S5: a receipt ends once, and its slot is given back once': {
    limits: [rolling, slots],
    check: async (bench) => {
      const [one, two] = [await bench.take(10), await bench.take(10)];
      equal(bench.store.stats().open, 2, 'open');
      equal(await bench.store.settle(one, tokens(10)), true, 'the first ending');
      equal(await bench.store.settle(one, tokens(0)), false, 'a second ending');
      equal(await bench.store.cancel(one), false, 'a third ending');
      equal(await bench.left(), [40, 1], 'left');
      equal(await bench.store.cancel(two), true, 'the cancellation');
      equal(await bench.store.cancel(two), false, 'a second cancellation');
      equal([await bench.left(), bench.store.stats().open], [[50, 2], 0], 'left, and open');
    },
  },
  'S5: two endings at once are one': {
    limits: [rolling, slots],
    check: async (bench) => {
      const receipt = await bench.take(30);
      const { store } = bench;
      const ended = await Promise.all([
        store.cancel(receipt),
        store.settle(receipt, tokens(10)),
        store.cancel(receipt),
      ]);
      equal(ended.filter(Boolean).length, 1, 'endings that counted');
      equal((await bench.left())[1], 2, 'slots left');
    },
  },
  'S5: what took no slot gives none back': {
    limits: [rolling, slots],
    check: async (bench) => {
      const holder = await bench.take(10);
      const more = await bench.store.reserve(bench.set, subject('ann', ''), { ...noCost, outputTokens: 20 });
      if (!more.admitted) throw new Error(`what takes no slot was refused by ${more.limit.name}`);
      equal(await bench.left(), [30, 1], 'left beside what took no slot');
      equal(await bench.store.cancel(more), true, 'the cancellation');
      equal(await bench.left(), [50, 1], 'left after it');
      await bench.store.cancel(holder);
      equal(await bench.left(), [60, 2], 'left in the end');
    },
  },
  'S6: a shadow limit without room decides nothing, is reported, and is not charged': {
    limits: [limit('rolling', 5, minuteMs, { name: 'shadow', mode: 'shadow' }), rolling],
    check: async (bench) => {
      const within = await bench.take(5);
      equal(within.shadowed.length, 0, 'shadow refusals with room');
      const beyond = await bench.take(5);
      equal(
        beyond.shadowed.map((short) => short.limit.name),
        ['shadow'],
        'shadow refusals without',
      );
      equal(await bench.left(), [0, 50], 'left');
      await bench.store.cancel(beyond);
      equal(await bench.left(), [0, 55], 'left after the cancellation');
      await bench.store.cancel(within);
      equal(await bench.left(), [5, 60], 'left after both');
    },
  },
};

const flood = (name: string, limits: readonly Limit[], units: number, debt: number): StoreCase => ({
  limits,
  check: async (bench) => {
    const full = Array.from({ length: keysMax / 2 }, (_, i) => `full-${i}`);
    for (const identity of full) {
      const receipt = await bench.take(units, identity);
      if (name !== 'slot') await bench.store.settle(receipt, tokens(units + debt));
    }
    for (let i = 0; i < 10 * keysMax; i++) {
      const answer = await bench.try(1, `newcomer-${i}`);
      if (answer.admitted && name === 'slot' && i % 2 === 0) await bench.store.cancel(answer);
    }
    for (const identity of full) await bench.refused(1, identity);
  },
});

const bounds: Readonly<Record<string, StoreCase>> = {
  'S7: a flood of newcomers frees nobody at the limit of a bucket': flood(
    'bucket',
    [limit('token-bucket', 9, dayMs)],
    9,
    0,
  ),
  'S7: a flood of newcomers frees nobody at the limit of a rolling window': flood(
    'rolling',
    [limit('rolling', 9, dayMs)],
    9,
    0,
  ),
  'S7: a flood of newcomers frees nobody at the limit of a calendar day': flood(
    'daily',
    [limit('calendar', 9, dayMs)],
    9,
    0,
  ),
  'S7: a flood of newcomers frees nobody in debt': flood('debt', [limit('token-bucket', 9, dayMs)], 9, 90),
  'S7: a flood of newcomers frees nobody who holds a slot': flood('slot', [limit('slots', 1, 0)], 1, 0),
  'S8: a synchronous store answers with values, any other may promise them': {
    limits: [bucket, slots],
    check: async ({ store }) => {
      const set = store.prepare([bucket, slots]);
      const answers: unknown[] = [
        store.peek(set, subject('ann', '')),
        store.reserve(set, subject('ann', ''), tokens(1)),
      ];
      const receipt = (await answers[1]) as Receipt;
      answers.push(
        store.debit(receipt, { ...noCost, outputTokens: 1 }),
        store.settle(receipt, tokens(1)),
        store.cancel(receipt),
      );
      const promises = answers.filter((answer) => answer instanceof Promise).length;
      if (store.sync) equal(promises, 0, 'promises of a synchronous store');
      await Promise.all(answers);
    },
  },
};
