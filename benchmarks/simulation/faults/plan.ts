/** A small system drawn by lot: its policy, its clients, and what goes wrong with it. All of it follows from the seed. */
import type { Priority } from '@headgate/core';
import type { Arrival } from '../world/arrival.js';
import { Chance } from '../world/random.js';
import type { Pace } from './engine.js';

export interface BackendPlan extends Pace {
  readonly name: string;
  readonly slots: number;
  /** Undefined serves all. */
  readonly models: readonly string[] | undefined;
}

export interface Fault {
  readonly atMs: number;
  readonly backend: string;
  readonly what: 'crash' | 'hang' | 'heal';
}

export interface Plan {
  readonly seed: number;
  readonly policy: object;
  /** Longest wait, for turn and slot together. */
  readonly waitMs: number;
  readonly backends: readonly BackendPlan[];
  readonly arrivals: readonly Arrival[];
  readonly faults: readonly Fault[];
  /** Steps of the calendar's clock. */
  readonly clockSteps: readonly { readonly atMs: number; readonly byMs: number }[];
  /** Most requests of one identity at once and then per minute; undefined when there is no such limit. */
  readonly requests: { readonly burst: number; readonly perMinute: number } | undefined;
  /** How a backend is picked; `least-wait` may keep a request for a better one though another is free. */
  readonly pick: string;
  /** Whether slots of backends are all that a request may wait for. */
  readonly waitsForBackendsOnly: boolean;
  /** How far two clients may drift apart while both wait; undefined where not all share the same slots by tokens. */
  readonly driftMost: number | undefined;
}

const models = ['m0', 'm1', 'm2'];
const lastMs = 180_000;

export function draw(seed: number): Plan {
  const chance = new Chance(seed);
  const backends = Array.from({ length: chance.whole(1, 4) }, (_, i) => drawBackend(chance, i));
  const requests = chance.happens(0.3) ? { burst: chance.whole(2, 8), perMinute: chance.whole(10, 60) } : undefined;
  const limits = drawLimits(chance);
  const depth = chance.whole(0, 24);
  const waitMs = 1_000 * chance.whole(1, 30);
  const fairness = chance.of(['tokens', 'tokens', 'none']);
  const priority = chance.of(['weighted', 'strict']);
  // Drawn either way, so that a seed draws the same of all that follows.
  const aging = `${chance.whole(0, 10)}s`;
  const queue = { depth, wait: `${waitMs}ms`, fairness, priority, ...(priority === 'strict' && { aging }) };
  const arrivals = drawArrivals(chance);
  const waitsForBackendsOnly = limits.every(
    ({ concurrency, delay }) => concurrency === undefined && delay === undefined,
  );
  const isShared =
    waitsForBackendsOnly &&
    queue.fairness === 'tokens' &&
    backends.every(({ models: served }) => served === undefined) &&
    arrivals.every(({ priority }) => priority === arrivals[0]!.priority);
  const faults = backends.flatMap(({ name }) => drawFaults(chance, name));
  const clockSteps = chance.happens(0.2)
    ? [{ atMs: chance.whole(0, lastMs), byMs: chance.whole(-7_200_000, 7_200_000) }]
    : [];
  const pick = chance.of(['least-wait', 'least-wait', 'least-busy', 'round-robin', 'random-two']);
  const slots = backends.reduce((sum, backend) => sum + backend.slots, 0);
  const longest = Math.max(...arrivals.map(({ outputTokens }) => outputTokens));
  return {
    seed,
    backends,
    requests,
    waitMs,
    policy: {
      queue,
      limits,
      pool: { pick },
      backends: backends.map(({ name, slots, models: served }) => ({
        url: `http://${name}`,
        name,
        slots,
        ...(served === undefined ? {} : { models: served }),
      })),
      ...(requests === undefined ? {} : { requests: `${requests.perMinute}/min burst ${requests.burst}` }),
    },
    arrivals,
    faults,
    clockSteps,
    pick,
    waitsForBackendsOnly,
    driftMost: isShared
      ? 2 * (Math.max(...arrivals.map(({ inputTokens }) => inputTokens)) + 2 * slots * longest)
      : undefined,
  };
}

function drawBackend(chance: Chance, index: number): BackendPlan {
  return {
    name: `gpu${index}`,
    slots: chance.whole(1, 4),
    // The first one serves everything, so that every model is served.
    models: index > 0 && chance.happens(0.4) ? models.filter((_, i) => i === 0 || chance.happens(0.5)) : undefined,
    tokenMs: chance.whole(10, 60),
    promptTokenMs: chance.whole(0, 3) / 10,
  };
}

interface DrawnLimit {
  readonly name: string;
  readonly [key: string]: unknown;
}

function drawLimits(chance: Chance): DrawnLimit[] {
  const all: DrawnLimit[] = [
    { name: 'house', per: 'all', concurrency: chance.whole(1, 6) },
    { name: 'own', concurrency: chance.whole(1, 3), queue: chance.happens(0.5) },
    { name: 'model', per: 'model', concurrency: chance.whole(1, 3) },
    { name: 'budget', tokens: `${chance.whole(500, 4_000)}/min` },
    { name: 'paced', requests: `${chance.whole(20, 60)}/min burst ${chance.whole(2, 5)}`, delay: true },
  ];
  return all.filter(() => chance.happens(0.2));
}

function drawArrivals(chance: Chance): Arrival[] {
  const priorities: readonly Priority[] = chance.happens(0.5) ? ['high', 'normal', 'low'] : ['normal'];
  const arrivals: Arrival[] = [];
  for (let i = chance.whole(2, 5); i > 0; i--) {
    // One in some sends far more than there is room for.
    const meanMs = chance.happens(0.1) ? chance.whole(100, 500) : chance.whole(1_000, 15_000);
    const [weight, priority] = [chance.of([1, 1, 2, 4]), chance.of(priorities)];
    const outputMost = chance.of([20, 80, 300]);
    for (let atMs = chance.wait(meanMs); atMs < lastMs; atMs += chance.wait(meanMs)) {
      // Some send several at once.
      for (let n = chance.happens(0.15) ? chance.whole(2, 6) : 1; n > 0; n--) {
        const leaves = chance.happens(0.15) ? { leavesAfterMs: chance.wait(5_000) } : {};
        arrivals.push({
          atMs,
          client: `client${i}`,
          weight,
          priority,
          model: chance.of(models),
          inputTokens: chance.whole(1, 200),
          outputTokens: chance.whole(1, outputMost),
          ...leaves,
        });
      }
    }
  }
  return arrivals.sort((a, b) => a.atMs - b.atMs);
}

function drawFaults(chance: Chance, backend: string): Fault[] {
  const faults: Fault[] = [];
  if (chance.happens(0.4)) return faults;
  for (let atMs = chance.wait(60_000); atMs < lastMs; atMs += chance.wait(60_000)) {
    faults.push({ atMs, backend, what: chance.of(['crash', 'crash', 'hang']) });
    atMs += chance.wait(15_000);
    faults.push({ atMs, backend, what: 'heal' });
  }
  return faults;
}
