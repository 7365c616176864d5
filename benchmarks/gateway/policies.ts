/** The policies of our rows. The six layers are those of the example, with amounts that are never reached. */
import { readFileSync } from 'node:fs';
import { parse } from 'yaml';
import { apiKey } from './workloads.js';

export const gatewayVariants = ['no limits', 'one limit', 'six layers', 'six layers, Redis'] as const;
export type GatewayVariant = (typeof gatewayVariants)[number];

const slots = 100_000;
/** Found from the sources, where tests run, and from what was compiled of them. */
const root = new URL(import.meta.url.includes('/dist/') ? '../../../' : '../../', import.meta.url);
const layersFile = new URL('examples/policies/six-layers.yaml', root);

export interface PolicyPlace {
  readonly backendPort: number;
  readonly accessLog: string;
  readonly redisPort: number | undefined;
}

export function policyOf(variant: GatewayVariant, { backendPort, accessLog, redisPort }: PolicyPlace): object {
  const shared = {
    backends: [{ url: `http://127.0.0.1:${backendPort}`, slots, name: 'gpu0' }],
    client: { connections: 100_000 },
    queue: { depth: 100_000, wait: '30s' },
    log: { access: accessLog },
  };
  if (variant === 'no limits') return shared;
  if (variant === 'one limit') return { requests: '1M/s', ...shared };
  const store = variant === 'six layers' ? {} : { store: `redis://127.0.0.1:${redisPort}` };
  return { ...sixLayers(), ...shared, ...store };
}

interface SixLayers {
  identity: { apiKey: { keys: Record<string, object> } }[];
  tiers: Record<string, object>;
  limits: object[];
}

function sixLayers(): object {
  const policy = parse(readFileSync(layersFile, 'utf8')) as SixLayers;
  const [{ apiKey: credentials }] = policy.identity as [SixLayers['identity'][0]];
  credentials.keys = { [apiKey]: { id: 'hobby', tier: 'free' } };
  policy.tiers.free = {
    ...policy.tiers.free,
    requests: '1M/s',
    tokens: [
      { limit: '1000000M', per: 'hour', alertAt: '80%' },
      { limit: '1000000M', per: 'day', alertAt: '80%' },
    ],
    cost: { limit: '$1000000000', per: 'day', alertAt: '80%' },
    concurrency: 100_000,
    run: { toolCalls: 1_000_000_000, depth: 5, time: '24h', tokens: '1000000M' },
  };
  policy.limits = [
    { name: 'spend', per: 'all', cost: '$1000000000/hour', alertAt: '80%' },
    { name: 'house', per: 'all', concurrency: 100_000 },
  ];
  return policy;
}
