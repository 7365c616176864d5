import { describe, expect, test } from 'vitest';
import { type Leave, WaitingRoom } from '../../../src/queue/queue.js';
import { VirtualClock } from '../../../src/testing/virtual-clock.js';

/** A room in front of counted slots, one kind a line; what happens is written down. */
function roomOf(free: Record<string, number>, waitMs = 1_000) {
  const clock = new VirtualClock();
  const room = new WaitingRoom(clock, { depth: 3, waitMs });
  const log: string[] = [];
  const enter = (
    name: string,
    line: string,
    options: { returned?: boolean; waitMs?: number; needs?: string } = {},
  ): Leave => {
    const slot = options.needs ?? line;
    return room.enter(
      {
        line,
        grant: () => {
          if ((free[slot] ?? 0) === 0) return false;
          free[slot]!--;
          log.push(`${name} granted`);
          return true;
        },
        evict: (reason) => log.push(`${name} ${reason}`),
      },
      options,
    );
  };
  const release = (line: string): void => {
    free[line] = (free[line] ?? 0) + 1;
    room.dispatch();
  };
  return { clock, room, log, enter, release, free };
}

describe('the waiting room', () => {
  test('lets through in the order of arrival, as many as there are slots', () => {
    const { enter, release, log, room } = roomOf({ a: 0 });
    for (const name of ['first', 'second', 'third']) enter(name, 'a');
    release('a');
    release('a');
    expect(log).toEqual(['first granted', 'second granted']);
    expect([room.size, room.hasLine('a')]).toEqual([1, true]);
  });

  test('is full at its depth', () => {
    const { enter, room } = roomOf({});
    enter('1', 'a');
    enter('2', 'b');
    expect(room.full).toBe(false);
    enter('3', 'a');
    expect(room.full).toBe(true);
  });

  test('looks past a line whose head cannot go', () => {
    const { enter, release, log } = roomOf({ a: 0, b: 0 });
    enter('a1', 'a');
    enter('b1', 'b');
    release('b');
    expect(log).toEqual(['b1 granted']);
  });

  test('of lines that want the same slot lets the oldest through', () => {
    const { enter, release, log } = roomOf({ shared: 0 });
    enter('first', 'a', { needs: 'shared' });
    enter('second', 'b', { needs: 'shared' });
    enter('third', 'a', { needs: 'shared' });
    for (let i = 0; i < 3; i++) release('shared');
    expect(log).toEqual(['first granted', 'second granted', 'third granted']);
  });

  test('lets those who came back through first, whatever line they stand in', () => {
    const { enter, release, log } = roomOf({ shared: 0 });
    enter('first', 'a', { needs: 'shared' });
    enter('same line', 'a', { needs: 'shared', returned: true });
    enter('other line', 'b', { needs: 'shared', returned: true });
    for (let i = 0; i < 3; i++) release('shared');
    expect(log).toEqual(['same line granted', 'other line granted', 'first granted']);
  });

  test('evicts at the deadline, never before it and never after a grant', () => {
    const { clock, enter, release, log, room } = roomOf({ a: 0 });
    enter('late', 'a');
    enter('short', 'a', { waitMs: 400 });
    clock.advance(399);
    expect(log).toEqual([]);
    clock.advance(1);
    expect(log).toEqual(['short queue-timeout']);
    clock.advance(599);
    release('a');
    clock.advance(10_000);
    expect(log).toEqual(['short queue-timeout', 'late granted']);
    expect([room.size, clock.timers]).toEqual([0, 0]);
  });

  test('forgets who leaves, once, and keeps no timer or line for them', () => {
    const { clock, enter, release, log, room } = roomOf({ a: 0 });
    const leave = enter('gone', 'a');
    enter('next', 'a');
    expect([leave(), leave()]).toEqual([true, false]);
    release('a');
    expect(log).toEqual(['next granted']);
    expect([room.size, clock.timers, room.hasLine('a')]).toEqual([0, 0, false]);
  });

  test('who was granted cannot leave any more', () => {
    const { enter, release } = roomOf({ a: 0 });
    const leave = enter('granted', 'a');
    release('a');
    expect(leave()).toBe(false);
  });

  test('sends everyone off when told to', () => {
    const { clock, enter, log, room } = roomOf({});
    enter('a', 'a');
    enter('b', 'b', { returned: true });
    enter('c', 'a');
    room.evictAll('draining');
    expect(log.sort()).toEqual(['a draining', 'b draining', 'c draining']);
    expect([room.size, clock.timers]).toEqual([0, 0]);
  });

  test('a slot that is freed while one is handed over is handed over too', () => {
    const clock = new VirtualClock();
    const room = new WaitingRoom(clock, { depth: 9, waitMs: 1_000 });
    let free = 0;
    const log: string[] = [];
    const enter = (name: string, then?: () => void) =>
      room.enter({
        line: 'a',
        grant: () => {
          if (free === 0) return false;
          free--;
          log.push(name);
          then?.();
          return true;
        },
        evict: () => {},
      });
    enter('first', () => {
      free++;
      room.dispatch();
    });
    enter('second');
    enter('third');
    free = 1;
    room.dispatch();
    expect(log).toEqual(['first', 'second']);
  });

  test('and so is one for a line that was asked before', () => {
    const { room, log, enter, release, free } = roomOf({ a: 0, b: 0 });
    enter('a1', 'a');
    room.enter({
      line: 'b',
      grant: () => {
        if (free.b === 0) return false;
        release('a');
        return true;
      },
      evict: () => {},
    });
    release('b');
    expect(log).toEqual(['a1 granted']);
  });

  test('bears a thousand who come and go, and ends empty', () => {
    const { clock, enter, room } = roomOf({});
    for (let i = 0; i < 1_000; i++) {
      const leave = enter(`${i}`, `line ${i % 7}`);
      if (i % 3 === 0) clock.advance(1_000);
      else leave();
    }
    clock.advance(1_000);
    expect([room.size, clock.timers, ...Array.from({ length: 7 }, (_, i) => room.hasLine(`line ${i}`))]).toEqual([
      0,
      0,
      ...new Array(7).fill(false),
    ]);
  });
});
