/** A Redis of a test file's own, and a client beside those that are tested. */
import { Redis } from 'ioredis';
import { afterAll, afterEach, beforeAll } from 'vitest';
import { FaultyProxy } from './faulty-proxy.js';
import { RedisServer } from './redis-server.js';

export let server: RedisServer;
/** Straight to the server. */
export let admin: Redis;
/** In front of the server, where `proxied` was asked for. */
export let proxy: FaultyProxy;
/** Called after each test, and forgotten. */
export const ends: (() => unknown)[] = [];

/** Call once, at the top of the file. */
export function ownRedis({ proxied = false } = {}): void {
  beforeAll(async () => {
    server = await RedisServer.start();
    if (proxied) proxy = await FaultyProxy.start(server.port);
    admin = new Redis(server.url);
  });
  afterEach(async () => {
    if (proxied) proxy.pass();
    for (const end of ends.splice(0)) await end();
  });
  afterAll(async () => {
    admin.disconnect();
    if (proxied) await proxy.stop();
    server.stop();
  });
}
