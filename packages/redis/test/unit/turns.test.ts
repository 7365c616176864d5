/** Lanes of settlements: a few at a time, and only one of those whose server takes nothing. */
import { VirtualClock } from '@headgate/core/testing';
import { describe, expect, test } from 'vitest';
import { type Lane, Turns } from '../../src/turns.js';

interface Named extends Lane {
  readonly server: string;
}

/** Servers 1 ms away, some of which take nothing. */
function bench() {
  const clock = new VirtualClock();
  const gone = new Set<string>();
  const sent: string[] = [];
  const done: string[] = [];
  let underWay = 0;
  let underWayMax = 0;
  const turns = new Turns<Named>({
    clock,
    serverOf: ({ server }) => server,
    send: async (lane) => {
      sent.push(lane.mark);
      underWayMax = Math.max(underWayMax, ++underWay);
      await new Promise<void>((resolve) => clock.after(1, resolve));
      underWay--;
      if (gone.has(lane.server)) {
        turns.stick(lane);
        return;
      }
      done.push(lane.mark);
      turns.taken(lane);
    },
  });
  const lanes = (server: string, count: number): Named[] =>
    Array.from({ length: count }, (_, i) => ({ mark: `${server}${i}`, server, stuckAt: undefined }));
  return { clock, gone, sent, done, turns, lanes, atOnce: () => underWayMax };
}

describe('lanes', () => {
  test('are written a few at a time, in the order in which they came', async () => {
    const { clock, turns, lanes, done, atOnce } = bench();
    const all = lanes('a', 1_000);
    for (const lane of all) turns.begin(lane);
    await clock.run(100);
    expect(done).toEqual(all.map(({ mark }) => mark));
    expect(atOnce()).toBe(32);
  });

  test('whose server takes nothing are tried one at a time, and hold up no others', async () => {
    const { clock, turns, lanes, gone, sent, done } = bench();
    gone.add('b');
    for (const lane of [...lanes('b', 1_000), ...lanes('a', 100)]) turns.begin(lane);
    await clock.run(10_000);
    expect(done).toHaveLength(100);
    const tried = sent.filter((mark) => mark.startsWith('b')).length;
    // Those that were under way before anything was known, and five a second.
    expect(tried).toBeLessThanOrEqual(32 + 50);
    // More come meanwhile.
    for (const lane of lanes('b', 1_000)) turns.begin(lane);
    await clock.run(1_000);
    expect(sent.filter((mark) => mark.startsWith('b')).length - tried).toBeLessThanOrEqual(6);
  });

  test('are all written once it takes them again, soon, and a few at a time', async () => {
    const { clock, turns, lanes, gone, done, atOnce } = bench();
    gone.add('b');
    for (const lane of lanes('b', 1_000)) turns.begin(lane);
    await clock.run(1_000);
    gone.clear();
    await clock.run(200 + 100);
    expect(new Set(done).size).toBe(1_000);
    expect(done).toHaveLength(1_000);
    expect([atOnce(), clock.timers]).toEqual([32, 0]);
  });

  test('are tried at once when there is a connection again', async () => {
    const { clock, turns, lanes, gone, done } = bench();
    gone.add('b');
    for (const lane of lanes('b', 10)) turns.begin(lane);
    await clock.run(10);
    gone.clear();
    turns.freeAll();
    await clock.run(2);
    expect(done).toHaveLength(10);
  });

  test('of a server whose slots went to another are written there, the others too', async () => {
    const { clock, turns, lanes, gone, done } = bench();
    gone.add('b');
    const all = lanes('b', 10);
    for (const lane of all) turns.begin(lane);
    await clock.run(10);
    for (const lane of all) Object.assign(lane, { server: 'c' });
    await clock.run(500);
    expect(done).toHaveLength(10);
  });

  test('leave no timer when closed', async () => {
    const { clock, turns, lanes, gone } = bench();
    gone.add('b');
    for (const lane of lanes('b', 10)) turns.begin(lane);
    await clock.run(10);
    turns.close();
    expect(clock.timers).toBe(0);
  });
});
