/** More models than a GPU holds at once: how often they are changed, and what that costs those who wait. */

import { figure, table } from '../../lib/table.js';
import { type Contestant, headgate } from '../doors/doors.js';
import { wholeAnswers } from '../measures/latency.js';
import { atMost, type Scenario, type Section } from '../report/section.js';
import type { Arrival } from '../world/arrival.js';
import { GpuEngine } from '../world/gpu.js';
import { play } from '../world/play.js';
import { Chance } from '../world/random.js';

const gpus = 4;
const slots = 4;
const loadMs = 8_000;
const answerMs = 6_000;
const tokenMs = 20;
const hoursMs = 2 * 3_600_000;
/** Drawn anew for each. */
const seeds = [1, 2, 3];

export interface ModelLoad {
  readonly models: number;
  /** Models in memory at once. */
  readonly places: number;
  /** How uneven: of models in order of demand the n-th has a share of 1 / n ^ skew. */
  readonly skew: number;
  /** Share of the slots that answers alone keep busy. */
  readonly load: number;
}

export interface ModelFigures {
  readonly swaps: number;
  readonly meanMs: number;
  readonly p95Ms: number;
  readonly served: number;
}

export const even: ModelLoad = { models: 4, places: 1, skew: 0, load: 0.5 };
export const uneven: ModelLoad = { ...even, skew: 1 };
const busier: ModelLoad = { ...even, load: 0.7 };
const crowded: ModelLoad = { ...even, models: 6 };
const roomy: ModelLoad = { ...even, models: 6, places: 2 };

const ours = headgate('least-wait');
export const leastBusy = headgate('least-busy', { pool: { pick: 'least-busy' } });
const contestants = [headgate('round-robin', { pool: { pick: 'round-robin' } }), leastBusy, ours];

function arrivalsOf({ models, skew, load }: ModelLoad, chance: Chance, untilMs: number): Arrival[] {
  const shares = Array.from({ length: models }, (_, i) => (i + 1) ** -skew);
  const all = shares.reduce((sum, share) => sum + share, 0);
  const pick = (): number => {
    let left = chance.next() * all;
    return shares.findIndex((share) => {
      left -= share;
      return left < 0;
    });
  };
  const betweenMs = answerMs / (load * gpus * slots);
  const arrivals: Arrival[] = [];
  for (let atMs = chance.wait(betweenMs); atMs < untilMs; atMs += chance.wait(betweenMs)) {
    const outputTokens = 1 + Math.round(chance.wait(answerMs) / tokenMs);
    arrivals.push({ atMs, client: 'all', model: `m${pick()}`, inputTokens: 100, outputTokens });
  }
  return arrivals;
}

/** @param untilMs how long it is played; what has not ended then is not served */
export async function measureModels(
  { open, name }: Contestant,
  load: ModelLoad,
  seed: number,
  untilMs = hoursMs,
): Promise<ModelFigures> {
  const engines: GpuEngine[] = [];
  const options = { slots, places: load.places, loadMs, tokenMs, promptTokenMs: 0.1, cacheBlocks: 0, blockTokens: 1 };
  const journeys = await play(
    { name, open },
    {
      arrivals: arrivalsOf(load, new Chance(seed), untilMs - 120_000),
      backends: Array.from({ length: gpus }, (_, i) => ({ name: `gpu${i}`, slots })),
      engine: (clock) => {
        const engine = new GpuEngine(clock, options);
        engines.push(engine);
        return engine;
      },
      untilMs,
    },
  );
  const loads = engines.reduce((sum, { counts }) => sum + counts.loads, 0);
  const waits = wholeAnswers(journeys);
  return { ...waits, swaps: loads / (waits.served * waits.requests) };
}

async function meanOf(contestant: Contestant, load: ModelLoad): Promise<ModelFigures> {
  const all: ModelFigures[] = [];
  for (const seed of seeds) all.push(await measureModels(contestant, load, seed));
  const mean = (of: (figures: ModelFigures) => number): number =>
    all.reduce((sum, one) => sum + of(one), 0) / all.length;
  return {
    swaps: mean(({ swaps }) => swaps),
    meanMs: mean(({ meanMs }) => meanMs),
    p95Ms: mean(({ p95Ms }) => p95Ms),
    served: mean(({ served }) => served),
  };
}

export const modelsScenario: Scenario = {
  name: 'models',
  async run(): Promise<Section> {
    const loads: [string, ModelLoad][] = [
      ['four models, asked for alike', even],
      ['four, unevenly (1 : 1/2 : 1/3 : 1/4)', uneven],
      ['four, 70 % busy', busier],
      ['six models', crowded],
      ['six, two in memory at once', roomy],
    ];
    const rows: string[][] = [];
    const found = new Map<ModelLoad, ModelFigures>();
    for (const [what, load] of loads) {
      for (const contestant of contestants) {
        const figures = await meanOf(contestant, load);
        if (contestant === ours) found.set(load, figures);
        const { swaps, meanMs, p95Ms, served } = figures;
        const seconds = (ms: number): string => figure(ms / 1_000);
        rows.push([what, contestant.name, figure(swaps), seconds(meanMs), seconds(p95Ms), `${figure(100 * served)} %`]);
      }
    }
    return {
      title: 'More models than fit',
      text: `Four GPUs of four slots hold one model each unless said; a load takes 8 s, an answer 6 s on average, and answers alone keep half of the slots busy unless said. Two hours, mean of ${seeds.length} drawn workloads. A server
takes requests in order: one for a model that is not there waits until one that nobody uses can go, and all behind it wait too. Latency is from sent to the last token, of those that were served within the two hours; where not all were, it grows for as long as it goes on.

${table(['', 'pick', 'swaps a request served', 'latency, mean, s', 'p95, s', 'served'], rows)}`,
      aims: [
        atMost('four models on four GPUs: swaps a request', found.get(even)!.swaps, 0.05),
        atMost('four models on four GPUs: mean latency', found.get(even)!.meanMs / 1_000, 10, ' s'),
        atMost('the same, unevenly asked for: swaps a request', found.get(uneven)!.swaps, 0.05),
        atMost('the same, unevenly asked for: mean latency', found.get(uneven)!.meanMs / 1_000, 10, ' s'),
      ],
    };
  },
};
