/** Headgate's store for many processes, on Redis or Valkey. */
import { type Clock, type Store, systemClock } from '@headgate/core';
import {
  aClock,
  aDuration,
  aFlag,
  aFunction,
  aText,
  checkKind,
  checkOptions,
  type OptionKinds,
  withMethod,
} from '@headgate/core/store';
import type { RedisClient } from './connection.js';
import { Link } from './link.js';
import { RedisStore } from './store.js';

export type { RedisClient } from './connection.js';

export interface RedisStoreOptions {
  /** What the keys in Redis begin with; processes with the same prefix share their counters. Default `hg`. */
  readonly prefix?: string;
  /** After this long without a sign of life a process holds no slots any more, ms. Default 15 s. */
  readonly leaseMs?: number;
  /** Told of settlements that will never reach Redis, and why: too many waited for it, or it was away too long to tell whether it had them. */
  readonly onSettlementsLost?: (settlements: number, cause: unknown) => void;
  /**
   * Whether this process borrows shares of the limits of keys that it is asked about more than twenty times a second, and decides on
   * them by itself. Never lets more through. Default true.
   */
  readonly leases?: boolean;
  /**
   * Whether processes tell each other through Redis how prompts are counted and how long answers are, so that one that starts does not
   * begin with guesses. No decision asks for it. Default true.
   */
  readonly lessons?: boolean;
  readonly clock?: Clock;
}

const aClient = withMethod('duplicate', 'one of ioredis, such as `new Redis(url, { lazyConnect: true })`');
const optionKinds: OptionKinds<RedisStoreOptions> = {
  prefix: aText,
  leaseMs: aDuration,
  leases: aFlag,
  lessons: aFlag,
  onSettlementsLost: aFunction,
  clock: aClock,
};

/** A key that is asked about more often than this in a process is hot, decisions a second. */
const hotRate = 20;

/** A store that is closed when its process ends: what waits to be written is written then. */
export interface SharedStore extends Store {
  /** Resolves once Redis has been reached. Nothing needs to wait for it. */
  readonly connected: Promise<void>;
  close(): Promise<void>;
}

/**
 * A store that keeps its counters in Redis or Valkey, 6.2 or newer: single, behind Sentinel, or a Cluster.
 * @param client of ioredis 5 or 6, for its options: the store makes connections of its own like it
 * @throws HeadgateError `HG_OPTIONS` for what is no such client, and for an option that does not exist or is something else than it has to be
 */
export function redisStore(client: RedisClient, options: RedisStoreOptions = {}): SharedStore {
  checkKind(client, aClient, 'the client of redisStore');
  checkOptions(options, optionKinds, 'redisStore');
  const {
    prefix = 'hg',
    leaseMs = 15_000,
    leases = true,
    lessons = true,
    clock = systemClock(),
    onSettlementsLost = () => {},
  } = options;
  const link = new Link(client, { clock, random: Math.random });
  const lent = leases ? { hotRate } : {};
  return new RedisStore({ link, clock, prefix, leaseMs, onSettlementsLost, tellsLessons: lessons, ...lent });
}
