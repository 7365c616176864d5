import { describe, expect, test } from 'vitest';
import type { Slot } from '../../../src/pool/backend.js';
import type { Probed } from '../../../src/pool/probes.js';
import { backend, blocks, type PoolWorld, poolOf, poolRules, wish } from '../../support/pool.js';

const second = 1_000;

function slot({ pool }: Pick<PoolWorld, 'pool'>, model = 'm', stream = true): Slot {
  const taken = pool.take(wish(model, { stream }));
  if (typeof taken === 'string') throw new Error(`no slot: ${taken}`);
  return taken;
}

/** Sends requests until so many went to the one that is named, and lets those fail. */
function failOn(world: PoolWorld, name: string, times: number): void {
  const others = new Set(world.pool.backends.filter((one) => one.name !== name));
  for (let i = 0; i < times; i++) {
    const taken = world.pool.take(wish('m'), others) as Slot;
    taken.failed('reset');
    taken.release();
  }
}

const states = ({ pool }: PoolWorld): string[] => pool.backends.map(({ name, state }) => `${name} ${state}`);

describe('slots', () => {
  test('are given out once each, and taken back once however often they are given back', () => {
    const world = poolOf([backend('a', { slots: 2 })]);
    const [one, two] = [slot(world), slot(world)];
    expect(world.pool.take(wish())).toBe('busy');
    one.release();
    one.release();
    expect(world.pool.backends[0]!.used).toBe(1);
    slot(world);
    expect(world.pool.take(wish())).toBe('busy');
    two.release();
  });

  test('made fewer are not taken from anybody, and none is given out before there is room', () => {
    const world = poolOf([backend('a', { slots: 3 })]);
    const held = [slot(world), slot(world), slot(world)];
    world.pool.configure([backend('a', { slots: 1 })], poolRules());
    held[0]!.release();
    held[1]!.release();
    expect([world.pool.backends[0]!.used, world.pool.take(wish())]).toEqual([1, 'busy']);
    held[2]!.release();
    slot(world);
  });
});

test('a backend tells how often a request had to wait until it had loaded a model', () => {
  const world = poolOf([backend('a')]);
  const loads: number[] = [];
  for (const model of ['m', 'm', 'n', 'n']) {
    const taken = slot(world, model);
    taken.firstByte(true);
    taken.release();
    loads.push(world.pool.backends[0]!.loads);
  }
  expect(loads).toEqual([1, 1, 2, 2]);
});

describe('how long a load takes is learned from', () => {
  /** What is thought of `m` after one answer, 30 s after its request was sent and an earlier one for `before`. */
  const learned = (before: string | undefined, stream: boolean): number => {
    const world = poolOf([backend('a', { slots: 2 })]);
    if (before !== undefined) slot(world, before);
    const taken = slot(world, 'm', stream);
    world.clock.advance(30 * second);
    taken.firstByte(stream);
    return taken.backend.loadMs('m');
  };

  test('the first byte of a stream that had the backend to itself', () => {
    expect(learned(undefined, true)).toBe(30 * second);
  });

  test.each([
    ['an answer that came whole', undefined, false],
    ['one whose load had to wait until another request was done', 'n', true],
    ['one that came when the load had begun', 'm', true],
  ])('not %s', (_, before, stream) => {
    expect(learned(before, stream)).toBe(2 * second);
  });
});

test('how long a token of a prompt takes is learned from those that the backend had not read before', () => {
  const world = poolOf([backend('a')]);
  const serve = (text: string, tokens: number, ms: number): number => {
    const taken = world.pool.take(wish('m', { text, tokens })) as Slot;
    world.clock.advance(ms);
    taken.firstByte(true);
    taken.release();
    return taken.backend.rates.msPerToken;
  };
  serve(blocks('hello'), 100, second);
  for (const word of ['one', 'two', 'three']) {
    serve(blocks(word, 'long'), 50_000, 5 * second);
    serve(blocks(word, 'long'), 50_000, 0);
  }
  expect(serve(blocks('one', 'long'), 50_000, 0)).toBeCloseTo(0.1, 2);
});

