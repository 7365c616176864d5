import { afterEach, describe, expect, test, vi } from 'vitest';
import { createLimiter } from '../../../src/create-limiter.js';
import { type Caller, Identifier } from '../../../src/identity/identify.js';
import type { VerifyToken } from '../../../src/identity/token.js';
import { sha256Hex } from '../../../src/kernel/sha256.js';
import { parsePolicy } from '../../../src/policy/parse.js';
import { VirtualClock } from '../../../src/testing/virtual-clock.js';
import { hour } from '../../support/fixtures.js';

function identifierOf(policy: object, verifyToken?: VerifyToken) {
  const clock = new VirtualClock();
  const rules = parsePolicy(policy);
  const identifier = new Identifier({ policy: () => rules, clock, verifyToken });
  const ask = (headers: Record<string, string> = {}, more: Partial<Caller> = {}) =>
    identifier.identify({ headers, remoteAddress: '203.0.113.7', path: '/api/chat', ...more });
  return { clock, ask };
}

const bearer = (key: string) => ({ authorization: `Bearer ${key}` });

const declared = {
  identity: [{ apiKey: { keys: { 'sk-admin': { id: 'admin', tier: 'premium' }, 'sk-plain': { id: 'plain' } } } }],
  tiers: { premium: {} },
};

describe('who is asking, with declared keys', () => {
  test.each([
    ['authorization', bearer('sk-admin')],
    ['authorization in small letters', { authorization: 'bearer  sk-admin ' }],
    ['authorization without a scheme', { authorization: 'sk-admin' }],
    ['x-api-key', { 'x-api-key': 'sk-admin' }],
  ])('a key in %s is known', async (_, headers) => {
    const { ask } = identifierOf(declared);
    expect(await ask(headers)).toEqual({ identity: { id: 'admin' }, path: '/api/chat' });
  });

  test.each([
    ['no key', {}],
    ['an empty one', bearer('')],
    ['a wrong one', bearer('sk-admin2')],
    ['almost the right one', bearer('sk-admi')],
    ['the id of one', bearer('admin')],
    ['one of a megabyte', bearer('k'.repeat(1_000_000))],
  ])('%s is 401', async (_, headers) => {
    const { ask } = identifierOf(declared);
    expect(await ask(headers)).toMatchObject({ refusal: { reason: 'unauthorized', status: 401 } });
  });

  test('the first place that holds a key counts, the others are ignored', async () => {
    const { ask } = identifierOf(declared);
    expect(await ask({ ...bearer('sk-wrong'), 'x-api-key': 'sk-admin' })).toMatchObject({
      refusal: { reason: 'unauthorized' },
    });
    expect(await ask({ ...bearer('sk-plain'), 'x-api-key': 'sk-admin' })).toMatchObject({ identity: { id: 'plain' } });
    expect(await ask({ authorization: 'Bearer ', 'x-api-key': 'sk-admin' })).toMatchObject({
      identity: { id: 'admin' },
    });
  });

  test('a key declared by its hash is known, the hash itself is not', async () => {
    const hash = sha256Hex('sk-secret');
    const { ask } = identifierOf({ identity: [{ apiKey: { keys: { [`sha256:${hash}`]: { id: 'hashed' } } } }] });
    expect(await ask(bearer('sk-secret'))).toMatchObject({ identity: { id: 'hashed' } });
    expect(await ask(bearer(`sha256:${hash}`))).toMatchObject({ refusal: { reason: 'unauthorized' } });
    expect(await ask(bearer(hash))).toMatchObject({ refusal: { reason: 'unauthorized' } });
  });

  test('an unknown key falls to the next source where it is ignored', async () => {
    const { ask } = identifierOf({
      identity: [{ apiKey: { unknown: 'ignore', keys: { 'sk-a': { id: 'a' } } } }, { address: { tier: 'free' } }],
      tiers: { free: {} },
    });
    expect(await ask(bearer('sk-a'))).toMatchObject({ identity: { id: 'a' } });
    const byAddress = { identity: { id: 'address:203.0.113.7', tier: 'free' } };
    expect(await ask(bearer('sk-other'))).toMatchObject(byAddress);
    expect(await ask()).toMatchObject(byAddress);
  });

  test('a key in the path is cut out of it', async () => {
    const { ask } = identifierOf({ identity: [{ apiKey: { from: ['path'], keys: { 'sk-a': { id: 'a' } } } }] });
    expect(await ask({}, { path: '/k/sk-a/api/chat' })).toMatchObject({ identity: { id: 'a' }, path: '/api/chat' });
    expect(await ask({}, { path: '/k/sk-a' })).toMatchObject({ identity: { id: 'a' }, path: '/' });
    expect(await ask({}, { path: '/k/sk-b/api/chat' })).toMatchObject({ refusal: { reason: 'unauthorized' } });
    expect(await ask(bearer('sk-a'))).toMatchObject({ refusal: { reason: 'unauthorized' } });
  });
});

