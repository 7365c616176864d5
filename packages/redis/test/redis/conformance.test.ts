/** What is run here is the suite that every store passes, on real servers, with both clients, and with the guard around it. */
import { GuardedStore } from '@headgate/core/store';
import { exchangeConformance, storeConformance } from '@headgate/core/testing';
import * as ioredis6 from 'ioredis';
import * as ioredis5 from 'ioredis5';
import { afterAll, beforeAll, describe, test } from 'vitest';
import type { RedisClient } from '../../src/connection.js';
import { RedisCluster } from '../support/cluster.js';
import { RedisServer } from '../support/redis-server.js';
import { space, timedStore } from '../support/store.js';

type Ioredis = typeof ioredis6;
/** What is common to both, seen as the newer. */
const clients: Readonly<Record<string, Ioredis>> = {
  'ioredis 5': ioredis5 as unknown as Ioredis,
  'ioredis 6': ioredis6,
};

interface Servers {
  stop(): void;
}
const topologies: Readonly<Record<string, (client: Ioredis) => Promise<[Servers, RedisClient]>>> = {
  'a single node': async ({ Redis }) => {
    const server = await RedisServer.start();
    return [server, new Redis(server.url, { lazyConnect: true })];
  },
  'a Cluster of three': async ({ Cluster }) => {
    const servers = await RedisCluster.start();
    return [servers, new Cluster(servers.startupNodes, { lazyConnect: true })];
  },
};

for (const [topology, start] of Object.entries(topologies)) {
  describe.each(Object.entries(clients))(`${topology}, %s`, (_, ioredis) => {
    let servers: Servers;
    let client: RedisClient;
    const ends: (() => Promise<void>)[] = [];
    beforeAll(async () => {
      [servers, client] = await start(ioredis);
    });
    afterAll(async () => {
      for (const end of ends) await end();
      servers.stop();
    });

    describe.each(['bare', 'guarded, every key hot'])('%s', (how) => {
      const cases = storeConformance(async (clock) => {
        // No heartbeat: the cases let years pass in one go.
        const lent = how === 'bare' ? {} : { hotRate: 0 };
        const { store } = await timedStore(client, clock, { leaseMs: 2_000 * 86_400_000, ...lent });
        ends.push(() => store.close());
        return how === 'bare' ? store : new GuardedStore(store, { clock, onDown: 'local-share' });
      });
      for (const { name, run } of cases) test(name, run);

      const exchanges = exchangeConformance(async (clock) => {
        const prefix = space();
        const make = async () => {
          const { store } = await timedStore(client, clock, { prefix });
          ends.push(() => store.close());
          return how === 'bare' ? store : new GuardedStore(store, { clock, onDown: 'local-share' });
        };
        return [await make(), await make()];
      });
      for (const { name, run } of exchanges) test(name, run);
    });
  });
}
