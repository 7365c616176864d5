/**
 * Where time comes from. Durations and rates use `now`, which never steps; calendar windows use `wall`.
 * The system clock's `wall` follows a step of the machine's clock only after the step has lasted a minute, so a clock
 * that is set wrong and back again grants nothing.
 */
export interface Clock {
  /** Monotonic time in ms, from an arbitrary origin. */
  now(): number;
  /**
   * Time since 1970 in ms, as the calendar sees it.
   * @param now the instant asked about, by this clock; absent for this one. Who has just read the clock need not read it twice.
   */
  wall(now?: number): number;
  /**
   * Calls back once after `delayMs`; delays longer than a timer can hold are kept whole. Where the process was held up until
   * long after, what arrived meanwhile is seen first: it is not late because we are.
   */
  after(delayMs: number, callback: () => void): Timer;
}

export interface Timer {
  cancel(): void;
}

/** Longest delay `setTimeout` keeps; past it, it would fire at once. */
const timerMsMax = 2 ** 31 - 1;
const stepBelievedMs = 60_000;
const stepToleranceMs = 1_000;
const wallCheckEveryMs = 1_000;
/** A timer that goes off so much later than it was to has found the process held up. */
const heldUpMs = 20;

/** Once what has arrived was seen. A timer of no time does the same one turn later, unless other timers take their time. */
function soon(run: () => void): void {
  const { setImmediate = setTimeout } = globalThis as { setImmediate?: (run: () => void) => unknown };
  setImmediate(run);
}

class SystemTimer implements Timer {
  readonly #now: () => number;
  readonly #callback: () => void;
  #handle: ReturnType<typeof setTimeout> | undefined;
  #isCancelled = false;

  constructor(now: () => number, delayMs: number, callback: () => void) {
    this.#now = now;
    this.#callback = callback;
    this.#arm(delayMs);
  }

  #arm(delayMs: number): void {
    const partMs = Math.min(Math.max(delayMs, 0), timerMsMax);
    const dueMs = this.#now() + partMs;
    this.#handle = setTimeout(() => {
      if (delayMs > partMs) this.#arm(delayMs - partMs);
      else if (this.#now() - dueMs < heldUpMs) this.#callback();
      else {
        soon(() => {
          if (!this.#isCancelled) this.#callback();
        });
      }
    }, partMs);
  }

  cancel(): void {
    this.#isCancelled = true;
    clearTimeout(this.#handle);
  }
}

// The global is a getter: looked up once, since the clock is read for every decision.
const { performance } = globalThis;
const machine = { now: () => performance.now(), wall: () => Date.now() };

/** The clock of this machine. `read` stands in for it in tests. */
export function systemClock(read = machine): Clock {
  let offsetMs = read.wall() - read.now();
  let checkedAt = read.now();
  /** A step that was seen: the offset it amounts to, and since when. */
  let step: { readonly offsetMs: number; readonly since: number } | undefined;

  const believeStep = (now: number): void => {
    checkedAt = now;
    const seenMs = read.wall() - now;
    const isSame = step !== undefined && Math.abs(seenMs - step.offsetMs) <= stepToleranceMs;
    if (Math.abs(seenMs - offsetMs) <= stepToleranceMs || (isSame && now - step!.since >= stepBelievedMs)) {
      offsetMs = seenMs;
      step = undefined;
    } else if (!isSame) step = { offsetMs: seenMs, since: now };
  };

  return {
    now: read.now,
    wall: (now = read.now()) => {
      if (now - checkedAt >= wallCheckEveryMs) believeStep(now);
      return now + offsetMs;
    },
    after: (delayMs, callback) => new SystemTimer(read.now, delayMs, callback),
  };
}

/**
 * A clock that can be held: from then on it stands still until it is released. What is decided in one step is decided at one
 * instant, however many parts look at the clock, and the machine is asked for the time once, which is the dearest part of a
 * small decision. Only for steps in which nothing is awaited.
 */
export class HeldClock implements Clock {
  readonly #clock: Clock;
  #heldAt = Number.NaN;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  hold(): void {
    this.#heldAt = this.#clock.now();
  }

  release(): void {
    this.#heldAt = Number.NaN;
  }

  now(): number {
    return Number.isNaN(this.#heldAt) ? this.#clock.now() : this.#heldAt;
  }

  wall(now = this.now()): number {
    return this.#clock.wall(now);
  }

  after(delayMs: number, callback: () => void): Timer {
    return this.#clock.after(delayMs, callback);
  }
}