describe('who is asking, with any key for a name', () => {
  test('a key is a name that does not show the key, its absence the address', async () => {
    const { ask } = identifierOf({});
    const known = await ask(bearer('sk-very-secret'));
    expect(known).toMatchObject({ identity: { id: expect.stringMatching(/^key:[0-9a-f]{16}$/) } });
    expect(JSON.stringify(known)).not.toContain('secret');
    expect(await ask(bearer('sk-very-secret'))).toEqual(known);
    expect(await ask()).toMatchObject({ identity: { id: 'address:203.0.113.7' } });
  });

  test('an accepted name is of the tier that its source names', async () => {
    const { ask } = identifierOf({ identity: [{ apiKey: { unknown: 'accept', tier: 'free' } }], tiers: { free: {} } });
    expect(await ask(bearer('anything'))).toMatchObject({ identity: { tier: 'free' } });
  });

  test('one address brings so many new names, then counts as itself, and known names go on', async () => {
    const { clock, ask } = identifierOf({
      identity: [{ apiKey: { unknown: 'accept', newNames: '3/hour' } }, { address: {} }],
    });
    const kinds: string[] = [];
    for (let i = 0; i < 5; i++) {
      const who = await ask(bearer(`key-${i}`));
      kinds.push('identity' in who ? who.identity.id.split(':')[0]! : 'refused');
    }
    expect(kinds).toEqual(['key', 'key', 'key', 'address', 'address']);
    expect(await ask(bearer('key-0'))).toMatchObject({ identity: { id: expect.stringContaining('key:') } });
    expect(await ask(bearer('key-9'), { remoteAddress: '203.0.113.8' })).toMatchObject({
      identity: { id: expect.stringContaining('key:') },
    });
    clock.advance(hour + hour / 60);
    expect(await ask(bearer('key-4'))).toMatchObject({ identity: { id: expect.stringContaining('key:') } });
  });
});

describe('keys that are not known', () => {
  afterEach(() => vi.restoreAllMocks());

  const kinds = {
    unknown: 'sk-unknown-0001',
    'almost right': 'sk-admi',
    'of one letter': 'x',
    'of another alphabet': 'clé-é-ü-漢字',
    'of 16 KiB': 'k'.repeat(16_384),
    'with another scheme': 'Basic c2stYWRtaW46',
    'that looks like a digest': 'a'.repeat(64),
    'that looks like a token': 'eyJhbGciOiJub25lIn0.eyJzdWIiOiJhZG1pbiJ9.',
  };

  test.each(Object.entries(kinds))('%s: the same answer after the same steps, each time', async (_, key) => {
    const { ask } = identifierOf(declared);
    await ask();
    await ask(bearer('sk-admin'));
    // Once for each digest.
    const encode = vi.spyOn(TextEncoder.prototype, 'encodeInto');
    for (let times = 1; times <= 3; times++) {
      expect(await ask({ authorization: key.startsWith('Basic') ? key : `Bearer ${key}` })).toEqual({
        refusal: { reason: 'unauthorized', status: 401, message: 'this API key is not known here.' },
        failed: true,
        path: '/api/chat',
      });
      expect(encode).toHaveBeenCalledTimes(2 * times);
    }
  });

  test('nothing that depends on a key is compared with one that is known: the look-up is by a digest behind a secret', async () => {
    const seen: string[] = [];
    const get = vi.spyOn(Map.prototype, 'get').mockImplementation(function (this: Map<unknown, unknown>, key) {
      if (typeof key === 'string') seen.push(key);
      for (const [one, value] of this) if (one === key) return value;
      return undefined;
    });
    const { ask } = identifierOf(declared);
    await ask(bearer('sk-guess'));
    get.mockRestore();
    const hash = sha256Hex('sk-guess');
    expect(seen.filter((text) => /^[0-9a-f]{64}$/.test(text)).length).toBeGreaterThan(0);
    expect(seen.filter((text) => text.includes('sk-') || text === hash)).toEqual([]);
  });

  test('a key that is missing is 401 and no failure, one that is empty too', async () => {
    const { ask } = identifierOf(declared);
    for (const headers of [{}, bearer(''), { 'x-api-key': ' ' }]) {
      expect(await ask(headers)).toMatchObject({ refusal: { status: 401 }, failed: false });
    }
  });

  test('are not kept: a flood of them takes no memory to speak of', async () => {
    const { ask } = identifierOf(declared);
    const long = 'x'.repeat(8_000);
    const heapOf = async (from: number, to: number): Promise<number> => {
      for (let i = from; i < to; i++) await ask(bearer(`${long}${i}`));
      return process.memoryUsage().heapUsed;
    };
    const early = await heapOf(0, 2_000);
    const late = await heapOf(2_000, 17_000);
    // 15,000 keys of eight thousand letters are 114 MiB; what is left over is garbage that was not collected yet.
    expect((late - early) / 2 ** 20).toBeLessThan(80);
  });
});

