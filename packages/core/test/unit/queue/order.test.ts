import { describe, expect, test } from 'vitest';
import type { Identity, Priority } from '../../../src/model.js';
import type { Charge } from '../../../src/queue/charge.js';
import { Drain } from '../../../src/queue/drain.js';
import { type Leave, WaitingRoom } from '../../../src/queue/queue.js';
import type { QueueOptions } from '../../../src/queue/rules.js';
import { VirtualClock } from '../../../src/testing/virtual-clock.js';

const unbounded = Number.POSITIVE_INFINITY;

interface Guest {
  readonly line?: string;
  readonly inputTokens?: number;
  readonly weight?: number;
  readonly priority?: Priority;
  readonly returned?: boolean;
}

/** A room in front of one kind of slot; guests are named `ann`, `ann2`, ..., and the letters say who they are. */
function roomOf(options: Partial<QueueOptions> = {}) {
  const clock = new VirtualClock();
  const room = new WaitingRoom(clock, { depth: 100, waitMs: 100_000, fairness: 'tokens', ...options });
  const log: string[] = [];
  const charges = new Map<string, Charge>();
  const free = new Map<string, number>();
  const identityOf = (name: string, { weight = 1, priority = 'normal' }: Guest): Identity => {
    return { id: name.replace(/\d+$/, ''), tier: 'default', weight, priority };
  };
  const take = (name: string, guest: Guest): void => {
    const { inputTokens = 10 } = guest;
    const size = { inputTokens, outputTokensMax: unbounded, generates: true };
    charges.set(name, room.begin(identityOf(name, guest), size));
  };
  const enter = (name: string, guest: Guest = {}): Leave => {
    const { line = 'a', returned = false } = guest;
    return room.enter(
      {
        line,
        identity: identityOf(name, guest),
        grant: () => {
          const slots = free.get(line) ?? 0;
          if (slots === 0) return false;
          free.set(line, slots - 1);
          if (!returned) take(name, guest);
          log.push(name);
          return true;
        },
        evict: (reason) => log.push(`${name} ${reason}`),
      },
      { returned },
    );
  };
  const release = (slots = 1, line = 'a'): string[] => {
    free.set(line, (free.get(line) ?? 0) + slots);
    room.dispatch();
    return log.splice(0);
  };
  const identity = (id: string, guest: Guest = {}): Identity => identityOf(id, guest);
  return { clock, room, log, charges, enter, take, release, identity };
}

