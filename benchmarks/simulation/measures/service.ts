/**
 * How fairly clients were served, by the measures with which the virtual token counter was published: a prompt token counts
 * 1 and a written one 2, and a request's service is spread evenly from its first token to its end.
 */
import type { Arrival, Journey } from '../world/arrival.js';

export const serviceOf = ({ inputTokens, outputTokens }: Pick<Arrival, 'inputTokens' | 'outputTokens'>): number =>
  inputTokens + 2 * outputTokens;

/** What the published evaluation leaves out, and when it looks: nineteen instants up to second 571. */
export const publishedWarmUpMs = 30_000;
export const publishedInstantsMs: readonly number[] = Array.from({ length: 19 }, (_, i) => 30_000 + (i + 1) * 28_500);

/** What the client was served between two instants. */
function served(journeys: readonly Journey[], fromMs: number, toMs: number): number {
  let sum = 0;
  for (const { arrival, firstTokenAtMs, endedAtMs, outcome } of journeys) {
    if (firstTokenAtMs === undefined || outcome !== 'done') continue;
    const overlapMs = Math.min(toMs, endedAtMs!) - Math.max(fromMs, firstTokenAtMs);
    if (overlapMs > 0) sum += (serviceOf(arrival) * overlapMs) / (endedAtMs! - firstTokenAtMs);
  }
  return sum;
}

/** Service from the start. */
export function servedUntil(journeys: readonly Journey[], atMs: number): number {
  return served(journeys, 0, atMs);
}

function byClient(journeys: readonly Journey[]): Journey[][] {
  const clients = new Map<string, Journey[]>();
  for (const journey of journeys) {
    const of = clients.get(journey.arrival.client);
    if (of === undefined) clients.set(journey.arrival.client, [journey]);
    else of.push(journey);
  }
  return [...clients.values()];
}

/** Most served less least served, from one instant until each of the others. */
export function accumulatedDifferences(
  journeys: readonly Journey[],
  fromMs: number,
  instantsMs: readonly number[],
): number[] {
  const clients = byClient(journeys);
  return instantsMs.map((toMs) => {
    const sums = clients.map((of) => served(of, fromMs, toMs));
    return Math.max(...sums) - Math.min(...sums);
  });
}

/**
 * In a window around each instant and per second: how far each client stays behind the one served most, or behind what it
 * asked for, whichever is less; summed over the clients.
 */
export function serviceDifferences(
  journeys: readonly Journey[],
  instantsMs: readonly number[],
  windowMs = 60_000,
): number[] {
  const clients = byClient(journeys);
  return instantsMs.map((atMs) => {
    const [fromMs, toMs] = [atMs - windowMs / 2, atMs + windowMs / 2];
    const perSecond = windowMs / 1_000;
    const got = clients.map((of) => served(of, fromMs, toMs) / perSecond);
    const most = Math.max(...got);
    let sum = 0;
    for (const [i, of] of clients.entries()) {
      const asked = of.filter(({ arrival }) => arrival.atMs >= fromMs && arrival.atMs <= toMs);
      const wish = asked.reduce((total, { arrival }) => total + serviceOf(arrival), 0) / perSecond;
      sum += Math.min(most - got[i]!, Math.abs(wish - got[i]!));
    }
    return sum;
  });
}

export function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

export function variance(values: readonly number[]): number {
  const middle = mean(values);
  return mean(values.map((value) => (value - middle) ** 2));
}
