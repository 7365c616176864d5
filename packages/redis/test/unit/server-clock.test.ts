/** What a process knows of the server's clock, and which steps of it it believes. */
import { VirtualClock } from '@headgate/core/testing';
import { describe, expect, test } from 'vitest';
import { ServerClock } from '../../src/server-clock.js';

const hour = 3_600_000;
const start = Date.UTC(2026, 0, 5, 12);

function world(): { clock: VirtualClock; time: ServerClock; hear: (serverMs: number, roundTripMs?: number) => void } {
  const clock = new VirtualClock(start);
  const time = new ServerClock(clock);
  const hear = (serverMs: number, roundTripMs = 0): void => {
    const sentAt = clock.now();
    clock.advance(roundTripMs);
    time.learn(serverMs, sentAt);
  };
  return { clock, time, hear };
}

describe("the server's clock", () => {
  test('is not expected anywhere before the first reply, and the machine stands in for it', () => {
    const { time } = world();
    expect([time.expected, time.ahead, time.wall]).toEqual([0, 0, start]);
  });

  test('is taken to have been read halfway between asking and hearing', () => {
    const { clock, time, hear } = world();
    hear(start + hour, 40);
    expect(time.wall).toBe(start + hour + 20);
    clock.advance(1_000);
    expect(time.expected).toBe(start + hour + 1_020);
  });

  test('is followed where it runs a little faster or slower', () => {
    const { clock, time, hear } = world();
    hear(start);
    for (let i = 1; i <= 100; i++) {
      clock.advance(10_000);
      hear(start + i * 10_100);
    }
    expect([time.ahead, time.wall]).toEqual([0, start + 100 * 10_100]);
  });

  test.each([hour, -hour])(
    'stepped by %i ms is expected there at once, and believed only when it has stayed for a minute',
    (step) => {
      const { clock, time, hear } = world();
      hear(start);
      clock.advance(5_000);
      hear(start + 5_000 + step);
      expect([time.expected, time.ahead, time.wall]).toEqual([start + 5_000 + step, step, start + 5_000]);
      clock.advance(59_000);
      hear(start + 64_000 + step);
      expect(time.ahead).toBe(step);
      clock.advance(1_000);
      hear(start + 65_000 + step);
      expect([time.ahead, time.wall]).toEqual([0, start + 65_000 + step]);
    },
  );

  test('set wrong and back again within the minute was never believed', () => {
    const { clock, time, hear } = world();
    hear(start);
    for (const step of [hour, 0, hour, 0, -hour, 0]) {
      clock.advance(30_000);
      hear(start + clock.now() + step);
      expect(time.wall).toBe(start + clock.now());
    }
    expect(time.ahead).toBe(0);
  });

  test('is not learned from an answer that was long under way, or lay unread while this process stood still', () => {
    const { time, hear } = world();
    hear(start);
    hear(start + 100, 61_000);
    expect([time.ahead, time.wall]).toEqual([0, start + 61_000]);

    const first = world();
    first.hear(start, 61_000);
    expect([first.time.expected, first.time.ahead]).toEqual([0, 0]);
  });

  test('stepped twice starts its minute anew', () => {
    const { clock, time, hear } = world();
    hear(start);
    clock.advance(1_000);
    hear(start + clock.now() + hour);
    clock.advance(50_000);
    hear(start + clock.now() + 2 * hour);
    clock.advance(50_000);
    hear(start + clock.now() + 2 * hour);
    expect(time.ahead).toBe(2 * hour);
    clock.advance(10_000);
    hear(start + clock.now() + 2 * hour);
    expect(time.ahead).toBe(0);
  });
});
