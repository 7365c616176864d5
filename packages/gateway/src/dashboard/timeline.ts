/** Refusals and waits of the last half hour, in steps. */

export const stepMs = 10_000;
export const steps = 180;

/**
 * One step: when it began (epoch seconds), refusals, refusals of limits in shadow mode, and of those that were decided the
 * mean and the longest time in the queue, ms.
 */
export type TimelineRow = readonly [at: number, refused: number, shadow: number, meanMs: number, longestMs: number];

interface Step {
  number: number;
  refused: number;
  shadow: number;
  decided: number;
  waitedMs: number;
  longestMs: number;
}

export class Timeline {
  /** Used round and round; what is older than the last round is overwritten, or left out. */
  readonly #steps: (Step | undefined)[] = new Array<Step | undefined>(steps).fill(undefined);

  refused(mode: 'refused' | 'shadow', wall: number): void {
    this.#at(wall)[mode]++;
  }

  waited(ms: number, wall: number): void {
    const step = this.#at(wall);
    step.decided++;
    step.waitedMs += ms;
    step.longestMs = Math.max(step.longestMs, ms);
  }

  /** Steps in which something happened, the oldest first. */
  rows(wall: number, count = steps): TimelineRow[] {
    const last = Math.floor(wall / stepMs);
    return this.#steps
      .filter((step) => step !== undefined)
      .filter(({ number }) => number <= last && number > last - count)
      .sort((a, b) => a.number - b.number)
      .map(({ number, refused, shadow, decided, waitedMs, longestMs }) => {
        const meanMs = decided === 0 ? 0 : waitedMs / decided;
        return [(number * stepMs) / 1000, refused, shadow, Math.round(meanMs), Math.round(longestMs)];
      });
  }

  #at(wall: number): Step {
    const number = Math.floor(wall / stepMs);
    const place = number % steps;
    let step = this.#steps[place];
    if (step?.number !== number) {
      step = { number, refused: 0, shadow: 0, decided: 0, waitedMs: 0, longestMs: 0 };
      this.#steps[place] = step;
    }
    return step;
  }
}