describe('a header in which a server in front names its user', () => {
  const webui = (trustProxy: unknown) => ({
    identity: [
      { header: { name: 'X-OpenWebUI-User-Id', trustProxy, tier: 'free' } },
      { apiKey: { keys: { 'sk-1': { id: 'team-a' } } } },
    ],
    tiers: { free: {} },
  });
  const named = (user: string) => ({ 'x-openwebui-user-id': user });

  test.each([
    ['203.0.113.7', '203.0.113.7'],
    ['203.0.113.0/24', '::ffff:203.0.113.99'],
    [['198.51.100.1', '2001:db8::/32'], '2001:db8:1::5'],
    ['fe80::/10', 'fe80::1%eth0'],
    [1, '192.0.2.99'],
  ])('is believed of %j from %s', async (trustProxy, remoteAddress) => {
    const { ask } = identifierOf(webui(trustProxy));
    expect(await ask(named('u-1'), { remoteAddress })).toEqual({
      identity: { id: 'u-1', tier: 'free' },
      path: '/api/chat',
    });
  });

  test.each([
    ['203.0.113.7', '203.0.113.8'],
    ['203.0.113.0/24', '203.0.114.1'],
    ['10.0.0.0/8', '::a00:1'],
    ['2001:db8::/32', '2001:db9::1'],
    ['0.0.0.0/0', '2001:db8::1'],
    ['203.0.113.7', ''],
  ])('is not believed of %j from %s: the next source is asked', async (trustProxy, remoteAddress) => {
    const { ask } = identifierOf(webui(trustProxy));
    expect(await ask(named('u-1'), { remoteAddress })).toMatchObject({ refusal: { status: 401 }, failed: false });
    expect(await ask({ ...named('u-1'), ...bearer('sk-1') }, { remoteAddress })).toMatchObject({
      identity: { id: 'team-a' },
    });
  });

  test('counts for the peer alone, whatever X-Forwarded-For says of it', async () => {
    const { ask } = identifierOf(webui('10.0.0.5'));
    expect(await ask({ ...named('u-1'), 'x-forwarded-for': '10.0.0.5' })).toMatchObject({ refusal: { status: 401 } });
  });

  test.each([
    ['nothing', ''],
    ['a blank', ' '],
    ['words', 'Ann Example'],
    ['control characters', 'u\n1'],
    ['too much', 'u'.repeat(129)],
  ])('with %s names nobody', async (_, user) => {
    const { ask } = identifierOf(webui(1));
    expect(await ask(named(user))).toMatchObject({ refusal: { status: 401 } });
  });

  test('that stands twice names nobody', async () => {
    const { ask } = identifierOf(webui(1));
    const twice = { 'x-openwebui-user-id': ['u-1', 'u-2'] } as unknown as Record<string, string>;
    expect(await ask(twice)).toMatchObject({ refusal: { status: 401 } });
  });

  test.each(['team-a', 'address:203.0.113.7', 'key:0123456789abcdef', 'jwt:ann'])(
    'cannot name %s, who is somebody else here',
    async (user) => {
      const { ask } = identifierOf(webui(1));
      expect(await ask(named(user))).toMatchObject({ identity: { id: `user:${user}` } });
    },
  );
});

