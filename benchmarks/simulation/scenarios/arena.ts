/** The published trace of 27 clients, measured as its authors measure it. */

import { figure, table } from '../../lib/table.js';
import { type Contestant, comparisons, ours } from '../doors/doors.js';
import { firstTokens } from '../measures/latency.js';
import { mean, publishedInstantsMs, serviceDifferences, variance } from '../measures/service.js';
import { atMost, type Scenario, type Section } from '../report/section.js';
import { readTrace } from '../workloads/traces.js';
import { play } from '../world/play.js';

export interface ArenaFigures {
  readonly largest: number;
  readonly average: number;
  readonly variance: number;
  readonly firstTokenMs: number;
}

/** Every second client is late by this much more in each variation: enough to draw other lots, too little to change the load. */
const lateMs = 137;

export async function measureArena(contestant: Contestant, variation = 0): Promise<ArenaFigures> {
  const arrivals = readTrace('arena-27clients')
    .map((arrival) => ({ ...arrival, atMs: arrival.atMs + variation * lateMs * (Number(arrival.client.slice(1)) % 2) }))
    .sort((a, b) => a.atMs - b.atMs);
  const journeys = await play(contestant, { arrivals });
  const differences = serviceDifferences(journeys, publishedInstantsMs);
  return {
    largest: Math.max(...differences),
    average: mean(differences),
    variance: variance(differences),
    firstTokenMs: firstTokens(journeys).meanMs,
  };
}

const variations = 8;

export const arenaScenario: Scenario = {
  name: 'arena',
  async run(): Promise<Section> {
    const { firstCome, roundRobin, plainCounters } = comparisons;
    const rows: string[][] = [];
    let published: ArenaFigures | undefined;
    for (const contestant of [firstCome, roundRobin, plainCounters, ours]) {
      const all: ArenaFigures[] = [];
      for (let variation = 0; variation < variations; variation++) all.push(await measureArena(contestant, variation));
      published = all[0]!;
      const { largest, average, variance: spread, firstTokenMs } = published;
      rows.push([
        contestant.name,
        ...[largest, average, spread, mean(all.map((one) => one.average)), mean(all.map((one) => one.variance))].map(
          figure,
        ),
        figure(firstTokenMs / 1_000),
      ]);
    }
    return {
      title: 'Twenty-seven clients of a real service',
      text: `The trace on which the token counter was published. Service difference: in a window of a minute, how far each client stays behind the one served most, or behind
what it asked for, whichever is less, summed over the clients, per second; nineteen windows. The first three figures are of the trace as it is. Its windows are few, and what is drawn by
lot matters: the next two are means over ${variations} variations in which every second client is ${lateMs} ms later each time.

${table(['', 'largest', 'average', 'variance', 'average of 8', 'variance of 8', 'first token, s'], rows)}

The authors measured 434 and 32,112 (average and variance) for first come, first served, 252 and 6,549 for their counter, and 240 and 5,322 with predicted lengths, on their hardware.`,
      aims: [
        atMost('27 clients: average difference', published!.average, 197),
        atMost('27 clients: variance', published!.variance, 2_124),
      ],
    };
  },
};
