import { describe, expect, test } from 'vitest';
import type { Slot } from '../../../src/pool/backend.js';
import type { Probed } from '../../../src/pool/probes.js';
import type { Wish } from '../../../src/wish.js';
import { backend, blocks, type PoolWorld, poolOf, wish } from '../../support/pool.js';

const second = 1_000;

const two = (slots = 1): PoolWorld => poolOf([backend('a', { slots }), backend('b', { slots })]);

function ask(world: PoolWorld, want: Wish): string {
  const taken = world.pool.take(want);
  return typeof taken === 'string' ? taken : taken.backend.name;
}

function slot(world: PoolWorld, want: Wish): Slot {
  const taken = world.pool.take(want);
  if (typeof taken === 'string') throw new Error(`no slot: ${taken}`);
  return taken;
}

/** A request from its sending to its end. */
function serve({ clock, pool }: PoolWorld, want: Wish, { firstByteMs = 0, ms = 0 } = {}): string {
  const taken = pool.take(want);
  if (typeof taken === 'string') throw new Error(`no slot: ${taken}`);
  clock.advance(firstByteMs);
  taken.firstByte(true);
  clock.advance(ms - firstByteMs);
  taken.release();
  return taken.backend.name;
}

/** Requests for the model on one backend until its times are known: a load of `loadMs`, then holds of `holdMs`. */
function teach(world: PoolWorld, model: string, { loadMs, holdMs }: { loadMs: number; holdMs: number }): string {
  const name = serve(world, wish(model), { firstByteMs: loadMs, ms: loadMs });
  for (let i = 0; i < 10; i++) expect(serve(world, wish(model), { firstByteMs: 50, ms: holdMs })).toBe(name);
  return name;
}

describe('least-wait', () => {
  test('goes round where nothing tells the backends apart', () => {
    const world = two(3);
    expect(Array.from({ length: 6 }, () => ask(world, wish(''))).join('')).toBe('ababab');
  });

  test('stays with the backend that has the model, and takes the other one when it is worth a load', () => {
    const world = two(1);
    const home = teach(world, 'm', { loadMs: 8 * second, holdMs: 20 * second });
    expect(ask(world, wish('m'))).toBe(home);
    expect(ask(world, wish('m', { since: world.clock.now() }))).not.toBe(home);
  });

  test('waits for the backend that has the model when it is free sooner than another could load it', () => {
    const world = two(1);
    const home = teach(world, 'm', { loadMs: 8 * second, holdMs: 3 * second });
    const running = slot(world, wish('m'));
    const waiting = wish('m', { since: world.clock.now() });
    expect(ask(world, waiting)).toBe('later');
    running.firstByte(true);
    running.release();
    expect(ask(world, waiting)).toBe(home);
  });

  test('counts those who wait before it: the third takes the other backend', () => {
    const world = two(1);
    const home = teach(world, 'm', { loadMs: 8 * second, holdMs: 3 * second });
    const running = slot(world, wish('m'));
    const since = world.clock.now();
    const waiting = [wish('m', { since }), wish('m', { since }), wish('m', { since })];
    expect(waiting.slice(0, 2).map((one) => ask(world, one))).toEqual(['later', 'later']);
    const third = slot(world, waiting[2]!);
    expect(third.backend.name).not.toBe(home);
    third.release();
    // In the next round the counting begins anew, and one that left counts no more.
    world.pool.forget(waiting[0]!);
    expect(ask(world, waiting[1]!)).toBe('later');
    expect(ask(world, wish('m', { since }))).toBe('later');
    running.release();
  });

  test('says that nothing is free where nothing is, for a model as for all others', () => {
    const world = poolOf([backend('a')]);
    slot(world, wish('m'));
    expect(ask(world, wish('m'))).toBe('busy');
    expect(ask(world, wish('n'))).toBe('busy');
  });

  test('loads a model in a second place once others have waited for it as long as that takes', () => {
    const world = two(1);
    const home = teach(world, 'm', { loadMs: 8 * second, holdMs: 3 * second });
    let elsewhere = 0;
    for (let i = 0; i < 6; i++) {
      const running = slot(world, wish('m'));
      const waiting = wish('m', { since: world.clock.now() });
      const first = world.pool.take(waiting);
      if (typeof first !== 'string') {
        if (first.backend.name !== home) elsewhere++;
        break;
      }
      world.clock.advance(3 * second);
      running.firstByte(true);
      running.release();
      serve(world, waiting, { ms: 10 });
    }
    expect(elsewhere).toBe(1);
  });

  test('asks no model of what needs none, such as a listing', () => {
    const world = two(1);
    teach(world, 'm', { loadMs: 8 * second, holdMs: 20 * second });
    const names = Array.from({ length: 2 }, () => ask(world, wish('m', { runs: false })));
    expect(names.sort()).toEqual(['a', 'b']);
  });

  test('leaves out those that were tried', () => {
    const world = two(1);
    const [a] = world.pool.backends;
    const taken = world.pool.take(wish('m'), new Set([a!]));
    expect(typeof taken === 'string' ? taken : taken.backend.name).toBe('b');
    expect(world.pool.take(wish('m'), new Set([a!]))).toBe('busy');
  });
});

