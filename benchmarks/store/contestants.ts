/** Who takes part: each decides whether the next request of a key may go on, and says so. All admit: nobody's limit is reached. */
import { randomUUID } from 'node:crypto';
import {
  type Cost,
  type LimitSet,
  parsePolicy,
  type Receipt,
  type Shortfall,
  type Store,
  systemClock,
} from '@headgate/core';
import { GuardedStore, noCost } from '@headgate/core/store';
import { redisStore } from '@headgate/redis';
import { Redis } from 'ioredis';
import { RedisStore as HitStore, type RedisReply } from 'rate-limit-redis';
import { RateLimiterRedis } from 'rate-limiter-flexible';
import { inputTokens, oneLimit, outputTokens, plenty, sixLimits, subjectOf } from '../micro/policies.js';
import { bucketScript } from './bucket.js';

export interface Contestant {
  decide(key: string): boolean | Promise<boolean>;
  /** What has to be done after a batch, and is not measured. */
  tidy?(): Promise<unknown>;
}

export const rowNames = {
  incr: 'floor: INCR',
  bucket: 'floor: a bucket in one EVALSHA',
  one: 'headgate, one limit',
  guarded: 'headgate, one limit, guarded',
  shared: 'headgate, one limit, on shares',
  three: 'headgate, three limits',
  six: 'headgate, six limits',
  life: 'headgate, six limits, and settled',
  peer: 'rate-limiter-flexible',
  peerOfThree: 'rate-limiter-flexible, 3 at once',
  hits: 'rate-limit-redis',
  hitsOfThree: 'rate-limit-redis, 3 at once',
} as const;
export type RowName = (typeof rowNames)[keyof typeof rowNames];

const dayS = 86_400;

const makers: { readonly [Name in RowName]: (client: Redis) => Promise<Contestant> } = {
  async [rowNames.incr](client) {
    return { decide: async (key) => (await client.incr(`incr:${key}`)) <= plenty };
  },
  async [rowNames.bucket](client) {
    const sha = (await client.script('LOAD', bucketScript)) as string;
    const [capacity, ratePerMs] = [String(plenty), String(1 / (dayS * 1_000))];
    return { decide: async (key) => (await client.evalsha(sha, 1, `bucket:${key}`, capacity, ratePerMs, 1)) === 1 };
  },
  [rowNames.one]: (client) => headgate(client, oneLimit(plenty), units(0, 0)),
  [rowNames.guarded]: (client) =>
    headgate(client, oneLimit(plenty), units(0, 0), {
      around: (store) => new GuardedStore(store, { clock: systemClock(), onDown: 'closed', deadlineMs: 5_000 }),
    }),
  [rowNames.shared]: (client) => headgate(client, oneLimit(plenty), units(0, 0), { leases: true }),
  [rowNames.three]: (client) => headgate(client, threeLimits, units(inputTokens, outputTokens)),
  [rowNames.six]: (client) => headgate(client, sixLimits(), units(inputTokens, outputTokens)),
  [rowNames.life]: (client) => headgate(client, sixLimits(), units(inputTokens, outputTokens), { settles: true }),
  async [rowNames.peer](client) {
    const limiter = flexible(client, 'one');
    return { decide: async (key) => (await limiter.consume(key)).remainingPoints >= 0 };
  },
  async [rowNames.peerOfThree](client) {
    const limiters = ['minute', 'hour', 'day'].map((name) => flexible(client, name));
    return {
      decide: async (key) => {
        const all = await Promise.all(limiters.map((limiter) => limiter.consume(key)));
        return all.every(({ remainingPoints }) => remainingPoints >= 0);
      },
    };
  },
  async [rowNames.hits](client) {
    const store = await hits(client, 'hits');
    return { decide: async (key) => (await store.increment(key)).totalHits <= plenty };
  },
  async [rowNames.hitsOfThree](client) {
    const stores = await Promise.all(['minute', 'hour', 'day'].map((name) => hits(client, name)));
    return {
      decide: async (key) => {
        const all = await Promise.all(stores.map((store) => store.increment(key)));
        return all.every(({ totalHits }) => totalHits <= plenty);
      },
    };
  },
};

export async function contestant(name: RowName, url: string): Promise<Contestant> {
  const client = new Redis(url, { lazyConnect: true });
  await client.connect();
  return makers[name](client);
}

/** Three algorithms, each for an identity, as the others' three are for a key. */
const threeLimits = {
  requests: { limit: 1, per: 'day', burst: plenty },
  tokens: [
    { limit: plenty, per: 'hour' },
    { limit: plenty, per: 'day' },
  ],
};

interface HeadgateOptions {
  /** Whether shares of hot keys' limits are borrowed. Else every request is decided by Redis. */
  readonly leases?: boolean;
  readonly around?: (store: Store) => Store;
  /** Whether each request ends, with what it really used, before the next. Else all are ended after the batch. */
  readonly settles?: boolean;
}

async function headgate(client: Redis, written: object, cost: Cost, options: HeadgateOptions = {}) {
  const { around = (store: Store): Store => store, settles = false, leases = false } = options;
  const policy = parsePolicy(written);
  const limits = [...policy.tiers.default!.limits, ...policy.limits];
  // Each has rows of its own: under two policies the same row would be made another one with every decision.
  const shared = redisStore(client, { leases, prefix: randomUUID() });
  await shared.connected;
  const store = around(shared);
  store.configure(limits, policy);
  const set = store.prepare(limits);
  return settles ? wholeLives(store, set, cost) : decisions(store, set, cost);
}

function decisions(store: Store, set: LimitSet, cost: Cost): Contestant {
  let open: Receipt[] = [];
  // Only slots have to be given back: the cost was what it was taken for.
  const isHeld = set.limits.some(({ algorithm }) => algorithm === 'slots');
  const decided = (answer: Receipt | Shortfall): boolean => {
    if (isHeld && answer.admitted) open.push(answer);
    return answer.admitted;
  };
  return {
    decide(key) {
      const answer = store.reserve(set, subjectOf(key), cost);
      return answer instanceof Promise ? answer.then(decided) : decided(answer);
    },
    async tidy() {
      const ended = open;
      open = [];
      for (let at = 0; at < ended.length; at += 1_000) {
        await Promise.all(ended.slice(at, at + 1_000).map((receipt) => store.settle(receipt, cost)));
      }
    },
  };
}

function wholeLives(store: Store, set: LimitSet, cost: Cost): Contestant {
  const used = { ...cost, outputTokens: cost.outputTokens / 2 };
  return {
    async decide(key) {
      const answer = await store.reserve(set, subjectOf(key), cost);
      // As the limiter does: nobody waits until it is written.
      if (answer.admitted) void store.settle(answer, used);
      return answer.admitted;
    },
  };
}

function flexible(storeClient: Redis, keyPrefix: string): RateLimiterRedis {
  return new RateLimiterRedis({ storeClient, points: plenty, duration: dayS, keyPrefix });
}

async function hits(client: Redis, prefix: string): Promise<HitStore> {
  const sendCommand = (command: string, ...args: string[]) => client.call(command, ...args) as Promise<RedisReply>;
  const store = new HitStore({ sendCommand, prefix: `${prefix}:` });
  await store.init({ windowMs: dayS * 1_000 } as Parameters<HitStore['init']>[0]);
  return store;
}

function units(input: number, output: number): Cost {
  return { ...noCost, requests: 1, inputTokens: input, outputTokens: output };
}
