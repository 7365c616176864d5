/** Half an hour of real conversations: what it is worth that a turn goes where the turns before it were read. */

import { figure, table } from '../../lib/table.js';
import { type Contestant, headgate } from '../doors/doors.js';
import { firstTokens } from '../measures/latency.js';
import type { Aim, Scenario, Section } from '../report/section.js';
import { readConversations } from '../workloads/traces.js';
import { GpuEngine } from '../world/gpu.js';
import { play } from '../world/play.js';
import { Chance } from '../world/random.js';

const gpus = 8;
const slots = 8;
/** Eight thousand prompt tokens a second, forty-five tokens of an answer: at double rate a server is about nine tenths busy. */
const speed = { promptTokenMs: 1 / 8, tokenMs: 22, loadMs: 1, places: 1, cacheBlocks: 3_000, blockTokens: 512 };
const traceMs = 1_800_000;
/** What comes before fills the caches and is not counted. */
const warmMs = 300_000;
const seeds = [1, 2, 3];

export interface ConversationFigures {
  readonly hitRatio: number;
  readonly meanMs: number;
  readonly p95Ms: number;
}

export const leastBusy = headgate('least-busy', { pool: { pick: 'least-busy' } });
export const leastWait = headgate('least-wait');
const contestants = [headgate('round-robin', { pool: { pick: 'round-robin' } }), leastBusy, leastWait];

/** @param rate times as fast as it was */
export async function measureConversations(
  contestant: Contestant,
  rate: number,
  seed: number,
  fromMs = warmMs,
): Promise<ConversationFigures> {
  const engines: GpuEngine[] = [];
  const journeys = await play(contestant, {
    arrivals: readConversations(new Chance(seed), rate),
    backends: Array.from({ length: gpus }, (_, i) => ({ name: `gpu${i}`, slots })),
    engine: (clock) => {
      const engine = new GpuEngine(clock, { ...speed, slots });
      engines.push(engine);
      clock.after(fromMs / rate, () => {
        engine.counts = { loads: 0, blocks: 0, hits: 0 };
      });
      return engine;
    },
    untilMs: traceMs / rate + 120_000,
  });
  const sum = (of: (engine: GpuEngine) => number): number => engines.reduce((total, engine) => total + of(engine), 0);
  return {
    hitRatio: sum(({ counts }) => counts.hits) / sum(({ counts }) => counts.blocks),
    ...firstTokens(journeys.filter(({ arrival }) => arrival.atMs >= fromMs / rate)),
  };
}

async function meanOf(contestant: Contestant, rate: number, fromMs: number): Promise<ConversationFigures> {
  const all: ConversationFigures[] = [];
  for (const seed of seeds) all.push(await measureConversations(contestant, rate, seed, fromMs));
  const mean = (of: (figures: ConversationFigures) => number): number =>
    all.reduce((sum, one) => sum + of(one), 0) / all.length;
  return {
    hitRatio: mean(({ hitRatio }) => hitRatio),
    meanMs: mean(({ meanMs }) => meanMs),
    p95Ms: mean(({ p95Ms }) => p95Ms),
  };
}

const sooner = (ours: ConversationFigures, other: ConversationFigures): number =>
  100 * (1 - ours.meanMs / other.meanMs);

function atLeast(aim: string, measured: number, limit: number, unit: string): Aim {
  return {
    aim: `${aim}: at least ${figure(limit)}${unit}`,
    measured: `${figure(measured)}${unit}`,
    holds: measured >= limit,
  };
}

export const conversationsScenario: Scenario = {
  name: 'conversations',
  async run(): Promise<Section> {
    const cases: [string, rate: number, fromMs: number][] = [
      ['as it was', 1, warmMs],
      ['twice as fast', 2, warmMs],
      ['as it was, from its first minute', 1, 0],
    ];
    const rows: string[][] = [];
    const found: { ours: ConversationFigures; busy: ConversationFigures }[] = [];
    for (const [what, rate, fromMs] of cases) {
      const all: ConversationFigures[] = [];
      for (const contestant of contestants) all.push(await meanOf(contestant, rate, fromMs));
      const [, busy, ours] = all as [ConversationFigures, ConversationFigures, ConversationFigures];
      found.push({ ours, busy });
      for (const [i, figures] of all.entries()) {
        const { hitRatio, meanMs, p95Ms } = figures;
        const times = [meanMs, p95Ms].map((ms) => figure(ms / 1_000));
        rows.push([what, contestants[i]!.name, figure(hitRatio), ...times, `${figure(sooner(figures, busy))} %`]);
      }
    }
    const [once, twice] = found as [(typeof found)[0], (typeof found)[0]];
    return {
      title: 'Conversations',
      text: `A trace of the Kimi chat service on ${gpus} servers of ${slots} slots, which read 8,000 prompt tokens a second and write 45 tokens a second for each request; each caches 3,000 blocks of 512 tokens. The first five minutes, in which caches fill, are
not counted unless said: with endless caches 37 % of the blocks after them were there before, and 34 % of all. Mean of ${seeds.length} ways to spread the trace's batches over time. Sooner: the mean first token beside that of least-busy.

${table(['', 'pick', 'blocks cached', 'first token, mean, s', 'p95, s', 'sooner'], rows)}`,
      aims: [
        atLeast('conversations: first token sooner than least-busy', sooner(once.ours, once.busy), 24, ' %'),
        atLeast('conversations: blocks cached', once.ours.hitRatio, 0.29, ''),
        atLeast('conversations at double rate: sooner', sooner(twice.ours, twice.busy), 25, ' %'),
      ],
    };
  },
};
