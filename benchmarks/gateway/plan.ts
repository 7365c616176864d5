/** How long everything is measured. */
import type { Pace } from './workloads.js';

export interface StreamPlan {
  /** Open at once, on the average: what arrives in a second times how long a stream takes. */
  readonly concurrent: number;
  readonly perSecond: number;
  readonly pace: Pace;
  readonly rounds: number;
  readonly rampMs: number;
  readonly ms: number;
}

export interface Plan {
  /** `warmUp` is a number of requests. */
  readonly small: { readonly rounds: number; readonly ms: number; readonly warmUp: number };
  readonly streams: StreamPlan;
  /** Ten times as many, at a tenth of the pace. */
  readonly more: StreamPlan | undefined;
  readonly held: readonly number[];
}

const streams = { concurrent: 100, perSecond: 100, pace: { chunks: 50, everyMs: 20, firstMs: 20 } };
const more = { concurrent: 1_000, perSecond: 100, pace: { chunks: 50, everyMs: 200, firstMs: 200 } };

export const plans: { readonly quick: Plan; readonly full: Plan } = {
  quick: {
    small: { rounds: 3, ms: 1_000, warmUp: 5_000 },
    streams: { ...streams, rounds: 2, rampMs: 1_500, ms: 4_000 },
    more: undefined,
    held: [2_000],
  },
  full: {
    small: { rounds: 5, ms: 1_500, warmUp: 10_000 },
    streams: { ...streams, rounds: 3, rampMs: 1_500, ms: 6_000 },
    more: { ...more, rounds: 2, rampMs: 11_000, ms: 6_000 },
    held: [2_000, 10_000],
  },
};
