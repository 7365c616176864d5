/** An hour of a real service in which one tenant begins to send at minute 30, and what the others notice of it. */

import { figure, table } from '../../lib/table.js';
import { type Contestant, ours, oursFirstCome } from '../doors/doors.js';
import { firstTokens } from '../measures/latency.js';
import type { Scenario, Section } from '../report/section.js';
import { readTrace } from '../workloads/traces.js';
import type { Journey } from '../world/arrival.js';
import { BatchEngine } from '../world/engine.js';
import { play } from '../world/play.js';

const bursting = 'c013';
const burstMs = 1_800_000;
const hourMs = 3_600_000;
const servers = 40;
const slots = 32;
/** Every so many-th request of each client is played, on so many times fewer servers. */
const part = 4;

export interface BurstFigures {
  readonly before: number;
  readonly during: number;
  readonly served: number;
  readonly bursting: number;
}

export async function measureBurst(contestant: Contestant): Promise<BurstFigures> {
  const seen = new Map<string, number>();
  const arrivals = readTrace('servegen-deepseek-r1-60min').filter(({ client }) => {
    const number = seen.get(client) ?? 0;
    seen.set(client, number + 1);
    return number % part === 0;
  });
  const backends = Array.from({ length: servers / part }, (_, i) => ({ name: `gpu${i}`, slots }));
  const journeys = await play(contestant, {
    arrivals,
    backends,
    engine: (clock) => new BatchEngine(clock),
    untilMs: hourMs,
  });
  const others = journeys.filter(({ arrival }) => arrival.client !== bursting);
  const between = (fromMs: number, toMs: number) => (journey: Journey) => {
    return journey.arrival.atMs >= fromMs && journey.arrival.atMs < toMs;
  };
  const during = firstTokens(others.filter(between(burstMs, hourMs)));
  return {
    before: firstTokens(others.filter(between(600_000, burstMs))).p95Ms / 1_000,
    during: during.p95Ms / 1_000,
    served: during.served,
    bursting:
      firstTokens(journeys.filter(({ arrival }) => arrival.client === bursting).filter(between(burstMs, hourMs)))
        .p95Ms / 1_000,
  };
}

export const burstScenario: Scenario = {
  name: 'burst',
  async run(): Promise<Section> {
    const [first, found] = [await measureBurst(oursFirstCome), await measureBurst(ours)];
    const row = ({ name }: Contestant, { before, during, served, bursting: itself }: BurstFigures): string[] => {
      return [name, figure(before), figure(during), `${figure(100 * served)} %`, figure(itself)];
    };
    const rows = [row(oursFirstCome, first), row(ours, found)];
    return {
      title: 'A tenant that bursts',
      text: `An hour of DeepSeek-R1 with 32 tenants, on ${servers} servers of ${slots} slots (every fourth request of each, on ${servers / part} servers). Up to minute 30 they are about two thirds busy; then tenant \`${bursting}\`, which was almost silent, begins to send as
much as all others together. p95 of the first token of all the other tenants, from minute 10 and from minute 30 on; a room without bounds.

${table(['', 'before, s', 'during, s', 'served by the hour', `\`${bursting}\` itself, s`], rows)}`,
      aims: [
        {
          aim: 'burst: p95 first token of all other tenants, under a tenth of first come, first served',
          measured: `${figure(found.during)} s, against ${figure(first.during)} s`,
          holds: found.during < first.during / 10,
        },
      ],
    };
  },
};
