/**
 * How far estimates are from what a tokenizer counts. A calibrated estimate comes out of a limiter, as anybody's does: it has
 * answered prompts of one half of a text, whose real size it was told, and is judged by what it sets aside for prompts of
 * the other half; then the other way round. One that is taken over comes out of a limiter that has answered nothing itself, but
 * shares a store with one that has.
 */
import { type CountTokens, createLimiter, estimateTokens, type Limiter, type Store } from '@headgate/core';
import type { Sample } from './samples.js';
import { sharedMemory } from './shared-memory.js';

export const methods = [
  'chars / 4',
  'chars / 4, calibrated',
  'estimate',
  'calibrated, mixed',
  'calibrated',
  'taken over',
] as const;
export type Method = (typeof methods)[number];

export interface Accuracy {
  readonly kind: string;
  readonly charsPerToken: number;
  /** Absolute errors as shares of the real count, one a prompt. */
  readonly errors: Readonly<Record<Method, readonly number[]>>;
}

const quarter: CountTokens = (text) => Math.ceil(text.length / 4);
/** How often a prompt comes: an identity that is at home has asked much the same many times. */
const passes = 8;

/** @param exact the tokenizer that stands for the backend */
export async function measureAccuracy(
  samples: readonly Sample[],
  exact: (text: string) => number,
): Promise<readonly Accuracy[]> {
  const found = samples.map((sample) => ({
    kind: sample.kind,
    charsPerToken: sample.text.length / exact(sample.text),
    errors: Object.fromEntries(methods.map((method) => [method, [] as number[]])) as Record<Method, number[]>,
  }));
  for (const [learned, judged] of [
    [0, 1],
    [1, 0],
  ] as const) {
    const heir = await successor(samples, learned, exact);
    const ways: readonly (readonly [Method, (text: string, kind: string) => number])[] = [
      ['chars / 4', quarter],
      ['estimate', estimateTokens],
      ['chars / 4, calibrated', estimateOf(taught(quarter, samples, learned, exact), byKind)],
      ['calibrated', estimateOf(taught(estimateTokens, samples, learned, exact), byKind)],
      ['calibrated, mixed', estimateOf(taught(estimateTokens, samples, learned, exact, everyone), everyone)],
      ['taken over', estimateOf(heir, byKind)],
    ];
    samples.forEach(({ kind, halves }, at) => {
      for (const prompt of halves[judged]) {
        const actual = exact(prompt);
        for (const [method, way] of ways) found[at]!.errors[method].push(Math.abs(way(prompt, kind) - actual) / actual);
      }
    });
    await heir.close();
  }
  return found;
}

/** Each kind of text is that of an identity of its own. */
const byKind = (kind: string): string => kind;
/** One identity sends everything. */
const everyone = (): string => 'everyone';

const model = 'm';
const policy = { tokens: '1000M/hour' };

function estimateOf(limiter: Limiter, identityOf: (kind: string) => string) {
  return (input: string, kind: string): number => {
    const decision = limiter.admitNow({ identity: identityOf(kind), model, input });
    if (!decision.admitted) throw new Error(decision.refusal.message);
    decision.permit.cancel();
    return decision.permit.reserved.inputTokens;
  };
}

function taught(
  countTokens: CountTokens,
  samples: readonly Sample[],
  half: 0 | 1,
  exact: (text: string) => number,
  identityOf: (kind: string) => string = byKind,
  store?: Store,
): Limiter {
  const limiter = createLimiter(policy, store === undefined ? { countTokens } : { countTokens, store });
  const prompts = samples.flatMap(({ kind, halves }) => halves[half].map((prompt) => ({ kind, prompt })));
  for (let pass = 0; pass < passes; pass++) {
    for (const { kind, prompt } of shuffled(prompts, pass)) {
      const decision = limiter.admitNow({ identity: identityOf(kind), model, input: prompt });
      if (!decision.admitted) throw new Error(decision.refusal.message);
      decision.permit.settle({ inputTokens: exact(prompt), outputTokens: 1 });
    }
  }
  return limiter;
}

/** A limiter that begins when one that was taught has been closed. */
async function successor(samples: readonly Sample[], half: 0 | 1, exact: (text: string) => number): Promise<Limiter> {
  const memory = sharedMemory();
  await taught(estimateTokens, samples, half, exact, byKind, memory()).close();
  const limiter = createLimiter(policy, { store: memory() });
  while (limiter.stats().lessons?.answered === 0) await Promise.resolve();
  return limiter;
}

/** In an order that mixes the kinds, and is the same every time. */
function shuffled<Item>(items: readonly Item[], seed: number): Item[] {
  const order = [...items];
  let state = seed + 1;
  for (let at = order.length - 1; at > 0; at--) {
    state = (state * 1_664_525 + 1_013_904_223) % 2 ** 32;
    const other = Math.floor((state / 2 ** 32) * (at + 1));
    [order[at], order[other]] = [order[other]!, order[at]!];
  }
  return order;
}

export const mean = (values: readonly number[]): number =>
  values.reduce((sum, value) => sum + value, 0) / values.length;

/** The error that nine of ten prompts stay below. */
export function ninthTenth(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[Math.ceil(0.9 * values.length) - 1]!;
}
