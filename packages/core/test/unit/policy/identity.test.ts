import { describe, expect, test } from 'vitest';
import { isTrustedProxy } from '../../../src/identity/sources.js';
import { type ParseOptions, parsePolicy } from '../../../src/policy/parse.js';
import type { ApiKeySource } from '../../../src/policy/policy.js';

const sources = (identity: unknown, more: object = {}, options: ParseOptions = {}) =>
  parsePolicy({ identity, ...more }, options).identity;
const apiKey = (settings: unknown, more: object = {}, options: ParseOptions = {}) =>
  sources([{ apiKey: settings }], more, options)[0] as ApiKeySource;

/** A reference as policies write it: the name in braces after a dollar sign. */
const variable = (name: string) => `\${${name}}`;

const hash = '9F86D081884C7D659A2FEAA0C55AD015A3BF4F1B2B0B822CD15D6C15B0F00A08';

describe('API keys', () => {
  test('plain, hashed and from the environment', () => {
    const source = apiKey(
      {
        from: ['authorization', 'x-api-key', 'path', 'header:X-Team-Key'],
        keys: {
          'sk-admin': { id: 'admin', tier: 'premium', weight: 2, priority: 'low' },
          [`sha256:${hash}`]: { id: 'service' },
          [variable('BATCH_KEY')]: { id: 'batch' },
        },
      },
      { tiers: { premium: {} } },
      { env: { BATCH_KEY: 'sk-batch' } },
    );
    expect(source).toEqual({
      kind: 'apiKey',
      from: ['authorization', 'x-api-key', 'path', 'header:x-team-key'],
      unknown: 'refuse',
      newNames: { amount: 1000, periodMs: 3_600_000 },
      keys: [
        { plain: 'sk-admin', id: 'admin', tier: 'premium', weight: 2, priority: 'low' },
        { sha256: hash.toLowerCase(), id: 'service', weight: 1 },
        { plain: 'sk-batch', id: 'batch', weight: 1 },
      ],
    });
  });
  test('an unknown key is refused once keys are declared, and a name before that', () => {
    expect(apiKey({ keys: { k: { id: 'a' } } }).unknown).toBe('refuse');
    expect(apiKey({}).unknown).toBe('accept');
    expect(apiKey(null).unknown).toBe('accept');
    expect(apiKey({ keys: { k: { id: 'a' } }, unknown: 'ignore' }).unknown).toBe('ignore');
  });
  test('new names per address', () => {
    expect(apiKey({ unknown: 'accept', newNames: '50/min' }).newNames).toEqual({ amount: 50, periodMs: 60_000 });
  });
  test("a key without a tier has its source's", () => {
    const source = apiKey(
      { tier: 'free', keys: { k: { id: 'a' }, l: { id: 'b', tier: 'pro' } } },
      { tiers: { free: {}, pro: {} } },
    );
    expect(source.tier).toBe('free');
    expect(source.keys.map(({ tier }) => tier)).toEqual(['free', 'pro']);
  });
  test('two keys may be one identity', () => {
    expect(apiKey({ keys: { k: { id: 'a', weight: 2 }, l: { id: 'a', weight: 2 } } }).keys).toHaveLength(2);
  });
});

test('JSON web tokens', () => {
  expect(sources([{ jwt: { jwks: 'https://idp.example/jwks', issuer: 'https://idp.example', tier: 'plan' } }])).toEqual(
    [
      {
        ...{ kind: 'jwt', jwks: 'https://idp.example/jwks', issuer: 'https://idp.example', id: 'sub', tier: 'plan' },
        clockToleranceMs: 30_000,
      },
    ],
  );
});

describe('headers in which a server in front names its user', () => {
  const header = (settings: object) => sources([{ header: settings }], { tiers: { free: {} } });

  test('are believed of addresses, of networks, or behind so many proxies', () => {
    const name = 'X-OpenWebUI-User-Id';
    expect(header({ name, trustProxy: 1, tier: 'free' })).toEqual([
      { kind: 'header', name: 'x-openwebui-user-id', trustProxy: 1, tier: 'free' },
    ]);
    expect(header({ name, trustProxy: '10.0.0.5' })).toMatchObject([{ trustProxy: ['10.0.0.5'] }]);
    expect(header({ name, trustProxy: ['10.0.0.0/8', 'fd00::/8'] })).toMatchObject([
      { trustProxy: ['10.0.0.0/8', 'fd00::/8'] },
    ]);
  });

  test.each([
    ['nobody to believe', { name: 'x-user' }],
    ['nobody to believe, in numbers', { name: 'x-user', trustProxy: 0 }],
    ['a host name', { name: 'x-user', trustProxy: 'webui' }],
    ['a network that is none', { name: 'x-user', trustProxy: '10.0.0.0/33' }],
    ['an empty list', { name: 'x-user', trustProxy: [] }],
    ['a header that holds a key', { name: 'Authorization', trustProxy: 1 }],
    ['no header', { name: 'x user', trustProxy: 1 }],
    ['a tier that does not exist', { name: 'x-user', trustProxy: 1, tier: 'paid' }],
  ])('are refused with %s', (_, settings) => {
    expect(() => header(settings)).toThrow('identity[0].header');
  });
});

