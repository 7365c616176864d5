/** The rows about decisions: who takes part in a scenario, with counters that say what they should. */
import { type Cost, type Limiter, MemoryStore, parsePolicy, systemClock } from '@headgate/core';
import type { Contestant } from '../lib/rounds.js';
import { hitStore, increment } from './contestants/express-rate-limit.js';
import { floor, floorAwaited, MapBuckets } from './contestants/floor.js';
import { type AskAs, admitAndSettle, admitNow, admitNowAndSettle, reserve } from './contestants/headgate.js';
import {
  consume,
  consumeAndCorrect,
  consumeInSequence,
  memoryLimiter,
  threeLimiters,
  union,
} from './contestants/rate-limiter-flexible.js';
import type { Keys } from './keys.js';
import {
  chatRequest,
  inputTokens,
  limiterOf,
  oneLimit,
  outputTokens,
  outputTokensUsed,
  plainRequest,
  plenty,
  sixLimits,
  subjectOf,
} from './policies.js';

const ratePerMs = 1 / 86_400_000;

export const decisionScenarios = ['one-hot', 'one-many', 'six-hot', 'six-many'] as const;
export type DecisionScenario = (typeof decisionScenarios)[number];

export const rowNames = {
  floor: 'floor: bucket in a Map',
  store: 'headgate, store.reserve',
  storeRefused: 'headgate, store.reserve, refused',
  admission: 'headgate, admitNow',
  refusal: 'headgate, admitNow, refused',
  life: 'headgate, admitNow and settle',
  peer: 'rate-limiter-flexible',
  peerOfThree: 'rate-limiter-flexible, 3 in sequence',
  peerOfThreeCorrected: 'rate-limiter-flexible, 3 in sequence, 2 corrected',
} as const;

/** A row of a scenario by its name, and how it is made ready. */
export type Rows = Readonly<Record<string, (name: string) => Contestant>>;

/** The floor's admission, against which every row is timed. */
export function floorOf(keys: Keys): Contestant {
  return floor(rowNames.floor, new MapBuckets(plenty, ratePerMs), keys, true);
}

export function decisionRows(scenario: DecisionScenario, keys: Keys): Rows {
  return scenario.startsWith('one') ? oneLimitRows(keys) : sixLimitRows(keys);
}

function oneLimitRows(keys: Keys): Rows {
  return {
    [rowNames.floor]: () => floorOf(keys),
    [`${rowNames.floor}, refused`]: (name) => floor(name, spentBuckets(keys), keys, false),
    [`${rowNames.floor}, awaited`]: (name) => floorAwaited(name, new MapBuckets(plenty, ratePerMs), keys, true),
    ...headgateRows({ policy: oneLimit, ask: plainRequest, cost: units(0, 0), keys }),
    [rowNames.peer]: (name) => consume(name, memoryLimiter(plenty), keys, true),
    [`${rowNames.peer}, refused`]: (name) => consume(name, memoryLimiter(0), keys, false),
    'express-rate-limit store': (name) => increment(name, [hitStore()], plenty, keys, true),
    'express-rate-limit store, refused': (name) => increment(name, [hitStore()], 0, keys, false),
  };
}

function sixLimitRows(keys: Keys): Rows {
  const peerOfThree = rowNames.peerOfThree;
  const unionOfThree = 'rate-limiter-flexible, union of 3';
  const threeStores = () => [hitStore(), hitStore(), hitStore()];
  return {
    [rowNames.floor]: () => floorOf(keys),
    ...headgateRows({
      policy: (requests) => sixLimits({ requests }),
      ask: chatRequest,
      cost: units(inputTokens, outputTokens),
      keys,
    }),
    [peerOfThree]: (name) => consumeInSequence(name, threeLimiters(plenty), keys, true),
    [`${peerOfThree}, refused`]: (name) => consumeInSequence(name, threeLimiters(0), keys, false),
    [rowNames.peerOfThreeCorrected]: (name) => consumeAndCorrect(name, threeLimiters(plenty), keys),
    [unionOfThree]: (name) => consume(name, union(threeLimiters(plenty)), keys, true),
    [`${unionOfThree}, refused`]: (name) => consume(name, union(threeLimiters(0)), keys, false),
    'express-rate-limit store, 3 in sequence': (name) => increment(name, threeStores(), plenty, keys, true),
  };
}

interface HeadgateRows {
  /** @param requests how many requests of one identity are admitted */
  readonly policy: (requests: number) => object;
  readonly ask: AskAs;
  readonly cost: Cost;
  readonly keys: Keys;
}

function headgateRows({ policy, ask, cost, keys }: HeadgateRows): Rows {
  const usage = { inputTokens: cost.inputTokens, outputTokens: Math.min(outputTokensUsed, cost.outputTokens) };
  return {
    [rowNames.store]: (name) => reserve(name, storeOf(policy(plenty), cost), keys, true),
    [rowNames.storeRefused]: (name) => reserve(name, spentStore(policy(1), cost, keys), keys, false),
    [rowNames.admission]: (name) => admitNow(name, limiterOf(policy(plenty)), ask, keys, true),
    [rowNames.refusal]: (name) => admitNow(name, spentLimiter(policy(1), ask, keys), ask, keys, false),
    [rowNames.life]: (name) => admitNowAndSettle(name, limiterOf(policy(plenty)), ask, usage, keys),
    'headgate, await admit and settle': (name) => admitAndSettle(name, limiterOf(policy(plenty)), ask, usage, keys),
  };
}

function spentBuckets({ names }: Keys): MapBuckets {
  const buckets = new MapBuckets(1, ratePerMs);
  for (const name of names) buckets.take(name);
  return buckets;
}

function spentLimiter(policy: object, ask: AskAs, { names }: Keys): Limiter {
  const limiter = limiterOf(policy);
  for (const name of names) limiter.admitNow(ask(name));
  return limiter;
}

function storeOf(written: object, cost: Cost) {
  const policy = parsePolicy(written);
  const limits = [...policy.tiers.default!.limits, ...policy.limits];
  const store = new MemoryStore(systemClock());
  store.configure(limits, policy);
  return { store, set: store.prepare(limits), cost };
}

function spentStore(written: object, cost: Cost, { names }: Keys) {
  const spent = storeOf(written, cost);
  for (const name of names) spent.store.reserve(spent.set, subjectOf(name), cost);
  return spent;
}

function units(input: number, output: number): Cost {
  return { requests: 1, inputTokens: input, outputTokens: output, cost: 0, gpuSeconds: 0, failures: 0, toolCalls: 0 };
}
