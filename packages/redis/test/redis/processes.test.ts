/** Several processes, one Redis: limits hold over all of them together, to the unit. */
import type { Limit } from '@headgate/core';
import { Redis } from 'ioredis';
import { describe, expect, test } from 'vitest';
import { bucket, hour, rolling, second, slots, subject } from '../../../core/test/support/fixtures.js';
import { redisStore } from '../../src/index.js';
import { Child } from '../support/child.js';
import { admin, ends, ownRedis, server } from '../support/own-redis.js';

ownRedis();

const processes = 4;
const requests = 20_000;
const identities = 5;
/** What each request sets aside; it uses any part of it. */
const reserved = 30;

const limits: readonly Limit[] = [
  rolling(300, hour, { name: 'requests' }),
  rolling(8_000, hour, { name: 'tokens', measure: 'tokens' }),
  slots(12, { name: 'at-once', per: ['all'] }),
  bucket(50, second, { name: 'rate', capacity: 100 }),
];

interface Said {
  /** By limit, by identity. */
  readonly admitted: number[][];
  readonly used: number[];
  readonly atOnceMax: number;
}

async function serverMs(): Promise<number> {
  const [seconds, micros] = await admin.time();
  return Number(seconds) * 1_000 + Number(micros) / 1_000;
}

/** All of them begin together. Also how long it took, by the server's clock. */
async function crowd(prefix: string): Promise<{ all: Said[]; tookMs: number }> {
  const children = Array.from({ length: processes }, () => new Child('crowd.mjs'));
  ends.push(...children.map((child) => () => child.end()));
  const plan = { url: server.url, prefix, limits, requests: requests / processes, identities, reserved };
  await Promise.all(children.map((child) => child.ask(plan)));
  const from = await serverMs();
  const all = await Promise.all(children.map((child) => child.ask<Said>('go')));
  return { all, tookMs: (await serverMs()) - from };
}

const total = (numbers: readonly number[]): number => numbers.reduce((sum, one) => sum + one, 0);

describe(`${processes} processes with ${requests} requests`, () => {
  test('are let through what each limit has, once and not once each (F2, I8, I12)', async () => {
    const prefix = 'crowd';
    const { all, tookMs } = await crowd(prefix);
    const admitted = (limit: number, who: number): number => total(all.map((said) => said.admitted[limit]![who]!));
    const store = redisStore(new Redis(server.port, '127.0.0.1', { lazyConnect: true }), { prefix });
    ends.push(() => store.close());
    store.configure(limits, { timeZone: 'UTC', keysMax: 1 });
    for (let who = 0; who < identities; who++) {
      const states = await store.peek(store.prepare(limits), subject(`id${who}`));
      const left = Object.fromEntries(states.map(({ name, remaining }) => [name, remaining]));
      expect(admitted(0, who)).toBe(300);
      // Nothing drifted: what is counted is what was used. And all of it was used, but for less than one request.
      const used = total(all.map((said) => said.used[who]!));
      expect(left).toMatchObject({ requests: 0, tokens: 8_000 - used, 'at-once': 12 });
      expect(used).toBeLessThanOrEqual(8_000);
      expect(used).toBeGreaterThan(8_000 - reserved);
      const rate = admitted(3, who);
      expect(rate).toBeGreaterThanOrEqual(100);
      expect(rate).toBeLessThanOrEqual(100 + (50 * tookMs) / second);
    }
    const atOnceMax = Math.max(...all.map((said) => said.atOnceMax));
    expect(atOnceMax).toBeLessThanOrEqual(12);
    expect(atOnceMax).toBeGreaterThan(6);
  });
});
