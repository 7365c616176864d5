/** What happens to one request, from the moment its client sends it. */
import type { Priority } from '@headgate/core';

export interface Arrival {
  /** When it is sent, ms. */
  readonly atMs: number;
  readonly client: string;
  readonly inputTokens: number;
  /** What the backend will write; nobody in front of it knows. */
  readonly outputTokens: number;
  readonly model?: string;
  readonly weight?: number;
  readonly priority?: Priority;
  /** Prefix blocks of the prompt: equal leading ids are a prefix that a cache may hold. */
  readonly prefixBlocks?: readonly number[];
  /** When its client gives up, counted from the arrival. */
  readonly leavesAfterMs?: number;
}

export type Outcome = 'waiting' | 'running' | 'done' | 'refused' | 'left' | 'failed';

/** Filled in as it happens; instants in ms, undefined while they have not come. */
export interface Journey {
  readonly arrival: Arrival;
  outcome: Outcome;
  /** Why it was refused. */
  reason?: string;
  retryAfterMs?: number;
  backend?: string;
  grantedAtMs?: number;
  firstTokenAtMs?: number;
  endedAtMs?: number;
  /** Tokens written so far. */
  written: number;
  /** How often it began elsewhere because a backend had failed. */
  moves: number;
}

/** From sent to first token, ms; undefined when none came. */
export function firstTokenMs({ arrival, firstTokenAtMs }: Journey): number | undefined {
  return firstTokenAtMs === undefined ? undefined : firstTokenAtMs - arrival.atMs;
}
