/** Makes what a plan says go wrong, and makes it right again. What lies in the way of another fault is left out. */
import { Redis } from 'ioredis';
import { backendFaults, type PlannedFault } from '../plan.js';
import { pause } from './backends.js';
import { type GatewayProcess, now } from './gateways.js';
import type { World } from './world.js';

type Names = readonly string[];

export class Faults {
  readonly #world: World;
  /** Of what something is wrong already: a gateway's process, a gateway's way to Redis, Redis itself. */
  readonly #busy = new Set<string>();
  readonly #running = new Set<Promise<void>>();

  constructor(world: World) {
    this.#world = world;
  }

  /** Begins a fault, which ends by itself. */
  begin(planned: PlannedFault): void {
    const { kind, target, forMs } = planned;
    const places = this.#placesOf(planned);
    if (places.some((place) => this.#busy.has(place))) return;
    for (const place of places) this.#busy.add(place);
    const fault = { kind, target, from: now(), to: Number.POSITIVE_INFINITY };
    this.#world.faults.push(fault);
    const running = this.#make(kind, target, forMs).finally(() => {
      fault.to = now();
      for (const place of places) this.#busy.delete(place);
      this.#running.delete(running);
    });
    this.#running.add(running);
  }

  /** Resolves when nothing is wrong any more; rejects when something could not be made right. */
  async over(): Promise<void> {
    await Promise.all(this.#running);
    for (const backend of this.#world.backends) backend.heal();
  }

  #placesOf({ kind, target }: PlannedFault): string[] {
    if (target === 'redis') {
      const ways = this.#world.gateways.map(({ name }) => `way of ${name}`);
      return kind === 'redis-cut' || kind === 'redis-slow' ? ways : ['redis'];
    }
    if (kind.startsWith('re') && kind !== 'reload') return [`way of ${target}`];
    return [target];
  }

  #make(kind: string, target: string, forMs: number): Promise<void> {
    const { backends, gateways, clients } = this.#world;
    if (target === 'clients') return Promise.resolve(clients.storm());
    if (target === 'redis') return this.#redisFault(kind, forMs);
    if ((backendFaults as Names).includes(kind)) {
      return backends.find(({ name }) => name === target)!.fault(kind as (typeof backendFaults)[number], forMs);
    }
    return gatewayFault(gateways.find(({ name }) => name === target)!, kind, forMs);
  }

  async #redisFault(kind: string, forMs: number): Promise<void> {
    const { redis, gateways } = this.#world;
    if (kind === 'redis-kill') {
      redis.kill();
      await pause(forMs);
      await redis.start();
    } else if (kind === 'redis-pause') {
      redis.pause();
      await pause(forMs);
      redis.resume();
    } else if (kind === 'script-flush') {
      const client = new Redis(redis.port, '127.0.0.1', { lazyConnect: true, retryStrategy: () => null });
      client.on('error', () => {});
      await client.script('FLUSH').catch(() => {});
      client.disconnect();
    } else await Promise.all(gateways.map((gateway) => wayFault(gateway, kind, forMs)));
  }
}

async function gatewayFault(gateway: GatewayProcess, kind: string, forMs: number): Promise<void> {
  if (kind === 'kill' || kind === 'stop') {
    await gateway[kind]();
    await pause(forMs / 2);
    await gateway.begin();
  } else if (kind === 'stall') {
    gateway.signal('SIGSTOP');
    await pause(forMs);
    gateway.signal('SIGCONT');
  } else if (kind === 'reload') gateway.reload();
  else await wayFault(gateway, kind, forMs);
}

/** Between one gateway and Redis. */
async function wayFault({ proxy }: GatewayProcess, kind: string, forMs: number): Promise<void> {
  // Some of the delays are within the deadline of a decision, some are not.
  if (kind === 'redis-slow') proxy.delay(forMs / 40);
  else if (kind === 'redis-cut') proxy.cut();
  else if (kind === 'redis-hole') proxy.blackHole();
  else if (kind === 'reply-lost') await lostReplies(proxy, forMs);
  if (kind !== 'reply-lost') await pause(forMs);
  proxy.pass();
}

/** One reply after the other, each of a new connection. */
async function lostReplies(proxy: GatewayProcess['proxy'], forMs: number): Promise<void> {
  const until = now() + forMs;
  while (now() < until) {
    proxy.loseNextReply();
    await pause(60);
  }
}
