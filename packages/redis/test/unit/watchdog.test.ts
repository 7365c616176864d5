/** A connection is silent when nothing came back for too long, and not because this process stood still. */
import { VirtualClock } from '@headgate/core/testing';
import { describe, expect, test } from 'vitest';
import { Watchdog } from '../../src/watchdog.js';
import { StallingClock } from '../support/stalling-clock.js';

function watched() {
  const time = new VirtualClock();
  const clock = new StallingClock(time);
  const silences: number[] = [];
  const watchdog = new Watchdog({ clock, silenceMs: 1_000, onSilence: () => silences.push(time.now()) });
  const begin = time.now();
  return { time, clock, watchdog, silences: () => silences.map((at) => at - begin) };
}

describe('a watchdog', () => {
  test('tells of a silence at the second look, and again as long after', () => {
    const { time, watchdog, silences } = watched();
    watchdog.asked();
    time.advance(1_249);
    expect(silences()).toEqual([]);
    time.advance(1_250);
    expect(silences()).toEqual([1_250]);
    time.advance(1);
    expect(silences()).toEqual([1_250, 2_500]);
    watchdog.close();
  });

  test('hears whatever comes back, and waits for nothing when nothing is under way', () => {
    const { time, watchdog, silences } = watched();
    watchdog.asked();
    watchdog.asked();
    time.advance(900);
    watchdog.answered();
    time.advance(1_000);
    expect(silences()).toEqual([]);
    watchdog.answered();
    time.advance(5_000);
    expect(silences()).toEqual([]);
    watchdog.asked();
    time.advance(1_000);
    expect(silences()).toEqual([]);
    watchdog.close();
  });

  test('looks again after this process stood still: the answers may wait to be read', () => {
    const { time, clock, watchdog, silences } = watched();
    watchdog.asked();
    clock.stall();
    time.advance(5_000);
    clock.wake();
    expect(silences()).toEqual([]);
    watchdog.answered();
    time.advance(5_000);
    expect(silences()).toEqual([]);
    watchdog.close();
  });
});
