/** A pool by itself, on a virtual clock, with chance that is always in the middle unless said. */
import type { LimiterEvents } from '../../src/events.js';
import { Events } from '../../src/kernel/events.js';
import type { Random } from '../../src/kernel/random.js';
import { parsePolicy } from '../../src/policy/parse.js';
import type { BackendRules, Policy } from '../../src/policy/policy.js';
import { noPrefix, prefixOf } from '../../src/pool/affinity.js';
import { Pool } from '../../src/pool/pool.js';
import type { ProbeBackend } from '../../src/pool/probes.js';
import { VirtualClock } from '../../src/testing/virtual-clock.js';
import { Wish } from '../../src/wish.js';

export const middle: Random = () => 0.5;

export const backend = (name: string, more: Partial<BackendRules> = {}): BackendRules => ({
  url: `http://${name}`,
  name,
  slots: 1,
  weight: 1,
  drain: false,
  headers: {},
  ...more,
});

/** The rules of a policy's `pool`, as written. */
export function poolRules(written: object = {}): Policy['pool'] {
  return parsePolicy({ pool: written }).pool;
}

export interface PoolWorld {
  readonly clock: VirtualClock;
  readonly pool: Pool;
  /** `backend-down a`, in the order told. */
  readonly journal: string[];
  /** How often the pool said that those who wait should be asked again. */
  rooms: number;
}

export interface PoolWords {
  readonly rules?: object;
  readonly probe?: ProbeBackend;
  readonly random?: Random;
}

export function poolOf(
  backends: readonly BackendRules[],
  { rules, probe, random = middle }: PoolWords = {},
): PoolWorld {
  const clock = new VirtualClock();
  const events = new Events<LimiterEvents>();
  const journal: string[] = [];
  for (const name of ['backend-down', 'backend-up', 'backend-ejected', 'backend-drained'] as const) {
    events.on(name, (event) => {
      const { cause, forMs } = event as Partial<LimiterEvents['backend-ejected']>;
      journal.push([name, event.backend, cause, forMs].filter((word) => word !== undefined).join(' '));
    });
  }
  const overtakeMsMax = (): number => 30_000;
  const pool = new Pool({ backends, rules: poolRules(rules), clock, random, events, probe, overtakeMsMax });
  const world: PoolWorld = { clock, pool, journal, rooms: 0 };
  pool.onRoom = () => {
    world.rooms++;
  };
  return world;
}

export interface WishWords {
  readonly tokens?: number;
  readonly text?: string;
  readonly since?: number;
  readonly stream?: boolean;
  readonly runs?: boolean;
}

export function wish(model = 'm', words: WishWords = {}): Wish {
  const { tokens = 0, text, since = 0, stream = true, runs = true } = words;
  const prefix = text === undefined ? noPrefix : prefixOf(model, [text]);
  return new Wish({ model, runs, stream, inputTokens: tokens, prefix, since });
}

/** A prompt of whole blocks, each told by a word. */
export const blocks = (...words: string[]): string => words.map((word) => word.padEnd(512, '.')).join('');
