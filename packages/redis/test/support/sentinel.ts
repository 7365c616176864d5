/** A master, its replica, and a Sentinel that puts the replica in the master's place when that is gone. */
import { Redis } from 'ioredis';
import { patienceMs } from '../../../../test/support/patience.js';
import { RedisServer } from './redis-server.js';

const name = 'mymaster';

export class Watched {
  readonly master: RedisServer;
  readonly replica: RedisServer;
  readonly #sentinel: RedisServer;

  private constructor(master: RedisServer, replica: RedisServer, sentinel: RedisServer) {
    this.master = master;
    this.replica = replica;
    this.#sentinel = sentinel;
  }

  static async start(): Promise<Watched> {
    const master = await RedisServer.start();
    const replica = await RedisServer.start({ config: { replicaof: `127.0.0.1 ${master.port}` } });
    const sentinel = await RedisServer.start({
      sentinel: [
        `sentinel monitor ${name} 127.0.0.1 ${master.port} 1`,
        `sentinel down-after-milliseconds ${name} 300`,
        `sentinel failover-timeout ${name} 2000`,
      ],
    });
    const watched = new Watched(master, replica, sentinel);
    await watched.#knowsReplica();
    return watched;
  }

  async #knowsReplica(): Promise<void> {
    const client = new Redis(this.#sentinel.port, '127.0.0.1');
    try {
      for (const until = Date.now() + patienceMs; ; ) {
        const replicas = await client.call('SENTINEL', 'REPLICAS', name);
        if (JSON.stringify(replicas).includes('"master-link-status","ok"')) return;
        if (Date.now() > until) throw new Error('the Sentinel found no replica');
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
    } finally {
      client.disconnect();
    }
  }

  /** Resolves once the replica has all that the master was told. */
  async replicated(): Promise<void> {
    const client = new Redis(this.master.port, '127.0.0.1');
    await client.wait(1, patienceMs);
    client.disconnect();
  }

  client(Client: typeof Redis): Redis {
    return new Client({ sentinels: [{ host: '127.0.0.1', port: this.#sentinel.port }], name, lazyConnect: true });
  }

  stop(): void {
    for (const server of [this.master, this.replica, this.#sentinel]) server.stop();
  }
}
