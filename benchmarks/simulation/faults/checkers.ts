/**
 * What must hold at every instant, whatever is drawn and whatever breaks. Each looks at the whole system from outside: at what
 * the engines have to do and what the clients see, beside what the limiter says of itself.
 */
import type { Limiter } from '@headgate/core';
import type { VirtualClock } from '@headgate/core/testing';
import type { PairGaps } from '../measures/gaps.js';
import type { Journey } from '../world/arrival.js';
import type { FragileEngine } from './engine.js';
import type { Plan } from './plan.js';

export interface Witness {
  readonly plan: Plan;
  readonly limiter: Limiter;
  readonly engines: Readonly<Record<string, FragileEngine>>;
  readonly journeys: readonly Journey[];
  /** Those that wait or run. */
  readonly live: ReadonlySet<Journey>;
  readonly clock: VirtualClock;
  readonly gaps: PairGaps;
}

type Check = (witness: Witness) => string | undefined;

const those = (live: ReadonlySet<Journey>, outcome: Journey['outcome']): Journey[] =>
  [...live].filter((journey) => journey.outcome === outcome);

/** No server ever has more to do than its slots (I12). */
const capacity: Check = ({ plan, engines }) => {
  const over = plan.backends.find(({ name, slots }) => engines[name]!.most > slots);
  return over && `${over.name} had ${engines[over.name]!.most} requests at once and has ${over.slots} slots`;
};

/** What the limiter counts is what is there: every request is waiting, in flight, or over (I4). */
const conservation: Check = ({ plan, limiter, live, engines }) => {
  const { inFlight, waiting, open, backends } = limiter.stats();
  const running = those(live, 'running');
  const queued = those(live, 'waiting').length;
  if (inFlight !== running.length) return `${running.length} requests run, and ${inFlight} are counted`;
  // Who moves to another backend runs, and may be waiting for it.
  const moving = running.filter(({ moves }) => moves > 0).length;
  if (waiting < queued || waiting > queued + moving) return `${queued} requests wait, and ${waiting} are counted`;
  // A limit whose slots are waited for has a reservation of its own.
  const most = queued + (plan.waitsForBackendsOnly ? 1 : 2) * running.length;
  if (open < queued + running.length || open > most)
    return `${queued + running.length} are open, and ${open} are counted`;
  const busy = Object.values(engines).reduce((sum, engine) => sum + engine.busy, 0);
  const used = backends.reduce((sum, backend) => sum + backend.used, 0);
  return busy > used ? `${busy} requests are at backends, and ${used} slots are taken` : undefined;
};

/** How long a request may wait for a better backend though another is free. */
const byChoiceMsMax = ({ pick, waitMs }: Plan): number => (pick === 'least-wait' ? Math.min(30_000, waitMs / 2) : 0);

/** No slot of a backend in good health is free that somebody who waits could have, and does not wait by choice (liveness). */
const liveness: Check = ({ plan, limiter, live, clock }) => {
  if (!plan.waitsForBackendsOnly) return undefined;
  const free = limiter.stats().backends.filter(({ used, slots, state }) => used < slots && state === 'healthy');
  for (const { arrival } of those(live, 'waiting')) {
    if (clock.now() - arrival.atMs < byChoiceMsMax(plan)) continue;
    const idle = free.find(({ name }) => {
      const { models } = plan.backends.find((one) => one.name === name)!;
      return models === undefined || models.includes(arrival.model!);
    });
    if (idle !== undefined) return `a request for ${arrival.model} waits, and ${idle.name} has a free slot`;
  }
  return undefined;
};

/** In no span of time more requests of one identity than the burst and the rate allow (I8). */
const windows: Check = ({ plan, journeys }) => {
  if (plan.requests === undefined) return undefined;
  const { burst, perMinute } = plan.requests;
  const byClient = new Map<string, Journey[]>();
  for (const journey of journeys) {
    if (journey.firstTokenAtMs === undefined) continue;
    const { client } = journey.arrival;
    byClient.set(client, [...(byClient.get(client) ?? []), journey]);
  }
  for (const [client, all] of byClient) {
    for (const [i, first] of all.entries()) {
      for (let j = i; j < all.length; j++) {
        // Instants of the limiter are whole milliseconds.
        const spanMs = Math.floor(all[j]!.arrival.atMs) - Math.floor(first.arrival.atMs);
        const most = burst + (perMinute * spanMs) / 60_000 + 1e-6;
        if (j - i + 1 > most) return `${client} had ${j - i + 1} requests in ${spanMs} ms, at most ${most} are allowed`;
      }
    }
  }
  return undefined;
};

/** Metered answers end where a budget does: it is never below zero. */
const budgets: Check = ({ limiter, journeys }) => {
  const last = journeys.at(-1);
  if (last === undefined) return undefined;
  const { client, model, weight, priority } = last.arrival;
  const identity = { id: client, weight: weight!, priority: priority! };
  for (const { name, measure, remaining, limit } of limiter.peekNow({ identity, model: model! })) {
    if (remaining < -1e-6) return `${name} (${measure}) of ${client} is at ${remaining}`;
    if (remaining > limit + 1e-6) return `${name} (${measure}) of ${client} has ${remaining} left of ${limit}`;
  }
  return undefined;
};

/** While two wait for the same slots, neither gets further ahead than the bound. */
const fairness: Check = ({ plan, gaps }) => {
  const { driftMost = Number.POSITIVE_INFINITY } = plan;
  return gaps.largest > driftMost ? `two clients drifted ${gaps.largest} apart, ${driftMost} is the bound` : undefined;
};

/** At the end nothing is held, by anybody: no slot, no reservation, no timer (I3). */
const leaks: Check = ({ limiter, live, clock, engines }) => {
  const { inFlight, waiting, open, backends } = limiter.stats();
  const used = backends.reduce((sum, backend) => sum + backend.used, 0);
  const busy = Object.values(engines).reduce((sum, engine) => sum + engine.busy, 0);
  const left = { inFlight, waiting, open, used, undecided: live.size, busy, timers: clock.timers };
  return Object.values(left).every((count) => count === 0) ? undefined : `left over: ${JSON.stringify(left)}`;
};

/** Nobody waits longer than requests wait. */
const deadlines: Check = ({ plan, journeys }) => {
  for (const { arrival, grantedAtMs, endedAtMs, moves } of journeys) {
    const decidedMs = (grantedAtMs ?? endedAtMs!) - arrival.atMs;
    if (moves === 0 && decidedMs > plan.waitMs + 1e-6)
      return `${arrival.client} was decided after ${decidedMs} ms, ${plan.waitMs} are allowed`;
  }
  return undefined;
};

export const always: Readonly<Record<string, Check>> = { capacity, conservation, liveness, budgets, fairness };
export const atTheEnd: Readonly<Record<string, Check>> = { leaks, windows, deadlines };
