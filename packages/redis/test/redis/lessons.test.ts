/** What answers taught, told from process to process through Redis: on one server, behind Sentinel and in a Cluster. */
import { createLimiter, type Limiter, type LimiterStats } from '@headgate/core';
import { Cluster, Redis } from 'ioredis';
import { describe, expect, test } from 'vitest';
import { type RedisClient, type RedisStoreOptions, redisStore } from '../../src/index.js';
import { RedisCluster } from '../support/cluster.js';
import { clientOf } from '../support/guarded.js';
import { admin, ends, ownRedis, proxy, server } from '../support/own-redis.js';
import { Watched } from '../support/sentinel.js';
import { space } from '../support/store.js';

ownRedis({ proxied: true });

const policy = { tokens: '900000M/day', store: { redis: 'redis://127.0.0.1', onDown: 'open' } } as const;
const prompt = 'Каждое утро объездчик приезжает на серой кобыле и смотрит, сколько воды в канале. '.repeat(10);
/** As the backend counts it and answers. */
const usage = { inputTokens: 600, outputTokens: 900 };

interface Process {
  readonly limiter: Limiter;
  ask(identity?: string): Promise<{ readonly offBy: number; readonly output: number }>;
}

/** A process on Redis, once it has heard what there is. */
async function start(client: RedisClient, options: RedisStoreOptions, hears = true): Promise<Process> {
  const store = redisStore(client, options);
  const limiter = createLimiter(policy, { store });
  ends.push(() => limiter.close());
  await store.connected;
  const heard = (): number => lessons(limiter)[hears ? 'answered' : 'failed'];
  if (options.lessons !== false) await expect.poll(heard, { timeout: 20_000 }).toBeGreaterThan(0);
  return {
    limiter,
    ask: async (identity = 'ann') => {
      const decision = await limiter.admit({ identity, model: 'm', input: prompt });
      if (!decision.admitted) throw new Error(decision.refusal.message);
      const { inputTokens, outputTokens } = decision.permit.reserved;
      decision.permit.settle(usage);
      return { offBy: Math.abs(inputTokens / usage.inputTokens - 1), output: outputTokens };
    },
  };
}

const lessons = (limiter: Limiter): NonNullable<LimiterStats['lessons']> => limiter.stats().lessons!;

async function answers({ ask }: Process, count: number): Promise<void> {
  for (let i = 0; i < count; i++) await ask();
}

interface Topology {
  readonly client: () => RedisClient;
  readonly stop: () => unknown;
}
const topologies: Readonly<Record<string, () => Promise<Topology>>> = {
  'one server': async () => ({ client: () => clientOf(server.port), stop: () => {} }),
  'a master behind Sentinel': async () => {
    const servers = await Watched.start();
    return { client: () => servers.client(Redis), stop: () => servers.stop() };
  },
  'a Cluster of three': async () => {
    const servers = await RedisCluster.start();
    return { client: () => new Cluster(servers.startupNodes, { lazyConnect: true }), stop: () => servers.stop() };
  },
};

describe.each(Object.entries(topologies))('on %s', (_, made) => {
  test('a process that starts knows what the one before it learned, which was closed a moment after its last answer', async () => {
    const { client, stop } = await made();
    const prefix = space();
    const old = await start(client(), { prefix });
    await answers(old, 30);
    await old.limiter.close();
    const [fresh, lone] = [await start(client(), { prefix }), await start(client(), { prefix, lessons: false })];
    const [warm, cold, newcomer] = [await fresh.ask(), await lone.ask(), await fresh.ask('newcomer')];
    expect([cold.offBy > 0.4, cold.output]).toEqual([true, 256]);
    for (const one of [warm, newcomer]) expect([one.offBy < 0.05, one.output > 800]).toEqual([true, true]);
    expect(lone.limiter.stats().lessons).toBeUndefined();
    for (const end of ends.splice(0)) await end();
    stop();
  });
});

