/**
 * Whether something happened at an instant that promises may hang on. Most instants of a simulation are steps of an engine
 * that concern nobody else, and letting promises settle at each of them would be most of the work.
 */
import type { Clock } from '@headgate/core';
import type { VirtualClock } from '@headgate/core/testing';

export class Pulse {
  readonly clock: VirtualClock;
  /** The same clock for the door: whatever it set a timer for is something. */
  readonly doorClock: Clock;
  #beats = false;

  constructor(clock: VirtualClock) {
    this.clock = clock;
    this.doorClock = {
      now: () => clock.now(),
      wall: () => clock.wall(),
      after: (delayMs, callback) =>
        clock.after(delayMs, () => {
          this.#beats = true;
          callback();
        }),
    };
  }

  beat(): void {
    this.#beats = true;
  }

  /** Whether it beat since it was last asked. */
  take(): boolean {
    const beats = this.#beats;
    this.#beats = false;
    return beats;
  }
}