describe('slots that other processes use too', () => {
  test('of a backend that others use to the full are passed over, for this request only', () => {
    const { pool } = poolOf([backend('a'), backend('b')]);
    const asked: string[] = [];
    const taken = pool.take(wish(), undefined, ({ name }) => asked.push(name) > 0 && name === 'b') as Slot;
    expect([asked, taken.backend.name]).toEqual([['a', 'b'], 'b']);
    expect(pool.take(wish(), undefined, () => false)).toBe('busy');
    expect(slot({ pool }).backend.name).toBe('a');
  });

  test('are better waited for where the model is in memory', () => {
    const world = poolOf([backend('a', { slots: 2 }), backend('b', { slots: 2 })]);
    for (const firstByteMs of [20_000, 100, 100]) {
      const one = slot(world);
      world.clock.advance(firstByteMs);
      one.firstByte(true);
      world.clock.advance(100);
      one.release();
    }
    const { name: loaded } = slot(world).backend;
    expect(world.pool.take(wish(), undefined, ({ name }) => name !== loaded)).toBe('later');
    expect((world.pool.take(wish(), undefined, () => true) as Slot).backend.name).toBe(loaded);
  });

  test('that are being asked for count as used, and are not taken', () => {
    const { pool } = poolOf([backend('a'), backend('b')]);
    const none = new Set<never>();
    const intents = [1, 2, 3].map(() => pool.intend(wish(), none));
    expect(intents.map((intent) => (typeof intent === 'string' ? intent : intent.backend.name))).toEqual([
      'a',
      'b',
      'busy',
    ]);
    for (const intent of intents) if (typeof intent !== 'string') intent.end();
    expect(pool.backends.map(({ used }) => used)).toEqual([0, 0]);
  });

  test('of a backend that leaves meanwhile let it go', () => {
    const world = poolOf([backend('a'), backend('b')]);
    const intent = world.pool.intend(wish(), new Set());
    if (typeof intent === 'string') throw new Error(intent);
    world.pool.configure([backend('b')], poolRules());
    expect(world.pool.backends).toHaveLength(2);
    intent.end();
    expect(world.pool.backends.map(({ name }) => name)).toEqual(['b']);
  });
});

describe('models', () => {
  test('what is served at all is one thing, what could be served another, what can be served now a third', () => {
    const { pool } = poolOf([backend('a', { models: ['m'], drain: true }), backend('b', { models: ['n*'] })]);
    expect([pool.serves('m'), pool.usable('m'), pool.take(wish('m'))]).toEqual([true, false, 'busy']);
    expect([pool.serves('nano'), pool.usable('nano')]).toEqual([true, true]);
    expect([pool.serves('x'), pool.usable('x'), pool.backMs('x')]).toEqual([false, false, undefined]);
    expect(slot({ pool }, 'nano').backend.name).toBe('b');
    expect([pool.usable('nano'), pool.take(wish('nano'))]).toEqual([true, 'busy']);
  });

  test('a request that names none is served anywhere', () => {
    expect(slot(poolOf([backend('a', { models: ['m'] })]), '').backend.name).toBe('a');
  });

  test('that are in memory are told', () => {
    const world = poolOf([backend('a', { slots: 2 })]);
    slot(world, 'm').firstByte(true);
    slot(world, 'n').firstByte(true);
    expect(world.pool.backends[0]!.models).toEqual(['m', 'n']);
  });
});

