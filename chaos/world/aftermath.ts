/** What is left when nobody asks any more. */
import { createLimiter } from '@headgate/core';
import { redisStore } from '@headgate/redis';
import { Redis } from 'ioredis';
import type { Aftermath, Counted } from '../history.js';
import { identities, policyOf, rules } from '../rules.js';
import { pause } from './backends.js';
import { now } from './gateways.js';
import type { World } from './world.js';

/** After the last lease of somebody who was killed has lapsed, and the last settlement was written. */
const patienceMs = rules.leaseMs + 50_000;
const moreThanMayRun = 5;

/**
 * Slots of those who were killed come back when their leases lapse: asks for more at once than may run until as many run as
 * may. Whoever waits too long gives up and asks again.
 */
export async function ranAtOnce(world: World): Promise<number> {
  for (const backend of world.backends) backend.hang();
  const running = (): number => world.backends.reduce((sum, backend) => sum + backend.running, 0);
  const until = now() + patienceMs;
  let most = 0;
  let isOver = false;
  const workers = Array.from({ length: rules.house + moreThanMayRun }, async (_, index) => {
    const { name, port } = world.gateways[index % world.gateways.length]!;
    while (!isOver) {
      await world.clients.ask({ identity: 'plain', gateway: name, port, answerTokens: 1, stream: true });
      await pause(50);
    }
  });
  while (now() < until && most < rules.house) {
    await pause(20);
    most = Math.max(most, running());
  }
  // Whether there are more, too.
  for (let times = 0; times < 20; times++) {
    await pause(20);
    most = Math.max(most, running());
  }
  isOver = true;
  world.clients.storm();
  await Promise.all(workers);
  for (const backend of world.backends) backend.heal();
  return most;
}

/** What the counters hold, asked past the faulty ways. */
export async function countersIn(world: World): Promise<Pick<Aftermath, 'counted' | 'keysWithoutExpiry'>> {
  const client = new Redis(world.redis.port, '127.0.0.1');
  const policy = policyOf({
    ...{ profile: { onDown: 'closed', durable: true }, gateway: 'chaos', redisPort: world.redis.port, version: 0 },
    backendPorts: world.backends.map(({ port }) => port),
  });
  const store = redisStore(client, { prefix: 'chaos' });
  const limiter = createLimiter(policy, { store });
  try {
    await store.connected;
    const counted: Counted[] = [];
    for (const identity of identities) counted.push(await countedOf(limiter, identity));
    return { counted, keysWithoutExpiry: await withoutExpiry(client) };
  } finally {
    await limiter.close();
    client.disconnect();
  }
}

async function countedOf(limiter: ReturnType<typeof createLimiter>, identity: string): Promise<Counted> {
  const tier = identity.split('-', 1)[0]!;
  for (let tries = 0; tries < 20; tries++) {
    const states = await limiter.peek({ identity: { id: identity, tier }, operation: 'chat' });
    const used = (name: string): number | undefined => {
      const state = states.find((one) => one.name === name);
      return state === undefined ? undefined : state.limit - state.remaining;
    };
    const [requests, tokens] = [used('counted'), used('spent')];
    if (requests !== undefined && tokens !== undefined) return { identity, requests, tokens };
    await pause(100);
  }
  throw new Error(`the counters of ${identity} cannot be read`);
}

/** Of the keys that count; those of the queue of jobs live as long as it does. */
async function withoutExpiry(client: Redis): Promise<string[]> {
  const keys = await client.keys('chaos:*');
  const lifetimes = await Promise.all(keys.map((key) => client.pttl(key)));
  return keys.filter((_, index) => lifetimes[index] === -1);
}
