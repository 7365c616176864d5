/** What the gateways are told, and what of that the checker knows. */
import type { Profile, Rules } from './history.js';

export const backendNames = ['b1', 'b2', 'b3', 'b4'] as const;
export const prompt = 'Say something that takes a while, please.';
export const model = 'llama3.2';

export const rules: Rules = {
  gateways: 3,
  slots: 3,
  house: 10,
  bucket: { burst: 10, perSecond: 8 },
  window: { tokens: 1_500, periodMs: 5_000 },
  leaseMs: 15_000,
  prompt: Math.ceil(prompt.length / 4) + 4,
  answerMax: 30,
};

/** Who asks. `paced` have a bucket, `spender` a window, the others nothing of their own; a `leaver` never waits for the end. */
export const identities = ['paced-1', 'paced-2', 'spender', 'plain', 'leaver', 'fair-long', 'fair-short'] as const;
export type Identity = (typeof identities)[number];

export const keyFor = (identity: string): string => `sk-${identity}`;
const tierOf = (identity: string): string => identity.split('-', 1)[0]!;

export interface PolicyOptions {
  readonly profile: Profile;
  readonly gateway: string;
  readonly redisPort: number;
  readonly backendPorts: readonly number[];
  /** Changes with each reload, and changes nothing that is checked. */
  readonly version: number;
}

export function policyOf({ profile, gateway, redisPort, backendPorts, version }: PolicyOptions): object {
  const { bucket, window, house, slots } = rules;
  const keys = identities.map((id) => [keyFor(id), { id, tier: tierOf(id) }] as const);
  return {
    store: { redis: `redis://127.0.0.1:${redisPort}`, prefix: 'chaos', onDown: profile.onDown },
    identity: [{ apiKey: { keys: Object.fromEntries(keys) } }],
    tiers: {
      paced: { requests: `${bucket.perSecond}/s burst ${bucket.burst}` },
      spender: { tokens: `${window.tokens}/${window.periodMs / 1000}s rolling` },
      plain: {},
      leaver: {},
      fair: {},
    },
    limits: [
      { name: 'counted', requests: '1000M/month calendar' },
      { name: 'spent', tokens: '1000M/month calendar' },
      { name: 'house', per: 'all', concurrency: house },
    ],
    reserve: 'strict',
    queue: { depth: 100 + (version % 2), wait: '5s' },
    pool: {
      pick: version % 3 === 0 ? 'round-robin' : 'least-wait',
      health: { every: '500ms', timeout: '300ms', rise: 1, fall: 3 },
      eject: { failures: 3, for: '1s' },
      timeout: { connect: '500ms', firstByte: '2s', idle: '2s', total: '10s' },
    },
    client: { connections: 1000, keepAlive: '1s' },
    backends: backendPorts.map((port, index) => ({
      url: `http://127.0.0.1:${port}`,
      name: backendNames[index],
      slots,
      headers: { 'x-gateway': gateway },
    })),
    drain: '2s',
  };
}
