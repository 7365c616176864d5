/** Every key that there is: named in the documentation, and gone by itself, but never before what it says has lost its meaning. */
import { readFileSync } from 'node:fs';
import type { Limit, Receipt } from '@headgate/core';
import { GuardedStore } from '@headgate/core/store';
import { VirtualClock } from '@headgate/core/testing';
import { Redis } from 'ioredis';
import { describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { page } from '../../../../test/support/markdown.js';
import {
  bucket,
  calendar,
  day,
  hour,
  minute,
  rolling,
  slots,
  subject,
  tokens,
} from '../../../core/test/support/fixtures.js';
import { admin, ownRedis } from '../support/own-redis.js';
import { RedisServer } from '../support/redis-server.js';
import { timedStore } from '../support/store.js';

ownRedis();

const some = { measure: 'tokens' } as const;
/** Of every algorithm and scope, from half a second to a year. */
const limits: readonly Limit[] = [
  bucket(60, minute, { name: 'requests' }),
  rolling(60, 500, { name: 'burst' }),
  rolling(1_000, 365 * day, { ...some, name: 'year' }),
  calendar(1_000, 'month', { ...some, name: 'month', per: ['identity', 'model'] }),
  slots(9, { name: 'at-once' }),
  bucket(10, 500, { name: 'free', per: ['tier'] }),
  rolling(900, hour, { ...some, name: 'address', per: ['address'] }),
  calendar(9_000, 'day', { ...some, name: 'model', per: ['model'] }),
  slots(90, { name: 'house', per: ['all'] }),
  bucket(9, minute, { name: 'tools', measure: 'toolCalls', per: ['run'] }),
];

/** As the table of the page has them, with what stands for names taken for any name. */
const documented = page('docs/stores/redis.md').rows.flatMap(({ cells }) =>
  [...(cells[0] ?? '').matchAll(/`(hg:[^`]+)`/g)].map(([, key]) => key!),
);

describe('every key', () => {
  test('expires, and not before its meaning has, whatever was asked (F18)', async () => {
    const clock = new VirtualClock(Date.UTC(2026, 0, 5, 12));
    const { store, prefix } = await timedStore(admin, clock, { prefix: 'hg' });
    const guard = new GuardedStore(store, { clock, onDown: 'local-share', deadlineMs: 10_000 });
    guard.configure(limits, { timeZone: 'Europe/Berlin', keysMax: 9 });
    const set = guard.prepare(limits);
    const who = ['ann', '{bob}', 'c%', ''].map((id) =>
      subject(id, { model: 'm1', address: '::1', tier: 'free', run: 'r' }),
    );
    const receipts: Receipt[] = [];
    for (const one of who) {
      const answer = await guard.reserve(set, one, tokens(20, 5));
      if (answer.admitted) receipts.push(answer);
      store.record(set, one, tokens(3));
      await store.probe(set, one);
    }
    await guard.exchange!([{ name: 'output1/all', bytes: Uint8Array.of(1, 0, 0, 0), bytesMax: 4 }], 0);
    await guard.settle(receipts[0]!, tokens(500));
    await guard.cancel(receipts[1]!);
    expect(receipts).toHaveLength(4);
    const meaningMs = Math.max(...(await guard.peek(set, who[0]!)).map(({ resetMs }) => resetMs));
    expect(meaningMs).toBeGreaterThan(365 * day);
    const keys = await admin.keys('*');
    for (const key of keys) expect([key, await admin.pttl(key)]).toEqual([key, expect.any(Number)]);
    for (const key of keys) expect(await admin.pttl(key)).toBeGreaterThan(0);
    expect(await admin.pttl(`${prefix}:{ann}:identity`)).toBeGreaterThan(meaningMs);
    // Slots, of those who hold them.
    expect(await admin.pttl(`${prefix}:{all}:all`)).toBeGreaterThan(15_000);
    const kinds = new Set(keys.map((key) => key.split('}:')[1]!.split(':')[0]!));
    expect(kinds).toEqual(
      new Set([
        ...['identity', 'identity+model', 'tier', 'address', 'model', 'all', 'run', 'nodes', 'settled', 'probe'],
        ...['lessons', 'lessons-changed'],
      ]),
    );
    for (const kind of kinds) {
      expect([kind, documented.some((key) => key.includes(`}:${kind}`))]).toEqual([kind, true]);
    }
    await guard.close();
  });
});

describe('the example for Docker Compose', () => {
  test('is a Redis that keeps its counters, and whose keys expire but are not evicted', async () => {
    const file = new URL('../../../../examples/compose/compose.yaml', import.meta.url);
    const { services } = parse(readFileSync(file, 'utf8')) as { services: { redis: { command: string[] } } };
    const [program, ...args] = services.redis.command;
    expect(program).toBe('redis-server');
    const config: Record<string, string> = {};
    for (let i = 0; i < args.length; i += 2) config[args[i]!.slice(2)] = args[i + 1]!;
    const own = await RedisServer.start({ config });
    const client = new Redis(own.url);
    const asked = await Promise.all(
      ['maxmemory-policy', 'appendonly', 'appendfsync'].map((name) => client.config('GET', name)),
    );
    client.disconnect();
    own.stop();
    expect(asked.flat().filter((_, i) => i % 2 === 1)).toEqual(['noeviction', 'yes', 'everysec']);
  });
});
