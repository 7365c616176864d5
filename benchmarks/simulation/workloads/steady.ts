/** Clients that send at a steady rate, as in the published experiments. */
import type { Priority } from '@headgate/core';
import type { Arrival } from '../world/arrival.js';

export interface Sender {
  readonly client: string;
  /** Requests a second. */
  readonly rate: number;
  readonly inputTokens: number;
  readonly outputTokens: number;
  /** When the first one is sent, in intervals between two. */
  readonly offset?: number;
  readonly weight?: number;
  readonly priority?: Priority;
  readonly fromMs?: number;
  readonly untilMs: number;
}

export function steady(senders: readonly Sender[]): Arrival[] {
  return senders.flatMap(requestsOf).sort((a, b) => a.atMs - b.atMs);
}

function requestsOf({ rate, offset = 1, fromMs = 0, untilMs, ...request }: Sender): Arrival[] {
  const count = Math.floor(((untilMs - fromMs) * rate) / 1_000);
  return Array.from({ length: count }, (_, n) => ({ ...request, atMs: fromMs + ((n + offset) * 1_000) / rate }));
}