describe('ejection', () => {
  const ejecting = (names: string, more: object = {}): PoolWorld =>
    poolOf(
      [...names].map((name) => backend(name, { slots: 9 })),
      { rules: more },
    );

  test('takes out one that fails, tells it, and the others go on', () => {
    const world = ejecting('ab');
    failOn(world, 'a', 3);
    expect(states(world)).toEqual(['a ejected', 'b healthy']);
    expect(world.journal).toEqual(['backend-ejected a reset 30000']);
    expect(Array.from({ length: 4 }, () => slot(world).backend.name)).toEqual(['b', 'b', 'b', 'b']);
  });

  test('never takes out a single one', () => {
    const world = ejecting('a');
    failOn(world, 'a', 9);
    expect([states(world), world.journal]).toEqual([['a suspect'], []]);
  });

  test.each([
    ['abc', '50%', 1],
    ['abcd', '50%', 2],
    ['abcd', '24%', 0],
    ['abcd', '100%', 3],
    ['ab', '0', 0],
  ])('of %s takes out at most %s, rounded down: %i', (names, max, most) => {
    const world = ejecting(names, { eject: { max } });
    for (const name of names) failOn(world, name, 3);
    expect(states(world).filter((state) => state.endsWith('ejected'))).toHaveLength(most);
  });

  test('never takes out the only one for a model', () => {
    const world = poolOf([
      backend('a', { models: ['m', 'n'] }),
      backend('b', { models: ['m'] }),
      backend('c', { models: ['m*'] }),
    ]);
    failOn(world, 'a', 3);
    expect(states(world)[0]).toBe('a suspect');
    failOn(world, 'b', 3);
    expect(states(world)[1]).toBe('b ejected');
  });

  test('never takes out the last one that works, and lets one back at once when it becomes that', async () => {
    const up: Record<string, boolean> = { a: true, b: true };
    const probe = async ({ name }: { name: string }): Promise<Probed> => ({ up: up[name]! });
    const world = poolOf([backend('a', { slots: 9 }), backend('b', { slots: 9 })], { probe });
    await world.clock.run(second);
    failOn(world, 'a', 3);
    up.b = false;
    await world.clock.run(28 * second);
    expect(world.journal).toEqual(['backend-ejected a reset 30000']);
    await world.clock.run(second);
    expect(world.journal.slice(1)).toEqual(['backend-down b']);
    expect(states(world)).toEqual(['a probing', 'b down']);
    world.pool.close();
  });

  test('ends with one request on trial, then slot by slot', () => {
    const world = ejecting('ab');
    failOn(world, 'a', 3);
    for (let i = 0; i < 9; i++) slot(world);
    const rooms = world.rooms;
    world.clock.advance(30 * second);
    expect(world.rooms).toBe(rooms + 1);
    const trial = slot(world);
    expect([trial.backend.name, world.pool.take(wish())]).toEqual(['a', 'busy']);
    trial.firstByte(true);
    expect([world.journal.at(-1), states(world)[0]]).toEqual(['backend-up a', 'a slow-start']);
    world.clock.advance(5 * second);
    const more = Array.from({ length: 9 }, () => world.pool.take(wish()));
    expect(more.filter((one) => typeof one !== 'string')).toHaveLength(3);
    world.clock.advance(5 * second);
    expect(states(world)[0]).toBe('a healthy');
  });

  test('says when the next one is back', () => {
    const world = ejecting('ab');
    failOn(world, 'a', 3);
    world.clock.advance(10 * second);
    expect([world.pool.backMs('m')]).toEqual([0]);
    world.pool.configure([backend('a', { slots: 9 }), backend('b', { drain: true })], poolRules());
    expect(world.pool.backMs('m')).toBe(0);
  });
});

describe('one that stands still', () => {
  const listening = (up = { a: true, b: true } as Record<string, boolean>): PoolWorld =>
    poolOf([backend('a', { slots: 4 }), backend('b', { slots: 4 })], {
      probe: async ({ name }) => ({ up: up[name]!, loaded: [{ model: 'm' }] }),
    });

  /** Both have answered streams of the model after 100 ms. */
  async function known(world: PoolWorld): Promise<void> {
    await world.clock.run(1);
    const slots = Array.from({ length: 4 * world.pool.size }, () => slot(world));
    await world.clock.run(100);
    for (const one of slots) one.firstByte(true);
    for (const one of slots) one.release();
  }

  test('though its health page is fine is found by its own first bytes, and put out', async () => {
    const world = listening();
    await known(world);
    const stuck = slot(world);
    await world.clock.run(29 * second);
    expect(world.journal).toEqual([]);
    await world.clock.run(11 * second);
    expect(world.journal).toEqual([`backend-ejected ${stuck.backend.name} hung 30000`]);
    world.pool.close();
  });

  test('is not one on which others get their first byte', async () => {
    const world = listening();
    await known(world);
    const slow = slot(world);
    const { name } = slow.backend;
    const others = new Set(world.pool.backends.filter((one) => one.name !== name));
    for (let i = 0; i < 12; i++) {
      await world.clock.run(5 * second);
      const quick = world.pool.take(wish('m'), others) as Slot;
      quick.firstByte(true);
      quick.release();
    }
    expect(world.journal).toEqual([]);
    world.pool.close();
  });

  test('is not one whose answers come whole, of which none was seen', async () => {
    const world = listening();
    await known(world);
    slot(world, 'm', false);
    await world.clock.run(120 * second);
    expect(world.journal).toEqual([]);
    world.pool.close();
  });

  test('is not one that loads a model nobody has seen loaded', async () => {
    const world = listening();
    await known(world);
    slot(world, 'huge');
    await world.clock.run(120 * second);
    expect(world.journal).toEqual([]);
    world.pool.close();
  });

  test('is not put out when nobody else is left', async () => {
    const world = poolOf([backend('a', { slots: 4 })], { probe: async () => ({ up: true, loaded: [{ model: 'm' }] }) });
    await known(world);
    slot(world);
    await world.clock.run(120 * second);
    expect(world.journal).toEqual([]);
    world.pool.close();
  });
});

