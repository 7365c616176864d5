/** Two gateways that count in one Redis, as their policy says, and what their clients see when it is gone. */
import { Redis } from 'ioredis';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { RedisServer } from '../../../redis/test/support/redis-server.js';
import { startGateway } from '../../src/index.js';
import { atEnd, fake, gatewayFor } from '../support/harness.js';

let redis: RedisServer;
beforeEach(async () => {
  redis = await RedisServer.start();
});
afterEach(() => redis.stop());

async function twoGateways(policy: object, onDown = 'local-share'): Promise<string[]> {
  const backend = await fake({ numParallel: 8 });
  const gateways = await Promise.all(
    [1, 2].map(() =>
      startGateway({
        policy: { ...policy, store: { redis: redis.url, prefix: 'test', onDown }, guard: { admin: 'deny' } },
        port: 0,
        backends: [{ url: backend.url, name: 'shared', slots: 8 }],
        log: false,
      }),
    ),
  );
  for (const gateway of gateways) atEnd(() => gateway.close({ drainMs: 0 }));
  return gateways.map(({ url }) => url);
}

const chat = (url: string): Promise<Response> =>
  fetch(`${url}/api/chat`, {
    method: 'POST',
    headers: { authorization: 'Bearer ann', 'content-type': 'application/json' },
    body: JSON.stringify({ model: 'llama3.1:8b', messages: [{ role: 'user', content: 'hi' }], stream: false }),
  });

describe('two gateways on one Redis', () => {
  test('let through together what the policy says once (F2)', async () => {
    const urls = await twoGateways({ requests: '6/hour burst 6' }, 'closed');
    const statusOf = async (url: string): Promise<number> => {
      const { status } = await chat(url);
      // A machine so busy that Redis misses its deadline: nothing was let through, and it is asked again.
      return status === 503 ? statusOf(url) : status;
    };
    const statuses = await Promise.all(Array.from({ length: 20 }, (_, i) => statusOf(urls[i % 2]!)));
    expect(statuses.filter((status) => status === 200)).toHaveLength(6);
    expect(statuses.filter((status) => status === 429)).toHaveLength(14);
  });

  test.each([
    ['open', 200],
    ['closed', 503],
    ['local-share', 200],
  ])('answer at once when it is gone, %s with %i, and count again when it is back (F19)', async (onDown, status) => {
    const urls = await twoGateways({ requests: '1000/hour burst 1000' }, onDown);
    await expect.poll(async () => (await chat(urls[0]!)).status).toBe(200);
    redis.kill();
    let soonestMs = Number.POSITIVE_INFINITY;
    for (let i = 0; i < 10; i++) {
      const from = performance.now();
      const answer = await chat(urls[i % 2]!);
      expect(answer.status).toBe(status);
      if (status === 503) expect(answer.headers.get('x-headgate-reason')).toBe('store-down');
      soonestMs = Math.min(soonestMs, performance.now() - from);
    }
    // The soonest counts: a busy machine holds up any of them.
    expect(soonestMs).toBeLessThan(1_000);
    await redis.start();
    await expect.poll(async () => (await chat(urls[0]!)).status).toBe(200);
  });

  test('begin without it, and count in it once it is there', async () => {
    redis.kill();
    const urls = await twoGateways({ requests: '6/hour burst 6' }, 'open');
    const first = await Promise.all(Array.from({ length: 10 }, (_, i) => chat(urls[i % 2]!)));
    expect(new Set(first.map(({ status }) => status))).toEqual(new Set([200]));
    await redis.start();
    // What was let through without it is told to it: there is nothing left.
    await expect.poll(async () => (await chat(urls[1]!)).status).toBe(429);
  });

  test('say in their log what never reached it', async () => {
    const backend = await fake({ faults: { hang: true } });
    const log: Record<string, unknown>[] = [];
    const store = { redis: redis.url, prefix: 'test' };
    const { url } = await gatewayFor({ tokens: '100k/hour', store, backends: [{ url: backend.url, slots: 1 }] }, log);
    const answer = chat(url);
    await backend.waitFor(() => backend.stats().running === 1);
    const client = new Redis(redis.url);
    atEnd(async () => void client.disconnect());
    for (const key of await client.keys('test:*identity*')) await client.set(key, 'of somebody else');
    backend.set({ hang: false });
    expect((await answer).status).toBe(200);
    const lost = () => log.find(({ event }) => event === 'settlements-lost');
    await expect.poll(lost).toMatchObject({ cause: expect.stringContaining('was not written by this version') });
  });

  test('leave nothing open when they cannot listen', async () => {
    const [url] = await twoGateways({});
    const client = new Redis(redis.url);
    atEnd(async () => void client.disconnect());
    const connections = async (): Promise<number> => String(await client.client('LIST')).split('\n').length;
    const before = await connections();
    const policy = { store: { redis: redis.url, prefix: 'test' }, guard: { admin: 'deny' } };
    const port = Number(new URL(url!).port);
    await expect(startGateway({ policy, port, backends: ['http://127.0.0.1:1'], log: false })).rejects.toThrow(
      'EADDRINUSE',
    );
    await expect.poll(connections).toBe(before);
  });
});
