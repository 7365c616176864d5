/** The published overload: two clients that ask for far more than there is, one of them twice as much as the other. */

import { figure, table } from '../../lib/table.js';
import { type Contestant, comparisons, ours, oursFirstCome } from '../doors/doors.js';
import { PairGaps } from '../measures/gaps.js';
import { accumulatedDifferences, publishedInstantsMs, publishedWarmUpMs } from '../measures/service.js';
import { atMost, type Scenario, type Section } from '../report/section.js';
import { steady } from '../workloads/steady.js';
import type { Arrival, Journey } from '../world/arrival.js';
import { play } from '../world/play.js';

/** When the first requests come, in intervals: the first pair are those that the published code draws. */
const offsets = [
  [1.3745, 1.9507],
  [1, 1],
  [1.1, 1.9],
  [1.33, 1.66],
  [1.5, 1.5],
  [1.7, 1.2],
  [1.9, 1.3],
  [1.95, 1.05],
] as const;
const untilMs = 360_000;
const tokens = { inputTokens: 256, outputTokens: 256 };
/** 2 x (prompt + 2 x slots x answer) / smallest weight. */
const bound = 2 * (256 + 2 * 20 * 256);

function overload([one, two]: readonly [number, number]): Arrival[] {
  return steady([
    { client: 'one', rate: 1.5, offset: one, untilMs, ...tokens },
    { client: 'two', rate: 3, offset: two, untilMs, ...tokens },
  ]);
}

interface Figures {
  readonly name: string;
  /** Difference of service since second 30, at second 571: one for each pair of offsets. */
  readonly differences: readonly number[];
  readonly largest: number;
  readonly gap: number;
  readonly tokensPerSecond: number;
}

export async function measureOverload(
  contestant: Contestant,
  starts: readonly (readonly [number, number])[] = offsets,
) {
  const differences: number[] = [];
  let [largest, gap, tokensPerSecond] = [0, 0, 0];
  for (const start of starts) {
    const gaps = new PairGaps();
    const journeys = await play(contestant, {
      arrivals: overload(start),
      onToken: gaps.onToken,
      onChange: gaps.onChange,
    });
    const over = accumulatedDifferences(journeys, publishedWarmUpMs, publishedInstantsMs);
    differences.push(over.at(-1)!);
    largest = Math.max(largest, ...over);
    gap = Math.max(gap, gaps.largest);
    if (start === starts[0]) tokensPerSecond = throughput(journeys, 570_000);
  }
  return { name: contestant.name, differences, largest, gap, tokensPerSecond };
}

/** Tokens of requests that had ended by then, a second. */
function throughput(journeys: readonly Journey[], atMs: number): number {
  const ended = journeys.filter(({ endedAtMs = Number.POSITIVE_INFINITY }) => endedAtMs <= atMs);
  return ended.reduce((sum, { arrival }) => sum + arrival.inputTokens + arrival.outputTokens, 0) / (atMs / 1_000);
}

export const overloadScenario: Scenario = {
  name: 'overload',
  async run(): Promise<Section> {
    const { firstCome, roundRobin, plainCounters } = comparisons;
    const all: Figures[] = [];
    for (const contestant of [firstCome, oursFirstCome, roundRobin, plainCounters, ours]) {
      all.push(await measureOverload(contestant));
    }
    const [first, , , , headgate] = all as [Figures, Figures, Figures, Figures, Figures];
    return {
      title: 'Two clients in overload',
      text: `Client one sends 1.5 requests a second and client two 3, for six minutes, each with 256 tokens in and 256 out; the server makes 1.7. Difference: what
the one was served more than the other since second 30, as the published evaluation has it, at second 571 (median and range of ${offsets.length} phases of arrival), and the largest
on the way. Gap: how far the two drift apart while both wait, from the first second on; the bound is ${figure(bound)}.

${table(
  ['', 'difference at 571 s', 'largest', 'gap', 'tokens/s'],
  all.map(({ name, differences, largest, gap, tokensPerSecond }) => [
    name,
    range(differences),
    figure(largest),
    figure(gap),
    figure(tokensPerSecond),
  ]),
)}

Turns by request are as good here, because all requests are of one size.`,
      aims: [
        atMost('overload: accumulated difference of service at 571 s', Math.max(...headgate.differences), 900),
        atMost('overload: gap while both wait', headgate.gap, bound),
        {
          aim: 'overload: throughput within 1 % of first come, first served',
          measured: `${figure((headgate.tokensPerSecond / first.tokensPerSecond - 1) * 100)} %`,
          holds: Math.abs(headgate.tokensPerSecond / first.tokensPerSecond - 1) <= 0.01,
        },
      ],
    };
  },
};

function range(values: readonly number[]): string {
  const sorted = [...values].sort((a, b) => a - b);
  return `${figure(sorted[sorted.length >> 1]!)} (${figure(sorted[0]!)} to ${figure(sorted.at(-1)!)})`;
}
