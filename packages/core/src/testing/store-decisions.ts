/** The conformance cases about decisions and time: S1, S2 and S3. */
import { noCost } from '../store/cost.js';
import {
  bucket,
  daily,
  dayMs,
  equal,
  limit,
  minuteMs,
  rolling,
  type StoreCase,
  slots,
  tokens,
  windows,
} from './store-bench.js';

/** What a decision is: S1 and S2. */
export const decisions: Readonly<Record<string, StoreCase>> = {
  'S1: a set charges every limit that it admits on': {
    limits: [bucket, rolling, daily, slots, limit('rolling', 600, minuteMs, { name: 'house', per: ['all'] })],
    check: async (bench) => {
      await bench.take(10);
      equal(await bench.left(), [50, 50, 50, 1, 590], 'left to the one who took');
      equal(await bench.left('bob'), [60, 60, 60, 2, 590], 'left to somebody else');
    },
  },
  'S1: a set that refuses on any limit writes nothing on all of them, however often': {
    limits: [bucket, limit('rolling', 60, minuteMs, { name: 'small', capacity: 20, amount: 20 }), slots],
    check: async (bench) => {
      await bench.take(15);
      const before = [await bench.states(), bench.store.stats()];
      const first = await bench.refused(10);
      for (let i = 0; i < 50; i++) equal(await bench.refused(10), first, 'the refusal again');
      equal([await bench.states(), bench.store.stats()], before, 'the states');
      equal(first.limit.name, 'small', 'the limit that refused');
    },
  },
  'S1: of several limits the one that takes longest is named, with the time until all admit': {
    limits: [bucket, limit('rolling', 60, 10 * minuteMs, { name: 'slower' }), daily],
    check: async (bench) => {
      await bench.take(60);
      const { limit: named, retryAfterMs } = await bench.refused(60);
      equal(named.name, 'calendar', 'the limit named');
      bench.clock.advance(retryAfterMs - 1);
      await bench.refused(60);
      bench.clock.advance(1);
      await bench.take(60);
    },
  },
  'S1: a hundred at once get what there is, to the unit': {
    limits: [rolling, slots],
    check: async (bench) => {
      const answers = await Promise.all(Array.from({ length: 100 }, () => bench.try(1)));
      equal(answers.filter(({ admitted }) => admitted).length, 2, 'admitted');
      equal(await bench.left(), [58, 0], 'left');
    },
  },
  'S1: a cost that no empty counter holds is refused for ever, a slot until who knows': {
    limits: [rolling, slots],
    check: async (bench) => {
      equal((await bench.refused(61)).retryAfterMs, Number.POSITIVE_INFINITY, 'for too large a cost');
      await bench.take(1);
      await bench.take(1);
      const { limit: named, retryAfterMs } = await bench.refused(1);
      equal([named.name, Number.isNaN(retryAfterMs)], ['slots', true], 'for want of a slot');
    },
  },
  'S1: a debit charges all limits or none, and only while the receipt is open': {
    limits: [rolling, limit('rolling', 1000, minuteMs, { name: 'large' })],
    check: async (bench) => {
      const receipt = await bench.take(10);
      equal(await bench.store.debit(receipt, { ...noCost, outputTokens: 50 }), true, 'a debit that fits');
      equal(await bench.store.debit(receipt, { ...noCost, outputTokens: 1 }), false, 'a debit that does not');
      equal(await bench.left(), [0, 940], 'left');
      await bench.store.settle(receipt, tokens(10));
      equal(await bench.store.debit(receipt, { ...noCost, outputTokens: 1 }), false, 'a debit after the end');
      equal((await bench.left())[1], 990, 'left after the end');
    },
  },
  'S2: a counter that was never charged is full, whole and unheld': {
    limits: [bucket, rolling, daily, slots],
    check: async (bench) => {
      equal(await bench.left('nobody'), [60, 60, 60, 2], 'left');
      const states = await bench.states('nobody');
      equal(
        states.map(({ resetMs, nextMs }) => [resetMs, nextMs]),
        states.map(() => [0, 0]),
        'waits',
      );
    },
  },
  'S2: scopes keep counters apart, also when names could be read two ways': {
    limits: [limit('rolling', 10, minuteMs, { per: ['identity', 'model'] })],
    check: async (bench) => {
      await bench.take(10, 'a', 'bc');
      await bench.take(10, 'ab', 'c');
      await bench.take(10, 'a:1', ':b');
      await bench.take(10, 'a', ':1:b');
      await bench.refused(1, 'a', 'bc');
    },
  },
};

const promised = (name: keyof typeof windows): StoreCase => ({
  limits: [windows[name]],
  check: async (bench) => {
    await bench.take(40);
    bench.clock.advance(7_001);
    await bench.take(20);
    const { retryAfterMs } = await bench.refused(50);
    bench.clock.advance(retryAfterMs - 1);
    equal((await bench.refused(50)).retryAfterMs, 1, 'the wait a millisecond before');
    bench.clock.advance(1);
    await bench.take(50);
  },
});

/** Time as the store tells it: S3. */
export const time: Readonly<Record<string, StoreCase>> = {
  'S3: a bucket keeps the promised instant': promised('bucket'),
  'S3: a rolling window keeps the promised instant': promised('rolling'),
  'S3: a calendar day keeps the promised instant': promised('daily'),
  'S3: a rolling window holds no more than its amount, wherever it begins': {
    limits: [rolling],
    check: async (bench) => {
      bench.clock.advance(59_999);
      await bench.take(60);
      for (let i = 0; i < 59; i++) {
        bench.clock.advance(1_000);
        await bench.refused(1);
      }
      bench.clock.advance(2_000);
      await bench.take(60);
    },
  },
  'S3: a calendar clock that is set back grants nothing': {
    limits: [daily],
    check: async (bench) => {
      await bench.take(60);
      for (const ms of [-dayMs, 2 * 3_600_000, -31 * dayMs]) {
        bench.clock.stepWall(ms);
        await bench.refused(1);
      }
    },
  },
  'S3: windows of 30 and 365 days hold': {
    limits: [limit('rolling', 60, 30 * dayMs), limit('token-bucket', 60, 365 * dayMs)],
    check: async (bench) => {
      await bench.take(60);
      bench.clock.advance(29 * dayMs);
      await bench.refused(20);
      bench.clock.advance(300 * dayMs);
      await bench.take(50);
    },
  },
};
