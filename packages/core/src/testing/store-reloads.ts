/** The conformance cases about a policy that changes while the store is in use: S10. */
import type { Limit } from '../model.js';
import {
  bucket,
  daily,
  equal,
  limit,
  minuteMs,
  rolling,
  type StoreCase,
  slots,
  subject,
  tokens,
} from './store-bench.js';

const all = [bucket, rolling, daily, slots];

const changed = (before: Limit, more: Partial<Limit>): Limit => ({ ...before, ...more });

/** What a change of the limits leaves of the counters. */
export const reloads: Readonly<Record<string, StoreCase>> = {
  'S10: the same limits again change nothing': {
    limits: all,
    check: async (bench) => {
      await bench.take(10);
      bench.clock.advance(20_000);
      const receipt = await bench.take(25);
      const before = await bench.states();
      bench.configure(all.map((one) => ({ ...one })));
      equal(await bench.states(), before, 'the states');
      equal(await bench.store.settle(receipt, tokens(5)), true, 'the settlement');
      equal(await bench.left(), [55, 45, 45, 1], 'left');
    },
  },
  'S10: other amounts leave used what was used, in any order of the limits': {
    limits: all,
    check: async (bench) => {
      await bench.take(20);
      bench.configure([
        changed(slots, { amount: 5, capacity: 5 }),
        changed(daily, { amount: 30, capacity: 30 }),
        changed(bucket, { capacity: 100 }),
        changed(rolling, { amount: 10, capacity: 10 }),
      ]);
      equal(await bench.left(), [4, 10, 80, -10], 'left');
      equal((await bench.refused(1)).limit.name, 'rolling', 'the limit that has debt now');
    },
  },
  'S10: what was charged before is refunded, surcharged and given back after': {
    limits: all,
    check: async (bench) => {
      const [one, two] = [await bench.take(20), await bench.take(20)];
      bench.configure([slots, daily, bucket, rolling].map((one) => changed(one, { capacity: one.capacity * 10 })));
      equal(await bench.left(), [18, 560, 560, 560], 'left');
      await bench.store.settle(one, tokens(5));
      await bench.store.settle(two, tokens(30));
      equal(await bench.left(), [20, 565, 565, 565], 'left after both ended');
      equal(bench.store.stats().open, 0, 'open');
    },
  },
  'S10: sets and receipts with a limit that is gone can be used and ended': {
    limits: all,
    check: async (bench) => {
      const receipt = await bench.take(20);
      const { set } = bench;
      bench.configure([rolling]);
      const under = await bench.store.reserve(set, subject('ann', ''), tokens(20));
      equal(under.admitted, true, 'a set from before');
      equal(await bench.left(), [20], 'left');
      if (under.admitted) await bench.store.cancel(under);
      await bench.store.settle(receipt, tokens(10));
      equal(await bench.left(), [50], 'left when both have ended');
      equal(bench.store.stats().open, 0, 'open');
    },
  },
  'S10: another scope is another counter': {
    limits: [rolling],
    check: async (bench) => {
      const receipt = await bench.take(20);
      bench.configure([changed(rolling, { per: ['all'] })]);
      equal(await bench.left(), [60], 'left');
      await bench.store.settle(receipt, tokens(5));
      equal(await bench.left(), [60], 'left after the receipt ended');
    },
  },
  'S10: counters of one scope stay apart when limits join them': {
    limits: [rolling],
    check: async (bench) => {
      await bench.take(20, 'ann');
      await bench.take(30, 'bob');
      bench.configure([bucket, limit('rolling', 600, minuteMs, { name: 'other' }), rolling]);
      equal(
        [await bench.left('ann'), await bench.left('bob')],
        [
          [60, 600, 40],
          [60, 600, 30],
        ],
        'left',
      );
      await bench.take(5, 'bob');
      equal(
        [await bench.left('ann'), await bench.left('bob')],
        [
          [60, 600, 40],
          [55, 595, 25],
        ],
        'left',
      );
    },
  },
};