describe('a conversation', () => {
  const long = (...turns: string[]): string =>
    blocks(...Array.from({ length: 40 }, (_, i) => `${turns[0]} ${i}`), ...turns);
  const turn = (world: PoolWorld, text: string) =>
    wish('m', { text, tokens: text.length / 4, since: world.clock.now() });

  /** Both have the model, and a token takes a millisecond. */
  function known(slots = 2): PoolWorld {
    const world = two(slots);
    const both = [slot(world, wish('m')), slot(world, wish('m')), ...(slots > 1 ? [slot(world, wish('m'))] : [])];
    world.clock.advance(100);
    for (const one of both) one.firstByte(true);
    for (const one of both) one.release();
    for (const name of ['a', 'b']) {
      const others = new Set(world.pool.backends.filter((one) => one.name !== name));
      for (let i = 0; i < 20; i++) {
        const taken = world.pool.take(wish('m', { tokens: 500 * (i % 4) }), others) as Slot;
        world.clock.advance(50 + 500 * (i % 4));
        taken.firstByte(true);
        taken.release();
      }
    }
    return world;
  }

  test('goes back to the backend that has read it', () => {
    const world = known();
    const readMs = 50 + long('ann').length / 4;
    const reading = { firstByteMs: readMs, ms: readMs };
    const first = serve(world, turn(world, long('ann')), reading);
    const other = serve(world, turn(world, long('bob')), reading);
    expect(other).not.toBe(first);
    for (let i = 0; i < 3; i++) {
      expect(serve(world, turn(world, long('ann', `turn ${i}`)), { firstByteMs: 200, ms: 200 })).toBe(first);
      expect(serve(world, turn(world, long('bob', `turn ${i}`)), { firstByteMs: 200, ms: 200 })).toBe(other);
    }
  });

  test('waits for it if that is busy, but no longer than reading anew would take', () => {
    const world = known(1);
    for (let i = 0; i < 60; i++) serve(world, turn(world, ''), { ms: 2 * second });
    const text = long('ann');
    const home = serve(world, turn(world, text), { ms: 2 * second });
    slot(world, turn(world, text));
    const next = turn(world, long('ann', 'and then?'));
    expect(ask(world, next)).toBe('later');
    expect(world.clock.timers).toBe(1);
    const before = world.rooms;
    world.clock.advance(second);
    expect([world.rooms, ask(world, next)]).toEqual([before, 'later']);
    world.clock.advance(4 * second);
    expect(world.rooms).toBe(before + 1);
    expect(ask(world, next)).not.toBe(home);
  });

  test('does not wait when little would be saved', () => {
    const world = known(1);
    for (let i = 0; i < 60; i++) serve(world, turn(world, ''), { ms: 9 * second });
    const home = serve(world, turn(world, long('ann')), { ms: 9 * second });
    slot(world, turn(world, long('ann')));
    expect(ask(world, turn(world, long('ann', 'and then?')))).not.toBe(home);
  });
});

describe('where one model fits at a time', () => {
  /** Two backends that list what they hold, one model each. */
  async function gpus(slots = 2) {
    const lists: Record<string, string> = { a: 'x', b: 'y' };
    const probe = async ({ name }: { name: string }): Promise<Probed> => ({
      up: true,
      loaded: [{ model: lists[name]! }],
    });
    const world = poolOf([backend('a', { slots }), backend('b', { slots })], { probe });
    await world.clock.run(1);
    Object.assign(lists, { a: 'm', b: 'n' });
    await world.clock.run(12 * second);
    expect(world.pool.backends.map(({ models }) => models.join())).toEqual(['m', 'n']);
    return world;
  }

  test('a model whose place is needed by others is overtaken by theirs, until it is overdue and their slice is over', async () => {
    const world = await gpus();
    const since = world.clock.now();
    const running = [slot(world, wish('m')), slot(world, wish('n'))];
    for (const one of running) one.firstByte(true);
    const newcomer = wish('o', { since });
    expect(ask(world, newcomer)).toBe('later');
    expect(ask(world, wish('m'))).toBe('a');
    world.clock.advance(30 * second - 1);
    expect(ask(world, newcomer)).toBe('later');
    world.clock.advance(30 * second);
    const taken = ask(world, newcomer);
    expect(['a', 'b']).toContain(taken);
    expect(world.pool.backends.find(({ name }) => name === taken)?.models).toEqual(['o']);
    for (const one of running) one.release();
  });

  test('an idle model that nobody waits for gives way at once', async () => {
    const world = await gpus();
    slot(world, wish('m'));
    expect(ask(world, wish('o'))).toBe('b');
  });

  test('an idle model that somebody waits for stays', async () => {
    const world = await gpus(1);
    const first = slot(world, wish('n'));
    const others = wish('n', { since: world.clock.now() });
    slot(world, wish('m'));
    expect(ask(world, others)).toBe('busy');
    first.release();
    expect(ask(world, wish('o', { since: world.clock.now() }))).toBe('later');
    expect(ask(world, others)).toBe('b');
  });

  test('and as long as the last of them waits', async () => {
    const world = await gpus(1);
    const running = slot(world, wish('n'));
    const since = world.clock.now();
    slot(world, wish('m'));
    const [leaving, staying] = [wish('n', { since }), wish('n', { since })];
    for (const one of [leaving, staying]) expect(ask(world, one)).toBe('busy');
    world.pool.forget(leaving);
    running.release();
    expect(ask(world, wish('o', { since }))).toBe('later');
    world.pool.forget(staying);
    expect(ask(world, wish('o', { since }))).toBe('b');
  });

  test('a request that waits wakes the pool up when its time has come, and lets it sleep when it has left', async () => {
    const world = await gpus();
    for (const model of ['m', 'n']) slot(world, wish(model));
    const newcomer = wish('o', { since: world.clock.now() });
    ask(world, newcomer);
    const timers = world.clock.timers;
    const before = world.rooms;
    world.pool.forget(newcomer);
    expect(world.clock.timers).toBe(timers - 1);
    ask(world, newcomer);
    world.clock.advance(30 * second);
    expect(world.rooms).toBeGreaterThan(before);
  });
});
