/** The keys of the policy language as paths, and policies that say one of them. */
import { policySchema } from '../../packages/core/src/policy/schema/policy.js';

type Json = {
  properties?: Record<string, Json>;
  additionalProperties?: Json | false;
  items?: Json;
  anyOf?: Json[];
  $ref?: string;
  $defs?: Record<string, Json>;
};

const measures = [
  'requests',
  'tokens',
  'inputTokens',
  'outputTokens',
  'cost',
  'gpuSeconds',
  'concurrency',
  'toolCalls',
];

/**
 * Every key of the schema, as the documentation spells paths: `limits[].match.model`, `prices.<model>.input`. What is the same in
 * several places is named once: a tier's keys at the top, the keys of `match` without those of `not`, a limit's object form by
 * whichever measure the documentation takes for it.
 */
export function keysOfSchema(): Set<string> {
  const schema = policySchema.toJSONSchema({ io: 'input' }) as Json;
  const keys = new Set<string>();
  const walk = (node: Json, path: string, inMatch: boolean): void => {
    const target = node.$ref === undefined ? node : schema.$defs![node.$ref.split('/').at(-1)!]!;
    for (const branch of target.anyOf ?? []) walk(branch, path, inMatch);
    if (target.items !== undefined) walk(target.items, isTierMeasure(path) ? path : `${path}[]`, inMatch);
    const open = target.additionalProperties;
    if (typeof open === 'object' && hasKeys(open)) walk(open, `${path}.<name>`, inMatch);
    for (const [name, property] of Object.entries(target.properties ?? {})) {
      const key = path === '' ? name : `${path}.${name}`;
      if (key.startsWith('tiers.<name>.')) continue;
      keys.add(key);
      if (!inMatch || name !== 'not') walk(property, key, inMatch || name === 'match');
    }
  };
  walk(schema, '', false);
  return keys;
}

const isTierMeasure = (path: string): boolean => measures.includes(path);

function hasKeys(node: Json): boolean {
  return node.properties !== undefined || (node.anyOf ?? []).some(hasKeys);
}

/** Any measure has the same object form; the documentation shows each option with one of them. */
export function objectFormOption(key: string): string | undefined {
  const [measure = '', option, ...rest] = key.replace(/^limits\[\]\./, '').split('.');
  return measures.concat('failures').includes(measure) && option !== undefined
    ? [option, ...rest].join('.')
    : undefined;
}

/** What must stand beside a key for it to be one: required neighbours, and what the value refers to. */
const beside: readonly (readonly [path: RegExp, neighbours: Record<string, unknown>])[] = [
  [/^identity\[\]\.apiKey\.keys\.<key>$/, { id: 'team-b' }],
  [/^identity\[\]\.header$/, { name: 'x-user', trustProxy: 1 }],
  [/^identity\[\]\.jwt$/, { jwks: 'https://idp.example/keys' }],
  [/^backends\[\]$/, { url: 'http://127.0.0.1:11435' }],
  [/^alerts\[\]$/, { webhook: 'https://hooks.example/y' }],
  [/^store$/, { redis: 'redis://127.0.0.1:6380' }],
  [/^jobs\.callbacks$/, { hosts: ['hooks.example'], secret: 'a-secret' }],
  [/^concurrency$/, { limit: 5 }],
  [/^(requests|tokens)$/, { limit: 100, per: 'min' }],
];

/**
 * The smallest policy that says this: `value` at `key`, and around it what has to be there. Undefined leaves the key out.
 * A `<word>` in the path stands for any name.
 */
export function policySaying(key: string, value: unknown): Record<string, unknown> {
  const policy = put({ tiers: { free: {}, premium: {} } }, key, value);
  if (key.startsWith('limits[].')) completeEntry(policy, key);
  if (key === 'queue.aging') Object.assign(policy.queue as object, { priority: 'strict' });
  if (/cost$/.test(key)) policy.prices = { '*': { gpuSecond: '$0.001' } };
  return policy;
}

function put(policy: Record<string, unknown>, key: string, value: unknown): Record<string, unknown> {
  let node = policy;
  const segments = key.split('.');
  segments.forEach((segment, index) => {
    const path = segments.slice(0, index + 1).join('.');
    const name = segment.replace('[]', '').replace(/^<(\w+)>$/, '$1');
    if (index === segments.length - 1) {
      if (value !== undefined) node[name] = value;
      return;
    }
    const neighbours = { ...beside.find(([one]) => one.test(path))?.[1] };
    node[name] = segment.endsWith('[]') ? [neighbours] : neighbours;
    node = neighbours;
  });
  return policy;
}

function completeEntry(policy: Record<string, unknown>, key: string): void {
  const [entry] = policy.limits as [Record<string, unknown>];
  const { path: _, ...named } = entry;
  if (measures.concat('failures').some((measure) => measure in named)) return;
  if (key === 'limits[].block') entry.failures = '5/min';
  else if (key === 'limits[].queue') entry.concurrency = 5;
  else entry.requests = '60/min';
}
