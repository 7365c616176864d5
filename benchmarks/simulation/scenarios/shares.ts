/** Shares by weight, and clients whose requests differ in size. */

import { figure, table } from '../../lib/table.js';
import { type Contestant, comparisons, ours } from '../doors/doors.js';
import { PairGaps } from '../measures/gaps.js';
import { accumulatedDifferences, servedUntil } from '../measures/service.js';
import { atMost, type Scenario, type Section } from '../report/section.js';
import { steady } from '../workloads/steady.js';
import type { Arrival } from '../world/arrival.js';
import { play } from '../world/play.js';

const untilMs = 600_000;
const atMs = 570_000;
const weights = [1, 2, 3, 4];

function weighted(): Arrival[] {
  return steady(
    weights.map((weight, i) => {
      const rate = [0.8, 0.8, 1.2, 1.6][i]!;
      return { client: `weight ${weight}`, rate, weight, inputTokens: 256, outputTokens: 256, untilMs };
    }),
  );
}

/** Served for each unit of weight, against the one with weight 1. */
export async function measureWeights(contestant: Contestant): Promise<number[]> {
  const journeys = await play(contestant, { arrivals: weighted() });
  const served = weights.map((weight) =>
    servedUntil(
      journeys.filter(({ arrival }) => arrival.weight === weight),
      atMs,
    ),
  );
  return served.map((service) => service / served[0]!);
}

export const sizes = [
  { name: '64 in and 64 out against 256 and 256', small: [64, 64], large: [256, 256] },
  { name: '512 in and 32 out against 32 and 512', small: [512, 32], large: [32, 512] },
] as const;

export async function measureSizes(contestant: Contestant, { small, large }: (typeof sizes)[number]) {
  const gaps = new PairGaps();
  const arrivals = steady([
    { client: 'small', rate: 8, inputTokens: small[0], outputTokens: small[1], untilMs },
    { client: 'large', rate: 1.5, inputTokens: large[0], outputTokens: large[1], untilMs },
  ]);
  const { onToken, onChange } = gaps;
  const journeys = await play(contestant, { arrivals, onToken, onChange });
  return { difference: accumulatedDifferences(journeys, 0, [atMs])[0]!, gap: gaps.largest };
}

export const sharesScenario: Scenario = {
  name: 'shares',
  async run(): Promise<Section> {
    const { firstCome, roundRobin, plainCounters } = comparisons;
    const contestants = [firstCome, roundRobin, plainCounters, ours];
    const rows: string[][] = [];
    let shares: number[] = [];
    let gap = 0;
    for (const contestant of contestants) {
      shares = await measureWeights(contestant);
      const [one, two] = [await measureSizes(contestant, sizes[0]), await measureSizes(contestant, sizes[1])];
      gap = Math.max(one.gap, two.gap);
      const figures = [one.difference, one.gap, two.difference, two.gap].map(figure);
      rows.push([contestant.name, shares.map((share) => share.toFixed(3)).join(' : '), ...figures]);
    }
    const bound = 2 * (512 + 2 * 20 * 512);
    const furthest = Math.max(...shares.map((share, i) => Math.abs(share / weights[i]! - 1)));
    return {
      title: 'Weights, and requests of different size',
      text: `Four clients with weights 1 to 4 send 0.8, 0.8, 1.2 and 1.6 requests a second; what they were served at second 570. And two clients in overload whose requests differ in
size: ${sizes.map(({ name }) => name).join('; ')}. Difference of service at second 570, and the gap while both wait; the bound of the last is ${figure(bound)}.

${table(['', 'weights 1 : 2 : 3 : 4', 'difference', 'gap', 'difference', 'gap'], rows)}`,
      aims: [
        atMost('weights 1:2:3:4, furthest from its share', furthest * 100, 2, ' %'),
        atMost('different sizes: gap while both wait', gap, bound),
      ],
    };
  },
};