describe('between identities', () => {
  test('whoever was served least goes first, and of one identity whoever came first', () => {
    const { enter, take, release } = roomOf();
    for (const name of ['ann1', 'ann2', 'ann3', 'bob1', 'bob2']) enter(name);
    // Nobody is ahead yet, so age decides; from then on they alternate.
    expect([1, 2, 3, 4, 5].flatMap(() => release())).toEqual(['ann1', 'bob1', 'ann2', 'bob2', 'ann3']);
    enter('ann4');
    enter('bob3');
    take('bob', { inputTokens: 500 });
    expect(release()).toEqual(['ann4']);
  });

  test('tokens count, not requests', () => {
    const { enter, release } = roomOf();
    for (let i = 1; i <= 3; i++) enter(`large${i}`, { inputTokens: 40 });
    for (let i = 1; i <= 9; i++) enter(`small${i}`, { inputTokens: 10 });
    const order = Array.from({ length: 12 }, () => release()[0]!.replace(/\d/, ''));
    expect(order).toEqual([
      ...['large', 'small', 'small', 'small', 'small'],
      ...['large', 'small', 'small', 'small', 'small'],
      ...['large', 'small'],
    ]);
  });

  test('a weight of two is served twice as much', () => {
    const { enter, release } = roomOf();
    for (let i = 1; i <= 9; i++) {
      enter(`one${i}`);
      enter(`two${i}`, { weight: 2 });
    }
    const order = Array.from({ length: 12 }, () => release()[0]!);
    expect(order.filter((name) => name.startsWith('two'))).toHaveLength(8);
  });

  test('what streams counts at once: who is being served a long answer waits', () => {
    const { enter, charges, release } = roomOf();
    enter('ann1');
    enter('bob1');
    enter('ann2');
    enter('bob2');
    release(2);
    charges.get('ann1')?.stream(50);
    expect(release()).toEqual(['bob2']);
  });

  test('what is given back counts at once, in every line that the identity waits in', () => {
    const { enter, take, charges, release } = roomOf();
    for (const line of ['a', 'b']) {
      enter('ann1', { line, inputTokens: 100 });
      enter('ann2', { line, inputTokens: 100 });
      enter('bob1', { line, inputTokens: 60 });
      enter('bob2', { line, inputTokens: 60 });
    }
    release(1, 'a');
    take('bob', { inputTokens: 50 });
    // Nobody can go, but everyone was looked at with the counters as they are.
    release(0);
    charges.get('ann1')?.cancel();
    expect(release(1, 'b')).toEqual(['ann1']);
    charges.get('ann1')?.settle(0, 0);
    expect(release(1, 'a')).toEqual(['ann2']);
    expect(release(1, 'a')).toEqual(['bob1']);
  });

  test('of lines that want the same slot, the one whose head was served least goes first', () => {
    const { enter, take, release, room } = roomOf();
    let free = 0;
    const log: string[] = [];
    for (const id of ['ann', 'bob']) {
      const identity: Identity = { id, tier: 'default', weight: 1, priority: 'normal' };
      const grant = () => free-- > 0 && log.push(id) > 0;
      room.enter({ line: `of ${id}`, identity, grant, evict: () => {} });
    }
    take('ann', { inputTokens: 50 });
    free = 1;
    room.dispatch();
    expect(log).toEqual(['bob']);
    enter('eve');
    expect(release()).toEqual(['eve']);
  });

  test('without fairness age alone decides', () => {
    const { enter, take, release } = roomOf({ fairness: 'none' });
    enter('ann1');
    enter('ann2');
    enter('bob1');
    take('ann', { inputTokens: 900 });
    expect(release(3)).toEqual(['ann1', 'ann2', 'bob1']);
  });

  test('those who came back go before everyone, whatever they were served', () => {
    const { enter, take, release } = roomOf();
    enter('bob1');
    take('ann', { inputTokens: 900 });
    enter('ann1', { returned: true });
    expect(release(2)).toEqual(['ann1', 'bob1']);
  });
});

describe('weighted priorities', () => {
  test('share nine to three to one while all wait', () => {
    const { enter, release } = roomOf();
    for (let i = 1; i <= 30; i++) {
      enter(`high${i}`, { priority: 'high' });
      enter(`normal${i}`);
      enter(`low${i}`, { priority: 'low' });
    }
    const order = Array.from({ length: 26 }, () => release()[0]!.replace(/\d+/, ''));
    const count = (who: string): number => order.filter((name) => name === who).length;
    expect([count('high'), count('normal'), count('low')]).toEqual([18, 6, 2]);
    expect(order.slice(0, 3)).toEqual(['high', 'normal', 'low']);
  });

  test('are fair within each of them', () => {
    const { enter, release } = roomOf();
    for (let i = 1; i <= 4; i++) {
      enter(`ann${i}`, { priority: 'low' });
      if (i <= 2) enter(`bob${i}`, { priority: 'low' });
    }
    expect(release(6)).toEqual(['ann1', 'bob1', 'ann2', 'bob2', 'ann3', 'ann4']);
  });
});

