/** Tokens that are right, and everything that makes one wrong. */
import type { JwtSource, TokenVerdict } from '@headgate/core';
import { VirtualClock } from '@headgate/core/testing';
import {
  base64url,
  exportJWK,
  exportSPKI,
  generateKeyPair,
  type JWK,
  type JWTPayload,
  SignJWT,
  UnsecuredJWT,
} from 'jose';
import { describe, expect, test } from 'vitest';
import { jwtVerifier } from '../../src/index.js';

const source: JwtSource = {
  kind: 'jwt',
  jwks: 'https://idp.example/jwks',
  issuer: 'https://idp.example',
  audience: 'llm',
  id: 'sub',
  clockToleranceMs: 30_000,
};
const minute = 60_000;
const hour = 60 * minute;

type Pair = Awaited<ReturnType<typeof generateKeyPair>>;

async function pairOf(kid: string | undefined, alg = 'ES256'): Promise<{ pair: Pair; jwk: JWK }> {
  const pair = await generateKeyPair(alg, { extractable: true });
  return { pair, jwk: { ...(await exportJWK(pair.publicKey)), alg, ...(kid === undefined ? {} : { kid }) } };
}

const one = await pairOf('one');
const other = await pairOf('other');

/** A provider that is asked for its keys, and how often. */
class Provider {
  keys: readonly JWK[];
  asked = 0;
  answer: () => Response | Promise<Response> = () => Response.json({ keys: this.keys });

  constructor(...keys: JWK[]) {
    this.keys = keys;
  }

  readonly fetch = async (): Promise<Response> => {
    this.asked++;
    return this.answer();
  };
}

function setup(provider = new Provider(one.jwk)) {
  const clock = new VirtualClock();
  const verifyToken = jwtVerifier({ fetch: provider.fetch });
  const verify = (token: string, more: Partial<JwtSource> = {}): Promise<TokenVerdict> =>
    verifyToken(token, { ...source, ...more }, clock);
  const seconds = (): number => Math.floor(clock.wall() / 1000);
  const claims = (more: JWTPayload = {}): JWTPayload => ({
    sub: 'ann',
    iss: source.issuer!,
    aud: 'llm',
    exp: seconds() + 3600,
    ...more,
  });
  const sign = (payload: JWTPayload = claims(), key: Pair = one.pair, header: object = { alg: 'ES256', kid: 'one' }) =>
    new SignJWT(payload).setProtectedHeader(header as { alg: string }).sign(key.privateKey);
  return { clock, provider, verify, seconds, claims, sign };
}

const wrong = { valid: false, cause: 'wrong' };

describe('a token that is right', () => {
  test('shows its claims', async () => {
    const { verify, sign, claims } = setup();
    expect(await verify(await sign(claims({ plan: 'paid' })))).toMatchObject({
      valid: true,
      claims: { sub: 'ann', plan: 'paid' },
    });
  });

  test.each(['RS256', 'PS256', 'ES384', 'EdDSA'])('may be signed by %s', async (alg) => {
    const { pair, jwk } = await pairOf('k', alg);
    const { verify, sign, claims } = setup(new Provider(jwk));
    expect(await verify(await sign(claims(), pair, { alg, kid: 'k' }))).toMatchObject({ valid: true });
  });

  test('may be meant for several audiences, and need not name its key', async () => {
    const { verify, sign, claims } = setup();
    const token = await sign(claims({ aud: ['web', 'llm'] }), one.pair, { alg: 'ES256' });
    expect(await verify(token)).toMatchObject({ valid: true });
  });

  test('that names none of several keys is tried with each', async () => {
    const keys = [other, one].map(({ jwk: { kid: _, ...rest } }) => rest);
    const { verify, sign, claims } = setup(new Provider(...keys));
    expect(await verify(await sign(claims(), one.pair, { alg: 'ES256' }))).toMatchObject({ valid: true });
    const third = await generateKeyPair('ES256');
    expect(await verify(await sign(claims(), third, { alg: 'ES256' }))).toEqual(wrong);
  });

  test('needs no issuer and no audience where the policy asks for none', async () => {
    const clock = new VirtualClock();
    const { iss: _, aud: __, ...payload } = setup().claims();
    const { sign } = setup();
    const { issuer: ___, audience: ____, ...anybody } = source;
    const verdict = await jwtVerifier({ fetch: new Provider(one.jwk).fetch })(await sign(payload), anybody, clock);
    expect(verdict).toMatchObject({ valid: true });
  });
});

