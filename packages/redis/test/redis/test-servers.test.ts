/** What the other tests of this project stand on: servers of their own, gone when they are done, and faults that are faults. */
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Cluster, Redis } from 'ioredis';
import { afterAll, describe, expect, test } from 'vitest';
import { findRedisServer } from '../../../../scripts/redis-server.mjs';
import { patienceMs } from '../../../../test/support/patience.js';
import { RedisCluster } from '../support/cluster.js';
import { FaultyProxy } from '../support/faulty-proxy.js';
import { answersPing, freePort } from '../support/ports.js';
import { RedisServer, watchedServer } from '../support/redis-server.js';

const after: (() => unknown)[] = [];
afterAll(async () => {
  for (const end of after.reverse()) await end();
});

async function started(config: Record<string, string> = {}): Promise<RedisServer> {
  const server = await RedisServer.start({ config });
  after.push(() => server.stop());
  return server;
}

function clientOf(port: number): Redis {
  const client = new Redis(port, '127.0.0.1', { retryStrategy: null, maxRetriesPerRequest: 0 });
  client.on('error', () => {});
  after.push(() => client.disconnect());
  return client;
}

describe('a server for tests', () => {
  test('answers on a port of its own, forgets its data when it is killed, and comes back on the same port', async () => {
    const server = await started();
    expect(server.port).not.toBe(6379);
    await clientOf(server.port).set('key', 'value');
    server.kill();
    expect(await answersPing(server.port)).toBe(false);
    await server.start();
    expect(await clientOf(server.port).get('key')).toBeNull();
  });

  test('pauses without closing a connection', async () => {
    const server = await started();
    const client = clientOf(server.port);
    await client.ping();
    server.pause();
    const answer = client.ping();
    const early = await Promise.race([answer, new Promise((resolve) => setTimeout(resolve, 100, 'nothing yet'))]);
    server.resume();
    expect([early, await answer]).toEqual(['nothing yet', 'PONG']);
  });

  test('ends with the process that started it, however that ends', async () => {
    const port = await freePort();
    // The child starts the server in the way that `RedisServer` does, and is killed once it answers.
    const starter = `const [watched, program, port] = process.argv.slice(1);
      const child = require('node:child_process').spawn('sh', ['-c', watched, 'sh', program, '--port', port, '--save', ''],
        { stdio: ['pipe', 'pipe', 'inherit'], detached: true });
      child.stdout.once('data', () => console.log('started'));
      setInterval(() => {}, 1_000);`;
    const args = ['--eval', starter, '--', watchedServer, findRedisServer()!, String(port)];
    const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
    await once(child.stdout, 'data');
    await expect.poll(() => answersPing(port)).toBe(true);
    child.kill('SIGKILL');
    await expect.poll(() => answersPing(port)).toBe(false);
  });

  test('a replica follows its master', async () => {
    const master = await started();
    const replica = await started({ replicaof: `127.0.0.1 ${master.port}` });
    await clientOf(master.port).set('key', 'value');
    await clientOf(master.port).call('WAIT', 1, patienceMs);
    expect(await clientOf(replica.port).get('key')).toBe('value');
  });

  test('a Cluster of three serves every slot', async () => {
    const servers = await RedisCluster.start();
    after.push(() => servers.stop());
    const cluster = new Cluster(servers.startupNodes);
    after.push(() => cluster.disconnect());
    const keys = Array.from({ length: 60 }, (_, i) => `key${i}`);
    for (const key of keys) await cluster.set(key, key);
    expect(await Promise.all(keys.map((key) => cluster.get(key)))).toEqual(keys);
    const sizes = await Promise.all(cluster.nodes('master').map((node) => node.dbsize()));
    expect(sizes.every((size) => size > 0)).toBe(true);
  });
});

describe('a machine without a Redis server', () => {
  const script = fileURLToPath(new URL('../../../../scripts/redis-server.mjs', import.meta.url));
  const check = `import(process.argv[1]).then(({ requireRedisServer }) =>
    requireRedisServer((sentence) => { console.error(sentence); process.exit(7); }))`;
  const ask = (env: Record<string, string>) =>
    spawnSync(process.execPath, ['--eval', check, '--', script], { encoding: 'utf8', env });

  test('is told what to do, and the exit code says it too', () => {
    const empty = mkdtempSync(join(tmpdir(), 'headgate-path-'));
    after.push(() => rmSync(empty, { recursive: true }));
    const { status, stderr } = ask({ PATH: empty });
    expect(status).toBe(7);
    expect(stderr).toMatch(/need a Redis server, 6\.2 or newer.*HEADGATE_REDIS_SERVER/);
  });

  test('a program that is no Redis server is not taken for one', () => {
    const path = mkdtempSync(join(tmpdir(), 'headgate-path-'));
    after.push(() => rmSync(path, { recursive: true }));
    symlinkSync(process.execPath, join(path, 'redis-server'));
    expect(ask({ PATH: path }).status).toBe(7);
    expect(ask({ PATH: path, HEADGATE_REDIS_SERVER: process.execPath }).stderr).toContain(process.execPath);
  });
});

describe('a faulty proxy', () => {
  async function proxied(): Promise<{ proxy: FaultyProxy; client: Redis; server: RedisServer }> {
    const server = await started();
    const proxy = await FaultyProxy.start(server.port);
    after.push(() => proxy.stop());
    return { proxy, client: clientOf(proxy.port), server };
  }

  test('delays each way', async () => {
    const { proxy, client } = await proxied();
    await client.ping();
    proxy.delay(50);
    const sentAt = performance.now();
    await client.ping();
    expect(performance.now() - sentAt).toBeGreaterThanOrEqual(99);
  });

  test('cuts, and refuses until it passes again', async () => {
    const { proxy, client } = await proxied();
    await client.ping();
    proxy.cut();
    await expect(client.ping()).rejects.toThrow();
    await expect(clientOf(proxy.port).ping()).rejects.toThrow();
    proxy.pass();
    expect(await clientOf(proxy.port).ping()).toBe('PONG');
  });

  test('swallows without closing', async () => {
    const { proxy, client } = await proxied();
    await client.ping();
    proxy.blackHole();
    const answer = client.ping().catch(() => 'failed');
    expect(await Promise.race([answer, new Promise((resolve) => setTimeout(resolve, 100, 'nothing'))])).toBe('nothing');
    proxy.pass();
    expect(await answer).toBe('failed');
  });

  test('loses a reply after the server has done what was asked', async () => {
    const { proxy, client, server } = await proxied();
    await client.ping();
    proxy.loseNextReply();
    await expect(client.incr('count')).rejects.toThrow();
    expect(await clientOf(server.port).get('count')).toBe('1');
  });
});
