/** How long clients waited for their first token, and for the last. */
import { firstTokenMs, type Journey } from '../world/arrival.js';

export interface Waits {
  readonly requests: number;
  /** Share of the requests that came so far. */
  readonly served: number;
  readonly meanMs: number;
  readonly p95Ms: number;
}

/** Of the requests that saw one; infinite where none did. */
export function firstTokens(journeys: readonly Journey[]): Waits {
  return waitsOf(journeys, firstTokenMs);
}

/** From sent to the last token, of the requests that are done; infinite where none is. */
export function wholeAnswers(journeys: readonly Journey[]): Waits {
  return waitsOf(journeys, ({ arrival, outcome, endedAtMs = Infinity }) => {
    return outcome === 'done' ? endedAtMs - arrival.atMs : undefined;
  });
}

function waitsOf(journeys: readonly Journey[], msOf: (journey: Journey) => number | undefined): Waits {
  const waits = journeys.map(msOf).filter((ms) => ms !== undefined);
  const served = journeys.length === 0 ? 0 : waits.length / journeys.length;
  if (waits.length === 0) return { requests: journeys.length, served, meanMs: Infinity, p95Ms: Infinity };
  waits.sort((a, b) => a - b);
  return {
    requests: journeys.length,
    served,
    meanMs: waits.reduce((sum, ms) => sum + ms, 0) / waits.length,
    p95Ms: waits[Math.min(waits.length - 1, Math.floor(0.95 * waits.length))]!,
  };
}
