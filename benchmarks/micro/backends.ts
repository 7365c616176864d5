/**
 * What it costs to choose among many backends: a request's whole life, decided and settled, with one backend and with 64 that
 * are all free. By least-wait every backend is estimated: where it would start, what of the prompt was read there before, and
 * whether the model is in memory. By least-busy only its slots are counted.
 */
import { type Contestant, type Pace, runRounds } from '../lib/rounds.js';
import { ratios, type Spread, spread } from '../lib/statistics.js';
import { admitNowAndSettle } from './contestants/headgate.js';
import { hotKey } from './keys.js';
import { limiterOf, model, oneLimit, plenty } from './policies.js';

export const backendsMany = 64;
const picks = ['least-wait', 'least-busy'] as const;
const prompts = ['its size', '2,000 characters'] as const;

export interface Picking {
  readonly pick: (typeof picks)[number];
  readonly prompt: (typeof prompts)[number];
  readonly backends: number;
  readonly ns: Spread;
  /** Against the same with one backend, round by round. */
  readonly growth: Spread;
}

export interface PickingCase extends Pick<Picking, 'pick' | 'prompt' | 'backends'> {
  readonly contestant: Contestant;
}

/** One backend first. */
export function pickingCases(): PickingCase[] {
  return [1, backendsMany].flatMap((backends) =>
    picks.flatMap((pick) =>
      prompts.map((prompt) => ({ pick, prompt, backends, contestant: life(pick, prompt, backends) })),
    ),
  );
}

function life(pick: Picking['pick'], prompt: Picking['prompt'], count: number): Contestant {
  const backends = Array.from({ length: count }, (_, i) => ({
    name: `gpu${i}`,
    url: `http://gpu${i}:11434`,
    slots: 4,
  }));
  const limiter = limiterOf({ ...oneLimit(plenty), backends, pool: { pick } });
  const input = prompt === 'its size' ? { tokens: 500 } : 'what was said '.repeat(143).slice(0, 2_000);
  const ask = (identity: string) => ({ identity, model, input });
  const usage = { inputTokens: 500, outputTokens: 24 };
  return admitNowAndSettle(`${pick}, ${count}, ${prompt}`, limiter, ask, usage, hotKey());
}

export async function measurePicking(pace: Pace): Promise<Picking[]> {
  const cases = pickingCases();
  const timed = await runRounds(
    cases.map(({ contestant }) => contestant),
    pace,
  );
  return cases.map(({ pick, prompt, backends }, index) => {
    const base = cases.findIndex((one) => one.pick === pick && one.prompt === prompt);
    const { ns } = timed[index]!;
    return { pick, prompt, backends, ns: spread(ns), growth: ratios(ns, timed[base]!.ns) };
  });
}
