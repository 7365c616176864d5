/** Slots of a shared store that are held for a moment, for whoever waits here. */
import { expect, test } from 'vitest';
import { SlotPurse } from '../../../src/slot-purse.js';
import type { Receipt } from '../../../src/store/store.js';
import { VirtualClock } from '../../../src/testing/virtual-clock.js';
import { slots, subject } from '../../support/fixtures.js';
import { LaterStore } from '../../support/later-store.js';

async function holding(): Promise<{
  clock: VirtualClock;
  store: LaterStore;
  purse: SlotPurse;
  receipt: Receipt;
  take(): unknown;
}> {
  const clock = new VirtualClock();
  const store = new LaterStore(clock);
  store.configure([slots(1)], { timeZone: 'UTC', keysMax: 9 });
  const set = store.prepare([slots(1)]);
  const purse = new SlotPurse({ store, clock, random: () => 0.5, onArrived: () => {} });
  const receipt = (await purse.fetch(set, subject('ann')))!;
  purse.keep(receipt);
  return { clock, store, purse, receipt, take: () => purse.take(set, subject('ann')) };
}

test('a slot that was fetched is held until it is taken', async () => {
  const { take, receipt, clock } = await holding();
  await clock.run(200);
  expect(take()).toBe(receipt);
});

test('or given back after a moment', async () => {
  const { store, clock } = await holding();
  await clock.run(300);
  expect([store.counters.stats().open, clock.timers]).toEqual([0, 0]);
});

test('one that is lost while it is held is not handed on', async () => {
  const { purse, receipt, take, store } = await holding();
  purse.lose(receipt);
  expect(take()).toBeUndefined();
  expect(store.asked).toContain('cancel');
});
