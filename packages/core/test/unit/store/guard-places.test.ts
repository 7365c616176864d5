/** A shared store of which a part is gone, or that answers and takes nothing; and answers that nobody ever hears. */
import { describe, expect, test } from 'vitest';
import type { Limit } from '../../../src/model.js';
import { GuardedStore, type OnDown } from '../../../src/store/guard.js';
import type { Receipt } from '../../../src/store/store.js';
import { VirtualClock } from '../../../src/testing/virtual-clock.js';
import { hour, rolling, slots, subject, tokens } from '../../support/fixtures.js';
import { LaterStore } from '../../support/later-store.js';

const limits: readonly Limit[] = [rolling(100, hour, { measure: 'tokens' }), slots(50)];

function bench(onDown: OnDown) {
  const clock = new VirtualClock();
  const shared = new LaterStore(clock);
  const changes: string[] = [];
  const onChange = (isDown: boolean): void => void changes.push(isDown ? 'down' : 'up');
  const guard = new GuardedStore(shared, { clock, random: () => 0.5, onDown, onChange });
  guard.configure(limits, { timeZone: 'UTC', keysMax: 100 });
  const set = guard.prepare(limits);
  const ask = async (identity: string, units = 1): Promise<Receipt | 'refused' | 'down'> => {
    const asked = guard.reserve(set, subject(identity), tokens(units)).then(
      (answer) => (answer.admitted ? answer : 'refused'),
      () => 'down' as const,
    );
    await clock.run(60);
    return asked;
  };
  const left = (identity: string): number[] =>
    shared.counters.peek(set, subject(identity)).map(({ remaining }) => remaining);
  return { clock, shared, changes, guard, ask, left };
}

describe('a server of several that is gone', () => {
  test('is not asked, and those who are counted on the others are decided there, in the meantime and without a pause', async () => {
    const { shared, changes, ask, clock } = bench('closed');
    shared.placesGone.add('b');
    const said: string[] = [];
    for (let i = 0; i < 20; i++) {
      for (const identity of ['ann', 'bob']) said.push(typeof (await ask(identity)) === 'string' ? 'down' : identity);
    }
    expect(said.filter((word) => word === 'ann')).toHaveLength(20);
    expect(said.filter((word) => word === 'down')).toHaveLength(20);
    expect(shared.asked.filter((word) => word === 'reserve')).toHaveLength(21);
    expect(changes).toEqual(['down']);
    shared.placesGone.clear();
    await clock.run(2_000);
    expect(changes).toEqual(['down', 'up']);
    expect(typeof (await ask('bob'))).toBe('object');
  });

  test('is told what it missed when it is back, and others that are still gone are not', async () => {
    const { shared, changes, ask, left, clock } = bench('open');
    for (const place of ['b', 'c']) shared.placesGone.add(place);
    await ask('bob', 30);
    await ask('cal', 40);
    shared.placesGone.delete('b');
    await clock.run(2_000);
    expect([left('bob'), left('cal'), changes]).toEqual([[70, 49], [100, 50], ['down']]);
    shared.placesGone.delete('c');
    await clock.run(2_000);
    expect([left('cal'), changes]).toEqual([
      [60, 49],
      ['down', 'up'],
    ]);
  });
});

describe('a store that answers questions and takes no charges', () => {
  test('is down until it takes them, and is told so once', async () => {
    const { shared, changes, ask, clock } = bench('local-share');
    shared.isFull = true;
    for (let i = 0; i < 20; i++) expect(typeof (await ask('ann'))).toBe('object');
    await clock.run(5_000);
    expect(changes).toEqual(['down']);
    expect(shared.asked.filter((what) => what === 'reserve' || what === 'adopt')).toHaveLength(1);
    shared.isFull = false;
    await clock.run(2_000);
    expect(changes).toEqual(['down', 'up']);
  });
});

describe('a charge that nobody knows of', () => {
  test.each([
    [10, 70],
    [30, 70],
    [45, 55],
  ])('is never charged again; what the request used beyond is: %i used, %i left', async (used, expected) => {
    const { shared, ask, left, guard, clock } = bench('open');
    shared.weather = 'replies lost';
    const receipt = (await ask('ann', 30)) as Receipt;
    shared.recover();
    await clock.run(2_000);
    await guard.settle(receipt, tokens(used));
    await clock.run(2_000);
    expect(left('ann')[0]).toBe(expected);
  });

  test('also when the request ended before that was known', async () => {
    const { shared, ask, left, guard, clock } = bench('open');
    shared.weather = 'silent';
    const receipt = (await ask('ann', 30)) as Receipt;
    await guard.settle(receipt, tokens(45));
    shared.recover();
    shared.weather = 'replies lost';
    await clock.run(2_000);
    shared.recover();
    await clock.run(2_000);
    expect(left('ann')[0]).toBe(55);
  });
});

test('the end of a request costs no time while the store is gone', async () => {
  const { shared, ask, guard, clock, left } = bench('open');
  const receipt = (await ask('ann', 30)) as Receipt;
  shared.weather = 'gone';
  await ask('ann');
  expect(guard.settle(receipt, tokens(10))).toBe(true);
  shared.recover();
  await clock.run(2_000);
  expect(left('ann')[0]).toBe(89);
});
