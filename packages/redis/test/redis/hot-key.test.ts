/** One key that all processes are asked about at once: most is decided without Redis, and not one request too many. */
import type { Limit, Receipt } from '@headgate/core';
import { Redis } from 'ioredis';
import { expect, test } from 'vitest';
import { bucket, cost, hour, rolling, subject } from '../../../core/test/support/fixtures.js';
import { redisStore } from '../../src/index.js';
import { Child } from '../support/child.js';
import { admin, ends, ownRedis, server } from '../support/own-redis.js';

ownRedis();

const processes = 4;
const requests = 20_000;
const allowed = 5_000;

async function commands(): Promise<number> {
  const [, calls = '0'] = /cmdstat_evalsha:calls=(\d+)/.exec(await admin.info('commandstats')) ?? [];
  return Number(calls);
}

test.each([
  // So slow that nothing comes back while the test runs.
  bucket(allowed, 1_000 * hour, { capacity: allowed, name: 'bucket' }),
  rolling(allowed, hour, { name: 'rolling' }),
])(
  `${processes} processes with ${requests} requests of one key are let through ${allowed}: $name`,
  async (limit: Limit) => {
    const plan = {
      url: server.url,
      prefix: limit.name,
      limits: [limit],
      requests: requests / processes,
      identities: 1,
      reserved: 1,
    };
    const children = Array.from({ length: processes }, () => new Child('crowd.mjs'));
    ends.push(...children.map((child) => () => child.end()));
    await Promise.all(children.map((child) => child.ask(plan)));
    const before = await commands();
    const all = await Promise.all(children.map((child) => child.ask<{ admitted: number[][] }>('go')));
    // By then they have returned what they had.
    await Promise.all(children.map((child) => child.exited));
    let admitted = all.reduce((sum, said) => sum + said.admitted[0]![0]!, 0);
    const sent = (await commands()) - before;

    const store = redisStore(new Redis(server.url, { lazyConnect: true }), { prefix: limit.name, leases: false });
    ends.push(() => store.close());
    store.configure([limit], { timeZone: 'UTC', keysMax: 1 });
    const set = store.prepare([limit]);
    const ask = async (): Promise<Receipt | undefined> => {
      const answer = await store.reserve(set, subject('id0'), cost());
      return answer.admitted ? answer : undefined;
    };
    expect((await store.peek(set, subject('id0')))[0]!.remaining).toBeCloseTo(allowed - admitted, 1);
    while ((await ask()) !== undefined) admitted++;
    expect(admitted).toBe(allowed);
    // Settlements, signs of life and returned shares included.
    expect(sent).toBeLessThan(requests / 20);
  },
);