test('addresses', () => {
  expect(sources([{ address: null }])).toEqual([{ kind: 'address', trustProxy: 0, ipv6Prefix: 64 }]);
  expect(sources([{ address: { trustProxy: 1, ipv6Prefix: 56, tier: 'free' } }], { tiers: { free: {} } })).toEqual([
    { kind: 'address', trustProxy: 1, ipv6Prefix: 56, tier: 'free' },
  ]);
});

test('addresses are read behind the proxies that `client` speaks of, wherever an address source does not say', () => {
  const client = { trustProxy: 2 };
  const address = { kind: 'address', trustProxy: 2, ipv6Prefix: 64 };
  expect(parsePolicy({ client }).identity.at(-1)).toEqual(address);
  expect(sources([{ address: {} }], { client })).toEqual([address]);
  expect(sources([{ address: { trustProxy: 2 } }], { client })).toEqual([address]);
  expect(() => sources([{ address: { trustProxy: 1 } }], { client })).toThrow(
    'expected 2 as in `client.trustProxy`; say it there alone',
  );
});

test('sources keep their order', () => {
  const header = { header: { name: 'x-user', trustProxy: 1 } };
  const kindsOf = (given: object[]) => sources([...given, { address: {} }]).map(({ kind }) => kind);
  expect(kindsOf([header, { apiKey: {} }])).toEqual(['header', 'apiKey', 'address']);
  expect(kindsOf([{ apiKey: {} }, header])).toEqual(['apiKey', 'header', 'address']);
});

test('variables of the environment stand in any value', () => {
  const policy = parsePolicy(
    { admin: { key: variable('ADMIN_KEY') }, backends: [`http://${variable('HOST')}:11434`], keys: variable('KEYS') },
    { env: { ADMIN_KEY: 'secret', HOST: 'gpu.example', KEYS: '50k' } },
  );
  expect(policy.admin).toEqual({ key: 'secret' });
  expect(policy.backends[0]?.url).toBe('http://gpu.example:11434');
  expect(policy.keysMax).toBe(50_000);
});

/** Of this machine, a private network or one of a provider's own, or of the world. */
const near = {
  ...{ '127.0.0.1': true, '::1': true, '::ffff:127.0.0.1': true, '10.0.0.5': true, '::ffff:10.0.0.5': true },
  ...{ '172.16.0.1': true, '172.31.9.9': true, '192.168.1.5': true, '100.64.0.1': true, '169.254.1.1': true },
  ...{ 'fd00::1': true, 'fe80::1%eth0': true, '172.32.0.1': false, '192.0.2.1': false, '::ffff:192.0.2.1': false },
  ...{ '2001:db8::1': false, '8.8.8.8': false, '': false },
};

test.each<[string, object, Record<string, boolean>]>([
  ['none that is named', { identity: [{ address: {} }] }, { '10.0.0.5': false }],
  ['any that is near, by their number', { identity: [{ address: { trustProxy: 1 } }] }, near],
  [
    'any that is near, by their number, whoever is recognised',
    { identity: [{ apiKey: {} }], client: { trustProxy: 1 } },
    near,
  ],
  [
    'any that is near, by their number, for a header',
    { identity: [{ header: { name: 'x-user', trustProxy: 1 } }] },
    near,
  ],
  [
    'those with these addresses',
    { identity: [{ header: { name: 'x-user', trustProxy: ['10.0.0.0/8', 'fd00::/8'] } }] },
    { '10.0.0.5': true, '::ffff:10.0.0.5': true, 'fd00::1': true, '192.0.2.1': false, '': false },
  ],
])('a trusted proxy is %s', (_, given, peers) => {
  const policy = parsePolicy(given);
  for (const [peer, expected] of Object.entries(peers)) expect(isTrustedProxy(policy, peer), peer).toBe(expected);
});