describe('the backends of another policy', () => {
  test('take the place of the old ones; who stays keeps its slots and what is known of it', () => {
    const world = poolOf([backend('a', { slots: 2 }), backend('b')]);
    const onA = slot(world, '');
    onA.firstByte(true);
    const onB = slot(world, '');
    expect([onA.backend.name, onB.backend.name]).toEqual(['a', 'b']);
    world.pool.configure([backend('c'), backend('a', { slots: 3, models: ['m'] })], poolRules());
    expect(states(world)).toEqual(['c healthy', 'a healthy', 'b draining']);
    expect(world.pool.backends.map(({ used, slots }) => [used, slots])).toEqual([
      [0, 1],
      [1, 3],
      [1, 1],
    ]);
    expect([world.pool.size, world.pool.serves('n'), onA.backend]).toEqual([2, true, world.pool.backends[1]]);
  });

  test('one that is gone takes nothing new, ends what it has, and is forgotten then', () => {
    const world = poolOf([backend('a'), backend('b')]);
    const [onA, onB] = [slot(world, ''), slot(world, '')];
    world.pool.configure([backend('b')], poolRules());
    const gone = onA.backend;
    onB.release();
    expect([slot(world, '').backend.name, world.pool.take(wish())]).toEqual(['b', 'busy']);
    expect([world.journal, gone.state, gone.draining]).toEqual([[], 'draining', true]);
    onA.firstByte(true);
    onA.release();
    expect([world.journal, gone.state]).toEqual([['backend-drained a'], 'removed']);
    expect(world.pool.backends.map(({ name }) => name)).toEqual(['b']);
    expect(world.clock.timers).toBe(0);
  });

  test('one that is idle is gone at once; under another address it is another one', () => {
    const world = poolOf([backend('a'), backend('b')]);
    world.pool.configure([backend('a', { url: 'http://elsewhere' })], poolRules());
    expect(world.journal).toEqual(['backend-drained a', 'backend-drained b']);
    expect(world.pool.backends.map(({ url }) => url)).toEqual(['http://elsewhere']);
  });

  test('one that drains ends what it has and says so, and comes back with what it knew', () => {
    const world = poolOf([backend('a'), backend('b', { models: ['n'] })]);
    const held = slot(world);
    held.firstByte(true);
    world.pool.configure([backend('a', { drain: true }), backend('b', { models: ['n'] })], poolRules());
    expect([world.pool.usable('m'), world.pool.backMs('m'), world.pool.take(wish())]).toEqual([
      false,
      undefined,
      'busy',
    ]);
    held.release();
    expect([world.journal, states(world)[0]]).toEqual([['backend-drained a'], 'a draining']);
    world.pool.configure([backend('a'), backend('b')], poolRules());
    expect([states(world)[0], world.pool.backends[0]!.models]).toEqual(['a healthy', ['m']]);
  });

  test('have those who wait asked again', () => {
    const world = poolOf([backend('a')]);
    const before = world.rooms;
    world.pool.configure([backend('a'), backend('b')], poolRules());
    expect(world.rooms).toBe(before + 1);
  });

  test('let back an ejected one that is now the last', () => {
    const world = poolOf([backend('a', { slots: 9 }), backend('b', { slots: 9 })]);
    failOn(world, 'a', 3);
    world.pool.configure([backend('a', { slots: 9 })], poolRules());
    expect(states(world)).toEqual(['a probing']);
  });

  test('are probed in their turn, those that are gone no more', async () => {
    const asked: string[] = [];
    const probe = async ({ name }: { name: string }): Promise<Probed> => {
      asked.push(name);
      return { up: true };
    };
    const world = poolOf([backend('a')], { probe });
    await world.clock.run(second);
    world.pool.configure([backend('b')], poolRules());
    await world.clock.run(25 * second);
    expect(asked).toEqual(['a', 'b', 'b', 'b']);
    world.pool.close();
    expect(world.clock.timers).toBe(0);
  });
});
