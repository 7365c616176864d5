/** A quiet client beside one that sends forty times as much. */

import { figure, table } from '../../lib/table.js';
import { type Contestant, comparisons, headgate, ours, oursFirstCome } from '../doors/doors.js';
import { firstTokens, type Waits } from '../measures/latency.js';
import { mean } from '../measures/service.js';
import { atMost, type Scenario, type Section } from '../report/section.js';
import { steady } from '../workloads/steady.js';
import { play } from '../world/play.js';

const untilMs = 600_000;

export async function measureIsolation(contestant: Contestant, offset = 1): Promise<{ quiet: Waits; loud: Waits }> {
  const tokens = { inputTokens: 256, outputTokens: 256, untilMs };
  const arrivals = steady([
    { client: 'quiet', rate: 0.25, offset, ...tokens },
    { client: 'loud', rate: 10, ...tokens },
  ]);
  const journeys = await play(contestant, { arrivals, untilMs });
  const of = (client: string): Waits => firstTokens(journeys.filter(({ arrival }) => arrival.client === client));
  return { quiet: of('quiet'), loud: of('loud') };
}

const phases = [1, 1.3, 1.6, 1.9];

export const isolationScenario: Scenario = {
  name: 'isolation',
  async run(): Promise<Section> {
    const { roundRobin, plainCounters } = comparisons;
    const means = new Map<Contestant, number>();
    const rows = async (contestants: readonly Contestant[]): Promise<string[][]> => {
      const found: string[][] = [];
      for (const contestant of contestants) {
        const all: { quiet: Waits; loud: Waits }[] = [];
        for (const phase of phases) all.push(await measureIsolation(contestant, phase));
        const average = (of: (one: (typeof all)[number]) => number): number => mean(all.map(of));
        means.set(contestant, average(({ quiet }) => quiet.meanMs) / 1_000);
        found.push([
          contestant.name,
          figure(means.get(contestant)!),
          figure(average(({ quiet }) => quiet.p95Ms) / 1_000),
          `${figure(100 * average(({ quiet }) => quiet.served))} %`,
          `${figure(100 * average(({ loud }) => loud.served))} %`,
        ]);
      }
      return found;
    };
    const head = ['', 'first token, mean, s', 'p95, s', 'quiet served', 'loud served'];
    const usual = { depth: 200, wait: '30s' };
    const boundlessRows = await rows([oursFirstCome, roundRobin, plainCounters, ours]);
    const usualRows = await rows([
      headgate('Headgate, `fairness: none`', { queue: { ...usual, fairness: 'none' } }),
      headgate('Headgate', { queue: usual }),
    ]);
    return {
      title: 'A quiet client and a loud one',
      text: `The quiet client sends a request every four seconds, the loud one ten a second, for ten minutes; 256 tokens in and 256 out; the server makes 1.7 requests a second. First
tokens of the quiet client within the ten minutes, mean of four phases of arrival. A room without bounds:

${table(head, boundlessRows)}

And the room as it is unless said, two hundred places and thirty seconds. When it is full, the newest request of whoever holds most gives up its place:

${table(head, usualRows)}`,
      aims: [atMost('isolation: mean first token of the quiet client', means.get(ours)!, 4.5, ' s')],
    };
  },
};
