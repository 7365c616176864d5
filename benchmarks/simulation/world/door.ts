/** Where requests come in: Headgate's limiter, or something it is measured against. */
import type { Arrival } from './arrival.js';

/** The right to run. Ended once, by `settle` or `cancel`. */
export interface Pass {
  /** May change by `move`. */
  readonly backend: string;
  /** Counts tokens as they are written; false when the answer must end. */
  meter(tokens: number): boolean;
  settle(inputTokens: number, outputTokens: number): void;
  cancel(): void;
  /** The backend broke, in the middle of its answer or before. */
  failed?(hasBegun: boolean): void;
  /** Moves to a backend that was not tried yet, waiting for it; false when there is none. Only before the first token. */
  move?(signal: AbortSignal): Promise<boolean>;
}

export type Answer =
  | { readonly admitted: true; readonly pass: Pass }
  | { readonly admitted: false; readonly reason: string; readonly retryAfterMs: number | undefined };

export interface Door {
  /** Rejects when the client leaves while it waits. */
  ask(arrival: Arrival, signal: AbortSignal): Promise<Answer>;
}