describe('strict priorities', () => {
  const strict = { priority: 'strict', agingMs: 1_000 } as const;

  test('let nothing lower through while something higher can go', () => {
    const { enter, release } = roomOf(strict);
    enter('low1', { priority: 'low' });
    enter('normal1');
    for (let i = 1; i <= 3; i++) enter(`high${i}`, { priority: 'high' });
    expect(release(5)).toEqual(['high1', 'high2', 'high3', 'normal1', 'low1']);
  });

  test('a lower one goes where nothing higher can use the slot', () => {
    const { enter, release } = roomOf(strict);
    enter('high1', { priority: 'high', line: 'b' });
    enter('low1', { priority: 'low', line: 'a' });
    expect(release(1, 'a')).toEqual(['low1']);
  });

  test('give every second slot to a priority in which one has aged, and not a millisecond before', () => {
    const { clock, enter, release } = roomOf(strict);
    enter('low1', { priority: 'low' });
    enter('low2', { priority: 'low' });
    clock.advance(500);
    enter('low3', { priority: 'low' });
    for (let i = 1; i <= 9; i++) enter(`high${i}`, { priority: 'high' });
    clock.advance(499);
    expect(release(2)).toEqual(['high1', 'high2']);
    clock.advance(1);
    expect(release(5)).toEqual(['low1', 'high3', 'low2', 'high4', 'high5']);
  });

  test('of several that have aged, the one with the oldest goes first', () => {
    const { clock, enter, release } = roomOf(strict);
    enter('low1', { priority: 'low' });
    enter('normal1');
    for (let i = 1; i <= 4; i++) enter(`high${i}`, { priority: 'high' });
    clock.advance(1_000);
    expect(release(4)).toEqual(['low1', 'high1', 'normal1', 'high2']);
  });

  test('who has aged in a line that is stuck moves nobody forward in another', () => {
    const { clock, enter, release } = roomOf(strict);
    enter('low1', { priority: 'low', line: 'stuck' });
    clock.advance(1_000);
    enter('low2', { priority: 'low' });
    enter('high1', { priority: 'high' });
    expect(release(2)).toEqual(['high1', 'low2']);
  });
});

describe('a full room', () => {
  test('sends off the newest of whoever holds most for a newcomer that holds less', () => {
    const { enter, log, room, identity } = roomOf({ depth: 4 });
    for (let i = 1; i <= 4; i++) enter(`flood${i}`);
    expect([room.hasPlaceFor(identity('flood')), room.hasPlaceFor(identity('ann'))]).toEqual([false, true]);
    enter('ann1');
    expect([log.splice(0), room.size]).toEqual([['flood4 queue-full'], 4]);
    enter('bob1');
    expect(log.splice(0)).toEqual(['flood3 queue-full']);
    // Two, one and one: another of ann or bob would take as much as it frees.
    expect(['flood', 'ann', 'bob', 'eve'].map((id) => room.hasPlaceFor(identity(id)))).toEqual([
      false,
      false,
      false,
      true,
    ]);
  });

  test('counts places by weight and by priority', () => {
    const { enter, room, identity } = roomOf({ depth: 4 });
    enter('ann1', { weight: 2 });
    enter('ann2', { weight: 2 });
    enter('bob1');
    enter('low1', { priority: 'low' });
    const has = (id: string, guest: Guest = {}): boolean => room.hasPlaceFor(identity(id, guest));
    expect([has('eve'), has('eve', { priority: 'low' }), has('eve', { priority: 'high' })]).toEqual([
      true,
      false,
      true,
    ]);
  });

  test('with strict priorities has place for a higher one as long as a lower one holds any', () => {
    const { enter, log, room, identity } = roomOf({ depth: 3, priority: 'strict' });
    enter('low1', { priority: 'low' });
    enter('low2', { priority: 'low' });
    enter('high1', { priority: 'high' });
    enter('high2', { priority: 'high' });
    enter('high3', { priority: 'high' });
    expect(log).toEqual(['low2 queue-full', 'low1 queue-full']);
    expect(room.hasPlaceFor(identity('high', { priority: 'high' }))).toBe(false);
  });

  test('takes the newest over all lines it waits in', () => {
    const { enter, log } = roomOf({ depth: 3 });
    enter('flood1', { line: 'a' });
    enter('flood2', { line: 'b' });
    enter('flood3', { line: 'a' });
    enter('ann1', { line: 'b' });
    expect(log).toEqual(['flood3 queue-full']);
  });

  test('without fairness has place for nobody of the same priority', () => {
    const { enter, room, identity } = roomOf({ depth: 2, fairness: 'none' });
    enter('flood1');
    enter('flood2');
    expect(room.hasPlaceFor(identity('ann'))).toBe(false);
  });

  test('keeps a line together whose only waiter is sent off by one who joins it', () => {
    const { enter, log, release, room } = roomOf({ depth: 2 });
    enter('flood1', { line: 'b' });
    enter('flood2', { line: 'a' });
    enter('ann1', { line: 'a' });
    expect([log.splice(0), room.hasLine('a')]).toEqual([['flood2 queue-full'], true]);
    expect(release(1, 'a')).toEqual(['ann1']);
    expect(release(1, 'b')).toEqual(['flood1']);
    expect([room.size, room.hasLine('a'), room.hasLine('b')]).toEqual([0, false, false]);
  });
});

