import { afterEach, describe, expect, test, vi } from 'vitest';
import { HeldClock, systemClock } from '../../../src/kernel/clock.js';
import { VirtualClock } from '../../../src/testing/virtual-clock.js';
import { day, hour, minute, second } from '../../support/fixtures.js';

/** A machine whose clocks are set by hand. */
function machine() {
  const at = { now: 1_000.5, wall: Date.UTC(2026, 0, 5) };
  const clock = systemClock({ now: () => at.now, wall: () => at.wall });
  const pass = (ms: number, readEveryMs = second): number => {
    let wall = clock.wall();
    for (let left = ms; left > 0; left -= readEveryMs) {
      const part = Math.min(left, readEveryMs);
      at.now += part;
      at.wall += part;
      wall = clock.wall();
    }
    return wall;
  };
  /** How far the calendar is off from what the machine says now. */
  const offMs = () => Math.round(clock.wall() - at.wall);
  return { at, clock, pass, offMs };
}

describe("the machine's calendar clock", () => {
  test('is followed', () => {
    const { clock, pass, offMs } = machine();
    pass(day, minute);
    expect(offMs()).toBe(0);
    expect(clock.now()).toBe(1_000.5 + day);
  });

  test.each([
    ['forward by a day', day],
    ['back by a day', -day],
  ])('set %s is not believed for a minute, then it is', (_, step) => {
    const { at, pass, offMs } = machine();
    pass(minute);
    at.wall += step;
    pass(59 * second);
    expect(offMs()).toBe(-step);
    pass(3 * second);
    expect(offMs()).toBe(0);
  });

  test('set wrong and right again within a minute was never seen', () => {
    const { at, pass, offMs } = machine();
    for (let i = 0; i < 10; i++) {
      at.wall += day;
      pass(50 * second);
      expect(offMs()).toBe(-day);
      at.wall -= day;
      pass(10 * second);
      expect(offMs()).toBe(0);
    }
  });

  test('set wrong twice in different ways is believed a minute after the second', () => {
    const { at, pass, offMs } = machine();
    at.wall += hour;
    pass(50 * second);
    at.wall -= 3 * hour;
    pass(40 * second);
    expect(offMs()).toBe(2 * hour);
    pass(30 * second);
    expect(offMs()).toBe(0);
  });

  test('that nobody looked at for an hour is not believed at first sight', () => {
    const { at, pass, offMs, clock } = machine();
    pass(hour, hour);
    at.wall += day;
    at.now += hour;
    at.wall += hour;
    clock.wall();
    expect(offMs()).toBe(-day);
  });

  test('that is slowly corrected is followed at once', () => {
    const { at, pass, offMs } = machine();
    for (let i = 0; i < 100; i++) {
      pass(2 * second);
      at.wall += 10;
    }
    pass(2 * second);
    expect(offMs()).toBe(0);
  });
});

describe('timers', () => {
  afterEach(() => vi.useRealTimers());

  test('longer than 24.8 days fire when they are due, not at once', () => {
    vi.useFakeTimers();
    const fired = vi.fn();
    systemClock().after(30 * day, fired);
    vi.advanceTimersByTime(30 * day - 1);
    expect(fired).not.toHaveBeenCalled();
    vi.advanceTimersByTime(1);
    expect(fired).toHaveBeenCalledTimes(1);
  });

  test('that were cancelled do not fire, also in their second part', () => {
    vi.useFakeTimers();
    const fired = vi.fn();
    const timer = systemClock().after(30 * day, fired);
    vi.advanceTimersByTime(26 * day);
    timer.cancel();
    vi.advanceTimersByTime(30 * day);
    expect(fired).not.toHaveBeenCalled();
    expect(vi.getTimerCount()).toBe(0);
  });
});

describe('a timer of a process that was held up', () => {
  afterEach(() => {
    vi.unstubAllGlobals();
    vi.useRealTimers();
  });

  /** A timer that has gone off so late; what has arrived is seen before `turn`, where the runtime has such a thing. */
  function heldUp(lateMs: number) {
    vi.useFakeTimers();
    const turn: (() => void)[] = [];
    vi.stubGlobal('setImmediate', (run: () => void) => turn.push(run));
    const at = { now: 0 };
    const clock = systemClock({ now: () => at.now, wall: () => at.now });
    const fired = vi.fn();
    const timer = clock.after(1, fired);
    const goOff = (): void => {
      at.now += 1 + lateMs;
      vi.advanceTimersToNextTimer();
    };
    const passTurn = (): void => {
      for (const run of turn.splice(0)) run();
    };
    return { timer, fired, goOff, passTurn };
  }

  test('lets what arrived meanwhile go first', () => {
    const { fired, goOff, passTurn } = heldUp(20);
    goOff();
    expect(fired).not.toHaveBeenCalled();
    passTurn();
    expect(fired).toHaveBeenCalledTimes(1);
  });

  test('waits for nothing where it is hardly late', () => {
    const { fired, goOff } = heldUp(19);
    goOff();
    expect(fired).toHaveBeenCalledTimes(1);
  });

  test('does not go off where what arrived has cancelled it', () => {
    const { timer, fired, goOff, passTurn } = heldUp(20);
    goOff();
    timer.cancel();
    passTurn();
    expect(fired).not.toHaveBeenCalled();
  });

  test('goes off a timer later where the runtime knows no turns', () => {
    const { fired, goOff } = heldUp(20);
    vi.stubGlobal('setImmediate', undefined);
    goOff();
    expect([fired.mock.calls.length, vi.getTimerCount()]).toEqual([0, 1]);
    vi.advanceTimersToNextTimer();
    expect(fired).toHaveBeenCalledTimes(1);
  });
});

describe('a clock that can be held', () => {
  test('stands still until it is released, the calendar with it', () => {
    const clock = new VirtualClock(Date.UTC(2026, 0, 5));
    const held = new HeldClock(clock);
    clock.advance(5);
    held.hold();
    clock.advance(100);
    expect([held.now(), held.wall()]).toEqual([5, Date.UTC(2026, 0, 5) + 5]);
    held.release();
    expect([held.now(), held.wall()]).toEqual([105, Date.UTC(2026, 0, 5) + 105]);
  });

  test('is read once, however often it is asked', () => {
    let reads = 0;
    const held = new HeldClock(systemClock({ now: () => ++reads, wall: () => 0 }));
    reads = 0;
    held.hold();
    for (let i = 0; i < 5; i++) held.now() + held.wall();
    expect(reads).toBe(1);
  });

  test('goes on when a step within the step has released it', () => {
    const clock = new VirtualClock();
    const held = new HeldClock(clock);
    held.hold();
    held.hold();
    held.release();
    clock.advance(7);
    expect(held.now()).toBe(7);
    held.release();
  });
});
