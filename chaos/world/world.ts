/** Everything that takes part in one round: a Redis, a faulty way to it for each gateway, backends, gateways and clients. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { RedisServer } from '../../packages/redis/test/support/redis-server.js';
import type { Fault, Profile } from '../history.js';
import { backendNames, rules } from '../rules.js';
import { Backend } from './backends.js';
import { Clients } from './clients.js';
import { GatewayProcess } from './gateways.js';

export class World {
  readonly profile: Profile;
  readonly redis: RedisServer;
  readonly backends: readonly Backend[];
  readonly gateways: readonly GatewayProcess[];
  readonly clients = new Clients();
  readonly faults: Fault[] = [];
  readonly #directory: string;

  private constructor(
    profile: Profile,
    directory: string,
    redis: RedisServer,
    backends: readonly Backend[],
    gateways: readonly GatewayProcess[],
  ) {
    this.profile = profile;
    this.#directory = directory;
    this.redis = redis;
    this.backends = backends;
    this.gateways = gateways;
  }

  static async start(profile: Profile): Promise<World> {
    const config = profile.durable ? { appendonly: 'yes', appendfsync: 'always' } : {};
    const redis = await RedisServer.start({ config });
    const directory = mkdtempSync(join(tmpdir(), 'headgate-chaos-'));
    const backends = await Promise.all(backendNames.map((name) => Backend.start(name)));
    const gateways = await Promise.all(
      Array.from({ length: rules.gateways }, (_, index) =>
        GatewayProcess.start({
          ...{ name: `g${index + 1}`, directory, profile, redisPort: redis.port },
          backendPorts: backends.map(({ port }) => port),
        }),
      ),
    );
    return new World(profile, directory, redis, backends, gateways);
  }

  gateway(name: string): GatewayProcess {
    return this.gateways.find((one) => one.name === name)!;
  }

  note(): void {
    for (const backend of this.backends) backend.note();
  }

  async close(): Promise<void> {
    this.clients.close();
    await Promise.all(this.gateways.map((gateway) => gateway.close()));
    await Promise.all(this.backends.map((backend) => backend.close()));
    this.redis.stop();
    rmSync(this.#directory, { recursive: true, force: true });
  }
}