describe('a Redis that fails while lessons are exchanged', () => {
  test.each<[string, () => void]>([
    ['is gone', () => proxy.cut()],
    ['answers nothing', () => proxy.blackHole()],
    ['loses its replies', () => proxy.loseNextReply(true)],
  ])('and %s delays no decision and changes none; no answer is told twice', async (_, fails) => {
    const prefix = space();
    const one = await start(clientOf(proxy.port), { prefix });
    await answers(one, 20);
    fails();
    const { offBy, output } = await one.ask();
    expect([offBy < 0.05, output > 800]).toEqual([true, true]);
    await one.limiter.close();
    expect(lessons(one.limiter).failed).toBeGreaterThan(0);
    proxy.pass();
    const kept = await admin.hgetBuffer(`${prefix}:{lessons}:lessons`, 'output1/model/m');
    expect(kept?.length ?? 0).toBeLessThanOrEqual(4 * 21);
  });
});

describe('what is in Redis under our names', () => {
  const keys = (prefix: string): [string, string] => [
    `${prefix}:{lessons}:lessons`,
    `${prefix}:{lessons}:lessons-changed`,
  ];

  test('expires, and only names and numbers are there', async () => {
    const prefix = space();
    const one = await start(clientOf(server.port), { prefix });
    await answers(one, 5);
    await one.limiter.close();
    for (const key of keys(prefix)) {
      expect(await admin.pttl(key)).toBeGreaterThan(6 * 86_400_000);
      expect(await admin.pttl(key)).toBeLessThanOrEqual(7 * 86_400_000);
    }
    expect((await admin.hkeys(keys(prefix)[0])).sort()).toEqual([
      'input1/identity/1:mann',
      'input1/model/m',
      'output1/all',
      'output1/identity/1:mann',
      'output1/model/m',
    ]);
  });

  test('is bounded: 4,096 lessons, of long answers and many, in about 3.2 MB', async () => {
    const prefix = space();
    const store = redisStore(clientOf(server.port), { prefix });
    ends.push(() => store.close());
    await store.connected;
    const lessonsOf = (who: string) => [
      { name: `input1/identity/11:llama3.1:8b${who}`, bytes: new Uint8Array(768).fill(1), bytesMax: 768 },
      { name: `output1/identity/11:llama3.1:8b${who}`, bytes: new Uint8Array(192).fill(1), bytesMax: 192 },
    ];
    for (let i = 0; i < 2_080; i += 32) {
      await store.exchange!(Array.from({ length: 32 }, (_, j) => lessonsOf(`tenant-${i + j}`)).flat(), 0);
    }
    const bytes = await Promise.all(
      keys(prefix).map(async (key) => Number(await admin.call('MEMORY', 'USAGE', key, 'SAMPLES', '0'))),
    );
    expect(await admin.hlen(keys(prefix)[0])).toBe(4_096);
    expect(bytes[0]! + bytes[1]!).toBeGreaterThan(2.6e6);
    expect(bytes[0]! + bytes[1]!).toBeLessThan(3.5e6);
  });

  test('and is no lesson is passed over and counted; what is beside it is heard', async () => {
    const prefix = space();
    const old = await start(clientOf(server.port), { prefix });
    await answers(old, 30);
    await old.limiter.close();
    const [values, marks] = keys(prefix);
    await admin.hset(values, 'output1/identity/1:mann', 'none of ours', 'nonsense', 'x', 'huge', 'x'.repeat(100_000));
    await admin.zadd(marks, 1, 'nonsense', 2, 'huge', 3, 'not there');
    const fresh = await start(clientOf(server.port), { prefix });
    expect(lessons(fresh.limiter)).toMatchObject({ unreadable: 2, failed: 0 });
    const { offBy, output } = await fresh.ask();
    expect([offBy < 0.05, output > 800]).toEqual([true, true]);
  });

  test.each([0, 1])('and is of another kind (key %i) fails what is exchanged and no decision', async (which) => {
    const prefix = space();
    await admin.set(keys(prefix)[which]!, 'text');
    // Where nothing has changed the lessons themselves are not looked at.
    const one = await start(clientOf(server.port), { prefix }, which === 0);
    await answers(one, 20);
    await one.limiter.close();
    expect(lessons(one.limiter).failed).toBeGreaterThan(0);
    expect(await admin.get(keys(prefix)[which]!)).toBe('text');
    expect(await admin.exists(keys(prefix)[1 - which]!)).toBe(0);
  });
});
