/**
 * Spaces out jobs that would be refused anyway. When a job is refused for now, the others of its identity for the same
 * path and model are not asked for before that instant either, and then one by one: a thousand jobs behind a limit of one a
 * second are a thousand requests, not half a million.
 */
import type { Clock } from '@headgate/core';
import type { JobData } from './job.js';

interface Hold {
  until: number;
  /** From one job to the next. */
  spacingMs: number;
  /** Jobs sent off so far. */
  count: number;
}

const spacingMsMax = 1_000;
const spacingMsMin = 10;
/** Past this many they are forgotten, which costs requests that are refused. */
const holdsMax = 10_000;

export class Holds {
  readonly #clock: Clock;
  readonly #holds = new Map<string, Hold>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /**
   * A job was refused, and told to come again after this time. Returns when it should, ms: as it was told, or in turn where
   * others were refused in the same moment.
   */
  refused(job: JobData, afterMs: number): number {
    const key = keyOf(job);
    const waitMs = this.waitMs(job);
    if (waitMs >= afterMs) return waitMs;
    if (this.#holds.size >= holdsMax) this.#holds.clear();
    const spacingMs = Math.min(spacingMsMax, Math.max(spacingMsMin, afterMs));
    this.#holds.set(key, { until: this.#clock.now() + afterMs, spacingMs, count: 0 });
    return afterMs;
  }

  /** How long a job of this kind should wait before it is asked for, ms; 0 when it need not. */
  waitMs(job: JobData): number {
    const key = keyOf(job);
    const hold = this.#holds.get(key);
    if (hold === undefined) return 0;
    const restMs = hold.until - this.#clock.now();
    if (restMs <= 0) {
      this.#holds.delete(key);
      return 0;
    }
    hold.count++;
    return Math.ceil(restMs + hold.count * hold.spacingMs);
  }
}

function keyOf({ identity, path, model }: JobData): string {
  return JSON.stringify([identity.id, path, model]);
}
