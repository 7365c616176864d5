import { describe, expect, test } from 'vitest';
import { type Leave, WaitingRoom } from '../../../src/queue/queue.js';
import { VirtualClock } from '../../../src/testing/virtual-clock.js';

/** Waiters of one line, some of whom could go and would rather wait for something else. */
function roomOf() {
  const clock = new VirtualClock();
  const room = new WaitingRoom(clock, { depth: 9, waitMs: 1_000 });
  const log: string[] = [];
  let free = 0;
  const picky = new Set<string>();
  const enter = (name: string, returned = false): Leave =>
    room.enter(
      {
        line: 'a',
        grant: () => {
          log.push(`${name}?`);
          if (free === 0) return false;
          if (picky.has(name)) return 'later';
          free--;
          log.push(`${name} granted`);
          return true;
        },
        evict: (reason) => log.push(`${name} ${reason}`),
      },
      { returned },
    );
  const release = (slots = 1): string[] => {
    free += slots;
    log.length = 0;
    room.dispatch();
    return [...log];
  };
  return { clock, room, log, picky, enter, release };
}

describe('one that could go and waits for something better', () => {
  test('holds up nobody behind it', () => {
    const { enter, release, picky } = roomOf();
    for (const name of ['first', 'second', 'third']) enter(name);
    picky.add('first').add('second');
    expect(release()).toEqual(['first?', 'second?', 'third?', 'third granted']);
  });

  test('keeps its place: it is asked first each time, and goes first once it wants to', () => {
    const { enter, release, picky } = roomOf();
    for (const name of ['first', 'second', 'third']) enter(name);
    picky.add('first');
    release();
    enter('fourth');
    expect(release(0)).toEqual(['first?', 'third?']);
    picky.clear();
    expect(release(3)).toEqual(['first?', 'first granted', 'third?', 'third granted', 'fourth?', 'fourth granted']);
  });

  test('is no line that a newcomer has to wait behind', () => {
    const { enter, release, room, picky } = roomOf();
    enter('first');
    picky.add('first');
    expect(room.hasLine('a')).toBe(true);
    release();
    expect([room.hasLine('a'), room.size, room.prospect('a').position]).toEqual([false, 1, 2]);
  });

  test('leaves, times out and is sent off like any other', () => {
    const { clock, enter, release, room, log, picky } = roomOf();
    const leave = enter('leaves');
    enter('late');
    clock.advance(500);
    enter('sent off');
    picky.add('leaves').add('late').add('sent off');
    release();
    expect([leave(), leave(), room.size]).toEqual([true, false, 2]);
    clock.advance(500);
    expect([log.at(-1), room.size, room.stats().oldestMs]).toEqual(['late queue-timeout', 1, 500]);
    room.evictAll('draining');
    expect([log.at(-1), room.size, clock.timers]).toEqual(['sent off draining', 0, 0]);
    expect(release(0)).toEqual([]);
  });

  test('of those who came back stays ahead of those who never were let through', () => {
    const { enter, release, picky } = roomOf();
    enter('first');
    enter('back', true);
    picky.add('back');
    expect(release()).toEqual(['back?', 'first?', 'first granted']);
    enter('second');
    picky.clear();
    expect(release()).toEqual(['back?', 'back granted', 'second?']);
  });
});
