/** What becomes of counters in memory when the limits change; what every store does is in the conformance suite. */
import { expect, test } from 'vitest';
import type { Limit } from '../../../src/model.js';
import { noCost } from '../../../src/store/cost.js';
import { MemoryStore } from '../../../src/store/memory.js';
import { Bench, bucket, daily, minuteMs, rolling, slots, subject, tokens } from '../../../src/testing/store-bench.js';
import { VirtualClock } from '../../../src/testing/virtual-clock.js';

const all = [bucket, rolling, daily, slots];

function benchOf(limits: readonly Limit[] = all): Bench {
  const clock = new VirtualClock();
  return new Bench(clock, new MemoryStore(clock), limits);
}

test('more output is charged by the new amounts on what was reserved under the old ones', async () => {
  const bench = benchOf();
  const receipt = await bench.take(20);
  bench.configure(all.map((one) => ({ ...one, capacity: one.capacity * 10 })));
  expect(await bench.store.debit(receipt, { ...noCost, outputTokens: 100 })).toBe(true);
  expect(await bench.left()).toEqual([480, 480, 480, 19]);
  await bench.store.settle(receipt, tokens(110));
  expect(await bench.left()).toEqual([490, 490, 490, 20]);
});

test('another period, rate or algorithm goes on with what is in use, and takes no refunds for it', async () => {
  const bench = benchOf();
  const receipt = await bench.take(20);
  bench.configure([
    { ...bucket, amount: 120 },
    { ...rolling, periodMs: 10 * minuteMs },
    { ...daily, algorithm: 'rolling', periodMs: minuteMs },
    slots,
  ]);
  expect(await bench.left()).toEqual([40, 40, 40, 1]);
  await bench.store.settle(receipt, tokens(50));
  expect(await bench.left()).toEqual([10, 10, 10, 2]);
  await bench.store.cancel(await bench.take(10));
  expect(await bench.left()).toEqual([10, 10, 10, 2]);
  bench.clock.advance(61_000);
  expect((await bench.left()).slice(1, 3)).toEqual([10, 60]);
});

test('a refund of less than was taken before the change goes nowhere too', async () => {
  const bench = benchOf([bucket, rolling, daily]);
  const receipt = await bench.take(30);
  bench.configure([{ ...bucket, amount: 30 }, { ...rolling, periodMs: 2 * minuteMs }, daily]);
  await bench.store.settle(receipt, tokens(10));
  expect(await bench.left()).toEqual([30, 30, 50]);
});

test('the days of another time zone begin with what was used of the day before the change', async () => {
  const bench = benchOf([daily]);
  await bench.take(20);
  bench.configure([daily], 'Pacific/Auckland');
  expect(await bench.left()).toEqual([40]);
});

test('a limit that comes back begins anew, and is given nothing back for what it held before', async () => {
  const bench = benchOf();
  const receipt = await bench.take(20);
  bench.configure([bucket]);
  bench.configure(all);
  expect(await bench.left()).toEqual([40, 60, 60, 2]);
  await bench.store.settle(receipt, tokens(5));
  expect(await bench.left()).toEqual([55, 60, 60, 2]);
});

test('a refund to a bucket that grew is never more than time has left of the charge', async () => {
  const bench = benchOf([bucket]);
  const receipt = await bench.take(40);
  bench.clock.advance(30_000);
  bench.configure([{ ...bucket, capacity: 600 }]);
  expect(await bench.left()).toEqual([590]);
  await bench.store.cancel(receipt);
  expect(await bench.left()).toEqual([600]);
  await bench.take(600);
  bench.clock.advance(1_000);
  expect(await bench.left()).toEqual([1]);
});

test('rows of many subjects keep to themselves, over several slabs, when the columns move', async () => {
  const clock = new VirtualClock();
  const store = new MemoryStore(clock);
  const configure = (limits: readonly Limit[]) => {
    store.configure(limits, { timeZone: 'UTC', keysMax: 10_000 });
    return store.prepare(limits);
  };
  const set = configure([rolling, bucket]);
  for (let i = 0; i < 3_000; i++) store.reserve(set, subject(`id-${i}`, ''), tokens(1 + (i % 49)));
  const other = configure([slots, bucket, daily, { ...rolling, capacity: 100 }]);
  for (let i = 0; i < 3_000; i += 7) {
    const left = store.peek(other, subject(`id-${i}`, '')).map(({ remaining }) => remaining);
    expect(left).toEqual([2, 59 - (i % 49), 60, 99 - (i % 49)]);
  }
  expect(store.stats().keys).toBe(3_000);
});