describe('time', () => {
  test('is that of the clock, with the tolerance of the policy, to the second', async () => {
    const { clock, verify, sign, claims, seconds } = setup();
    const token = await sign(claims({ exp: seconds() + 60, nbf: seconds() }));
    clock.advance(89_000);
    expect(await verify(token)).toMatchObject({ valid: true });
    clock.advance(1_000);
    expect(await verify(token)).toEqual({ valid: false, cause: 'expired' });
    expect(await verify(token, { clockToleranceMs: 120_000 })).toMatchObject({ valid: true });
  });

  test('before which a token does not hold makes it wrong', async () => {
    const { verify, sign, claims, seconds } = setup();
    expect(await verify(await sign(claims({ nbf: seconds() + 29 })))).toMatchObject({ valid: true });
    expect(await verify(await sign(claims({ nbf: seconds() + 31 })))).toEqual(wrong);
  });

  test('without which a token would hold for ever makes it wrong', async () => {
    const { verify, sign, claims } = setup();
    const { exp: _, ...payload } = claims();
    expect(await verify(await sign(payload))).toEqual(wrong);
  });
});

describe('an attack', () => {
  const { claims, sign } = setup();
  const part = (value: unknown): string => base64url.encode(JSON.stringify(value));

  test.each<[string, () => string | Promise<string>]>([
    ['without a signature (alg none)', () => new UnsecuredJWT(claims()).encode()],
    [
      'with alg none and a signature',
      async () => `${part({ alg: 'none' })}.${(await sign()).split('.').slice(1).join('.')}`,
    ],
    ['with alg None in other letters', () => `${part({ alg: 'NoNe', kid: 'one' })}.${part(claims())}.`],
    ['signed by another key under the right name', () => sign(claims(), other.pair)],
    ['signed by another key under its own name', () => sign(claims(), other.pair, { alg: 'ES256', kid: 'other' })],
    ['for another audience', () => sign(claims({ aud: 'web' }))],
    ['for no audience', () => sign(claims({ aud: [] }))],
    ['of another issuer', () => sign(claims({ iss: 'https://evil.example' }))],
    ['of an issuer that begins alike', () => sign(claims({ iss: 'https://idp.example.evil' }))],
    ['that names nobody', () => sign((({ sub: _, ...rest }) => rest)(claims()))],
    [
      'with a changed payload',
      async () => {
        const [head, , signature] = (await sign()).split('.');
        return `${head}.${part(claims({ sub: 'admin' }))}.${signature}`;
      },
    ],
    [
      'with a path for the name of its key',
      () => sign(claims(), one.pair, { alg: 'ES256', kid: '../../../etc/passwd' }),
    ],
    [
      'with a query for the name of its key',
      () => sign(claims(), one.pair, { alg: 'ES256', kid: "x' UNION SELECT 'key" }),
    ],
    [
      'with the name of a prototype for that of its key',
      () => sign(claims(), one.pair, { alg: 'ES256', kid: '__proto__' }),
    ],
    ['that brings its own key', async () => sign(claims(), other.pair, { alg: 'ES256', jwk: other.jwk })],
    [
      'that names its own set of keys',
      () => sign(claims(), other.pair, { alg: 'ES256', jku: 'https://evil.example/jwks' }),
    ],
    [
      'that names its own certificate',
      () => sign(claims(), other.pair, { alg: 'ES256', x5u: 'https://evil.example/c' }),
    ],
    [
      'with an extension that must be understood',
      () => `${part({ alg: 'ES256', kid: 'one', crit: ['x'], x: 1 })}.${part(claims())}.AA`,
    ],
    ['that is no JSON', () => 'eyJhbGciOi.eyJzdWIi.AAAA'],
    ['with an empty part', () => `${part({ alg: 'ES256' })}..`],
  ])('%s is wrong', async (_, make) => {
    expect(await setup(new Provider(one.jwk)).verify(await make())).toEqual(wrong);
  });

  test('with a shared secret made of the public key is wrong', async () => {
    const rsa = await pairOf('rsa', 'RS256');
    const secret = new TextEncoder().encode(await exportSPKI(rsa.pair.publicKey));
    const token = await new SignJWT(claims()).setProtectedHeader({ alg: 'HS256', kid: 'rsa' }).sign(secret);
    const { alg: _, ...jwk } = rsa.jwk;
    expect(await setup(new Provider(jwk)).verify(token)).toEqual(wrong);
  });

  test('with a secret among the keys of its provider is wrong: only key pairs count', async () => {
    const secret = new TextEncoder().encode('x'.repeat(32));
    const token = await new SignJWT(claims()).setProtectedHeader({ alg: 'HS256', kid: 's' }).sign(secret);
    const jwk = { kty: 'oct', k: base64url.encode(secret), alg: 'HS256', kid: 's' };
    expect(await setup(new Provider(jwk)).verify(token)).toEqual(wrong);
  });

  test('by a flood of names of keys asks the provider once in half a minute', async () => {
    const world = setup();
    await world.verify(await world.sign());
    for (let i = 0; i < 50; i++) {
      expect(await world.verify(await world.sign(world.claims(), one.pair, { alg: 'ES256', kid: `k${i}` }))).toEqual(
        wrong,
      );
    }
    expect(world.provider.asked).toBe(1);
    world.clock.advance(30_000);
    for (let i = 0; i < 50; i++)
      await world.verify(await world.sign(world.claims(), one.pair, { alg: 'ES256', kid: `l${i}` }));
    expect(world.provider.asked).toBe(2);
  });
});

