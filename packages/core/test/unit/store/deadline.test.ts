/** Waits of one length, in a process that is sometimes too busy to look at the time. */
import { expect, test } from 'vitest';
import type { Clock } from '../../../src/kernel/clock.js';
import { Deadlines } from '../../../src/store/deadline.js';

/** A clock whose timers fire when they are looked at. */
class SlowClock implements Clock {
  #now = 0;
  #timers: { readonly at: number; readonly callback: () => void }[] = [];

  now(): number {
    return this.#now;
  }

  wall(): number {
    return this.#now;
  }

  after(delayMs: number, callback: () => void) {
    const timer = { at: this.#now + delayMs, callback };
    this.#timers.push(timer);
    return {
      cancel: () => {
        this.#timers = this.#timers.filter((other) => other !== timer);
      },
    };
  }

  /** One turn of the event loop that took so long. */
  turn(ms: number): void {
    this.#now += ms;
    const due = this.#timers.filter(({ at }) => at <= this.#now);
    this.#timers = this.#timers.filter(({ at }) => at > this.#now);
    for (const { callback } of due) callback();
  }
}

function bench() {
  const clock = new SlowClock();
  const deadlines = new Deadlines(clock, 50);
  const late: number[] = [];
  return { clock, begin: () => deadlines.begin(() => late.push(clock.now())), late, deadlines };
}

test('a wait ends when its time is up', () => {
  const { clock, begin, late, deadlines } = bench();
  begin();
  clock.turn(20);
  begin();
  clock.turn(29.9);
  expect(late).toEqual([]);
  clock.turn(0.1);
  expect(late).toEqual([50]);
  clock.turn(20);
  expect(late).toEqual([50, 70]);
  expect(deadlines.size).toBe(0);
});

test('one that has ended is never late', () => {
  const { clock, begin, late } = bench();
  begin()();
  clock.turn(1_000);
  expect(late).toEqual([]);
});

test('time in which nobody looked is not counted: what lies unread is read first', () => {
  const { clock, begin, late } = bench();
  const end = begin();
  clock.turn(400);
  expect(late).toEqual([]);
  end();
  begin();
  for (let i = 0; i < 60; i++) clock.turn(1);
  expect(late).toEqual([450]);
});

test('it is not waited for much longer, however busy the process is', () => {
  const { clock, begin, late } = bench();
  begin();
  for (let i = 0; i < 8; i++) clock.turn(60);
  expect(late).toEqual([]);
  for (let i = 0; i < 5; i++) clock.turn(60);
  expect(late).toHaveLength(1);
  expect(late[0]).toBeLessThanOrEqual(600);
});