describe('what a newcomer is told', () => {
  test('is its place behind all, where all are one', () => {
    const { enter, room } = roomOf({ fairness: 'none' });
    expect(room.prospect('a').position).toBe(1);
    for (let i = 0; i < 7; i++) enter(`ann${i}`);
    expect([room.prospect('a').position, room.prospect('b').position]).toEqual([8, 1]);
  });

  test('is its place among the identities that share: behind one of each for each of its own', () => {
    const { enter, room, identity } = roomOf();
    for (let i = 0; i < 50; i++) enter(`flood${i}`);
    enter('bob1');
    const place = (id: string): number => room.prospect('a', identity(id)).position;
    expect([place('flood'), place('bob'), place('eve')]).toEqual([52, 4, 3]);
  });

  test('is its place by weight of its priority, or behind all that are higher', () => {
    for (const [priority, expected] of [
      ['weighted', [8, 9]],
      ['strict', [6, 56]],
    ] as const) {
      const { enter, room, identity } = roomOf({ priority });
      for (let i = 0; i < 50; i++) enter(`normal${i}`);
      for (let i = 0; i < 5; i++) enter(`high${i}`, { priority: 'high' });
      const place = (id: string, rank: Priority) => room.prospect('a', identity(id, { priority: rank })).position;
      expect([place('high', 'high'), place('eve', 'low')]).toEqual(expected);
    }
  });

  test('is how fast the line drained lately, while others waited', () => {
    const { clock, enter, room, release } = roomOf();
    const interval = (): number | undefined => room.prospect('a').intervalMs;
    for (let i = 0; i < 40; i++) enter(`ann${i}`);
    expect(interval()).toBeUndefined();
    for (let i = 0; i < 20; i++) {
      clock.advance(200);
      release();
    }
    expect(interval()).toBeCloseTo(200, 5);
    // Two at once count as two; a line that stands still gets slower.
    for (let i = 0; i < 9; i++) {
      clock.advance(200);
      release(2);
    }
    expect(interval()).toBeLessThan(150);
    clock.advance(60_000);
    expect(interval()).toBeGreaterThan(5_000);
  });

  test('of a line that stands still is what it would be if one were let through now', () => {
    const drain = new Drain();
    drain.begin(0);
    for (const at of [100, 300]) drain.letThrough(at);
    expect(drain.intervalMs(350)).toBeCloseTo(290 / 1.9, 6);
    const standing = drain.intervalMs(1_000);
    drain.letThrough(1_000);
    expect(standing).toBe(drain.intervalMs(1_000));
  });

  test('does not hold an empty line against it', () => {
    const { clock, enter, room, release } = roomOf();
    for (const _ of [1, 2]) {
      enter('ann1');
      enter('ann2');
      clock.advance(100);
      release();
      clock.advance(100);
      release();
      clock.advance(3_600_000);
    }
    expect(room.prospect('a').intervalMs).toBeCloseTo(100, 5);
  });
});