describe('the keys', () => {
  test('are had once, however many ask at the same time', async () => {
    const { provider, verify, sign } = setup();
    const token = await sign();
    const verdicts = await Promise.all(Array.from({ length: 20 }, () => verify(token)));
    expect(verdicts.every(({ valid }) => valid)).toBe(true);
    expect(provider.asked).toBe(1);
  });

  test('that are changed over are known with the first token that they sign', async () => {
    const { clock, provider, verify, sign, claims } = setup();
    await verify(await sign());
    clock.advance(minute);
    provider.keys = [other.jwk];
    expect(await verify(await sign(claims(), other.pair, { alg: 'ES256', kid: 'other' }))).toMatchObject({
      valid: true,
    });
    expect(await verify(await sign())).toEqual(wrong);
    expect(provider.asked).toBe(2);
  });

  test('that are taken back are not believed for longer than it takes to ask again', async () => {
    const { clock, provider, verify, sign } = setup();
    await verify(await sign());
    provider.keys = [other.jwk];
    clock.advance(10 * minute);
    await verify(await sign());
    await new Promise((resolve) => setImmediate(resolve));
    expect(await verify(await sign())).toEqual(wrong);
  });

  test('are believed for a day while the provider is down, and asked for all the while', async () => {
    const { clock, provider, verify, sign, claims, seconds } = setup();
    const token = await sign(claims({ exp: seconds() + 3 * 24 * 3600 }));
    await verify(token);
    provider.answer = () => Promise.reject(new Error('down'));
    clock.advance(23 * hour);
    expect(await verify(token)).toMatchObject({ valid: true });
    clock.advance(2 * hour);
    expect(await verify(token)).toEqual({ valid: false, cause: 'unavailable' });
    provider.answer = () => Response.json({ keys: provider.keys });
    clock.advance(30_000);
    expect(await verify(token)).toMatchObject({ valid: true });
  });

  test.each<[string, () => Response | Promise<Response>]>([
    ['an error', () => new Response('no', { status: 500 })],
    ['no JSON', () => new Response('<html>')],
    ['something else', () => Response.json({ keys: 'none' })],
    ['keys that are none', () => Response.json({ keys: [1, null] })],
    ['more than any set of keys', () => new Response(' '.repeat(300_000))],
    ['nothing at all', () => Promise.reject(new TypeError('fetch failed'))],
  ])('that cannot be had, for %s, make nobody wrong, and are asked for again in five seconds', async (_, answer) => {
    const { clock, provider, verify, sign } = setup();
    provider.answer = answer;
    const token = await sign();
    expect(await verify(token)).toEqual({ valid: false, cause: 'unavailable' });
    expect(await verify(token)).toEqual({ valid: false, cause: 'unavailable' });
    expect(provider.asked).toBe(1);
    provider.answer = () => Response.json({ keys: provider.keys });
    clock.advance(5_000);
    expect(await verify(token)).toMatchObject({ valid: true });
  });

  test('of each provider are its own', async () => {
    const clock = new VirtualClock();
    const fetch = async (url: unknown) => Response.json({ keys: [String(url).includes('two') ? other.jwk : one.jwk] });
    const verifyToken = jwtVerifier({ fetch: fetch as typeof globalThis.fetch });
    const { sign } = setup();
    const token = await sign();
    expect(await verifyToken(token, source, clock)).toMatchObject({ valid: true });
    expect(await verifyToken(token, { ...source, jwks: 'https://two.example/jwks' }, clock)).toEqual(wrong);
  });
});