describe('JSON web tokens', () => {
  const token = 'eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJhbm4ifQ.c2ln';
  const jwt = { jwks: 'https://idp.example/jwks', tier: 'plan' };
  const policy = (...identity: object[]) => ({ identity, tiers: { free: {}, paid: {} } });
  const says =
    (verdict: Awaited<ReturnType<VerifyToken>>): VerifyToken =>
    async () =>
      verdict;
  const valid = (claims: Record<string, unknown>) => says({ valid: true, claims });

  test('name who asks, with the tier of their claim', async () => {
    const { ask } = identifierOf(policy({ jwt }), valid({ sub: 'ann', plan: 'paid' }));
    for (const headers of [bearer(token), { 'x-api-key': token }]) {
      expect(await ask(headers)).toEqual({ identity: { id: 'ann', tier: 'paid' }, path: '/api/chat' });
    }
  });

  test.each<[unknown, string | undefined]>([
    [['staff', 'free', 'paid'], 'free'],
    ['no-such-tier', undefined],
    ['constructor', undefined],
    [42, undefined],
    [undefined, undefined],
  ])('with %j for a plan are of tier %s', async (plan, tier) => {
    const { ask } = identifierOf(policy({ jwt }), valid({ sub: 'ann', plan }));
    expect(await ask(bearer(token))).toEqual({
      identity: { id: 'ann', ...(tier === undefined ? {} : { tier }) },
      path: '/api/chat',
    });
  });

  test('stand beside keys, whichever source comes first', async () => {
    const apiKey = { keys: { 'sk-1': { id: 'team-a' } } };
    for (const identity of [
      [{ apiKey }, { jwt }],
      [{ jwt }, { apiKey }],
    ]) {
      const { ask } = identifierOf(policy(...identity), valid({ sub: 'ann' }));
      expect(await ask(bearer(token))).toMatchObject({ identity: { id: 'ann' } });
      expect(await ask(bearer('sk-1'))).toMatchObject({ identity: { id: 'team-a' } });
      expect(await ask(bearer('sk-2'))).toMatchObject({ refusal: { status: 401 }, failed: true });
      expect(await ask()).toMatchObject({ refusal: { status: 401 }, failed: false });
    }
  });

  test('of any of several providers are known, and one that no provider knows is a failure', async () => {
    const identity = [{ jwt: { jwks: 'https://one/' } }, { jwt: { jwks: 'https://two/' } }];
    const knows =
      (jwks: string): VerifyToken =>
      async (_, source) =>
        source.jwks === jwks ? { valid: true, claims: { sub: jwks } } : { valid: false, cause: 'wrong' };
    for (const jwks of ['https://one/', 'https://two/']) {
      expect(await identifierOf(policy(...identity), knows(jwks)).ask(bearer(token))).toMatchObject({
        identity: { id: jwks },
      });
    }
    expect(await identifierOf(policy(...identity), knows('')).ask(bearer(token))).toMatchObject({
      refusal: { status: 401, message: 'this token is not valid here.' },
      failed: true,
    });
  });

  test.each([
    ['expired', 401, false],
    ['wrong', 401, true],
    ['unavailable', 503, false],
  ] as const)('%s: status %i, and whether it is a failure: %s', async (cause, status, failed) => {
    const { ask } = identifierOf(policy({ jwt }, { address: {} }), says({ valid: false, cause }));
    expect(await ask(bearer(token))).toMatchObject({ refusal: { reason: 'unauthorized', status }, failed });
  });

  test.each([[undefined], [''], ['Ann Example'], ['x'.repeat(129)], [{ a: 1 }], [['ann']], ['a\r\nb']])(
    'that name %j name nobody',
    async (sub) => {
      const { ask } = identifierOf(policy({ jwt }), valid({ sub }));
      expect(await ask(bearer(token))).toMatchObject({ refusal: { status: 401 }, failed: false });
    },
  );

  test('cannot name a declared key or an address', async () => {
    const identity = [{ apiKey: { keys: { 'sk-1': { id: 'team-a', tier: 'paid' } } } }, { jwt }];
    for (const sub of ['team-a', 'address:192.0.2.1', 'key:0123']) {
      const { ask } = identifierOf(policy(...identity), valid({ sub }));
      expect(await ask(bearer(token))).toEqual({ identity: { id: `jwt:${sub}` }, path: '/api/chat' });
    }
  });

  test('that are longer than any are wrong without being checked', async () => {
    let checked = 0;
    const { ask } = identifierOf(policy({ jwt }), async () => {
      checked++;
      return { valid: true, claims: { sub: 'ann' } };
    });
    expect(await ask(bearer(`eyJ${'a'.repeat(9_000)}.b.c`))).toMatchObject({ refusal: { status: 401 }, failed: true });
    expect(checked).toBe(0);
  });

  test('need something to check them with, from the start', () => {
    expect(() => createLimiter(policy({ jwt }))).toThrow('jwtVerifier from @headgate/jwt');
    const limiter = createLimiter({});
    return expect(limiter.reload(policy({ jwt }))).rejects.toMatchObject({ code: 'HG_NO_VERIFIER' });
  });
});
