/** Who asks, over real sockets: wrong keys, tokens of an identity provider, users of a server in front. */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { exportJWK, generateKeyPair, SignJWT } from 'jose';
import { beforeEach, describe, expect, it } from 'vitest';
import { stillTime } from '../../../../test/support/still-time.js';
import { atEnd, chat, generate, post, setup, until } from '../support/harness.js';

beforeEach(stillTime);

const keys = { 'sk-right-key': { id: 'team-a' } };
const guessing = { name: 'guessing', per: 'address', failures: '5/min', block: '15min' };
const bearer = (key: string) => ({ authorization: `Bearer ${key}` });

describe('wrong keys', () => {
  it('are 401 five times a minute and 429 from then on, in the dialect of the path; right ones still pass', async () => {
    const { url, log, gateway } = await setup({ identity: [{ apiKey: { keys } }], limits: [guessing] });
    for (let i = 0; i < 5; i++) {
      const answer = await post(`${url}/api/generate`, generate, bearer(`sk-guess-${i}`));
      expect([answer.status, answer.headers.get('www-authenticate')]).toEqual([401, 'Bearer']);
    }
    const blocked = await post(`${url}/v1/chat/completions`, chat, bearer('sk-guess-5'));
    expect(blocked.status).toBe(429);
    expect(Object.fromEntries(blocked.headers)).toMatchObject({
      'x-headgate-reason': 'blocked',
      'retry-after': '900',
      'x-should-retry': 'false',
    });
    expect(await blocked.json()).toMatchObject({ error: { type: 'rate_limit_error', code: 'rate_limit_exceeded' } });
    expect((await post(`${url}/api/generate`, generate, bearer('sk-right-key'))).status).toBe(200);
    expect((await post(`${url}/api/generate`, generate)).status).toBe(401);
    expect((await post(`${url}/api/generate`, generate, bearer('sk-guess-6'))).status).toBe(429);
    expect(gateway.limiter.stats().inFlight).toBe(0);
    expect(log.find(({ reason }) => reason === 'blocked')).toMatchObject({
      status: 429,
      limit: 'guessing',
      mode: 'enforce',
    });
    const metrics = await (await fetch(`${url}/metrics`)).text();
    expect(metrics).toContain('headgate_refusals_total{reason="blocked",limit="guessing",mode="enforce"} 2');
  });

  it('that are missing are 401, and never a failure', async () => {
    const { url } = await setup({ identity: [{ apiKey: { keys } }], limits: [guessing] });
    for (let i = 0; i < 20; i++) expect((await post(`${url}/api/generate`, generate)).status).toBe(401);
    expect((await post(`${url}/api/generate`, generate, bearer('sk-wrong'))).status).toBe(401);
  });

  it('are answered alike to the byte, whatever is wrong with them', async () => {
    const { url } = await setup({ identity: [{ apiKey: { from: ['authorization', 'x-api-key', 'path'], keys } }] });
    const answers = new Set<string>();
    for (const [path, headers] of [
      ['/api/generate', bearer('sk-right-ke')],
      ['/api/generate', bearer('x'.repeat(8_000))],
      ['/api/generate', { authorization: 'Basic dTpw' }],
      ['/api/generate', { 'x-api-key': 'nonsense' }],
      ['/k/sk-wrong/api/generate', {}],
    ] as const) {
      const answer = await post(url + path, generate, headers);
      const { date: _date, 'x-request-id': _id, ...rest } = Object.fromEntries(answer.headers);
      answers.add(JSON.stringify([answer.status, rest, await answer.text()]));
    }
    expect(answers.size).toBe(1);
  });

  it('in a dry run are told, and refused as ever', async () => {
    const { url, log } = await setup({ identity: [{ apiKey: { keys } }], limits: [{ ...guessing, mode: 'shadow' }] });
    for (let i = 0; i < 7; i++)
      expect((await post(`${url}/api/generate`, generate, bearer(`sk-${i}`))).status).toBe(401);
    expect(log.filter(({ mode }) => mode === 'shadow')).toMatchObject([
      { reason: 'blocked', limit: 'guessing', identity: 'address:127.0.0.1' },
      { reason: 'blocked', limit: 'guessing' },
    ]);
  });

  it.each([
    { identity: [{ apiKey: { keys } }, { address: { trustProxy: 1 } }] },
    { identity: [{ apiKey: { keys } }], client: { trustProxy: 1 } },
  ])('through a proxy count for the client that it names, and not for the proxy: %j', async (policy) => {
    const { url } = await setup({ ...policy, limits: [{ ...guessing, failures: '1/min' }] });
    const from = (client: string) =>
      post(`${url}/api/generate`, generate, { ...bearer('sk-x'), 'x-forwarded-for': client });
    const statuses = [];
    for (const client of ['192.0.2.1', '192.0.2.1', '192.0.2.2', 'forged, 192.0.2.1'])
      statuses.push((await from(client)).status);
    expect(statuses).toEqual([401, 429, 401, 429]);
    const keyless = await post(`${url}/api/generate`, generate, { 'x-forwarded-for': '192.0.2.3' });
    expect(keyless.status).toBe(policy.client === undefined ? 200 : 401);
  });
});

interface Provider {
  readonly jwks: string;
  asked(): number;
  /** Signs with new keys from now on. */
  rotate(): Promise<void>;
  token(claims: Record<string, unknown>, more?: { expiresIn?: string }): Promise<string>;
}

async function provider(): Promise<Provider> {
  let asked = 0;
  let made = 0;
  const make = async () => {
    const pair = await generateKeyPair('ES256', { extractable: true });
    const kid = `key-${++made}`;
    return { pair, kid, jwk: { ...(await exportJWK(pair.publicKey)), kid, alg: 'ES256' } };
  };
  let current = await make();
  const server = createServer((_request, response) => {
    asked++;
    response.setHeader('content-type', 'application/json').end(JSON.stringify({ keys: [current.jwk] }));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  atEnd(async () => server.closeAllConnections());
  atEnd(async () => server.close());
  return {
    jwks: `http://127.0.0.1:${(server.address() as AddressInfo).port}/jwks`,
    asked: () => asked,
    rotate: async () => {
      current = await make();
    },
    token: (claims, { expiresIn = '1h' } = {}) =>
      new SignJWT({ iss: 'https://idp.example', aud: 'llm', ...claims })
        .setProtectedHeader({ alg: 'ES256', kid: current.kid })
        .setExpirationTime(expiresIn)
        .sign(current.pair.privateKey),
  };
}

describe('JSON web tokens', () => {
  const policy = ({ jwks }: Provider) => ({
    identity: [{ apiKey: { keys } }, { jwt: { jwks, issuer: 'https://idp.example', audience: 'llm', tier: 'plan' } }],
    tiers: { paid: { requests: '2/min' } },
    requests: '1/min',
    limits: [guessing],
  });

  it('name who asks, with limits of their tier each, beside keys', async () => {
    const idp = await provider();
    const { url, log } = await setup(policy(idp));
    const [ann, bob] = [await idp.token({ sub: 'ann', plan: 'paid' }), await idp.token({ sub: 'bob' })];
    const statuses = [];
    for (const key of [ann, ann, ann, bob, bob, 'sk-right-key']) {
      statuses.push((await post(`${url}/api/generate`, generate, bearer(key))).status);
    }
    expect(statuses).toEqual([200, 200, 429, 200, 429, 200]);
    await until(() => log.length === 6, 'all are in the log');
    expect(log.map(({ identity, tier }) => `${identity} ${tier}`)).toEqual([
      ...Array(3).fill('ann paid'),
      ...Array(2).fill('bob default'),
      'team-a default',
    ]);
    expect(idp.asked()).toBe(1);
  });

  it('never reach a backend', async () => {
    const idp = await provider();
    const { url, backend } = await setup(policy(idp));
    const token = await idp.token({ sub: 'ann' });
    await post(`${url}/api/generate`, generate, bearer(token));
    expect(JSON.stringify(backend.seen[0]!.headers)).not.toContain(token.slice(0, 40));
  });

  it('that name a key nobody knows ask their provider at most once in half a minute', async () => {
    const idp = await provider();
    const { url } = await setup(policy(idp));
    expect((await post(`${url}/api/generate`, generate, bearer(await idp.token({ sub: 'ann' })))).status).toBe(200);
    await idp.rotate();
    expect((await post(`${url}/api/generate`, generate, bearer(await idp.token({ sub: 'bob' })))).status).toBe(401);
    expect(idp.asked()).toBe(1);
  });

  it('that are wrong count as failures, those that have expired do not', async () => {
    const idp = await provider();
    const { url } = await setup(policy(idp));
    const expired = await idp.token({ sub: 'ann' }, { expiresIn: '-2m' });
    for (let i = 0; i < 8; i++) {
      const answer = await post(`${url}/api/generate`, generate, bearer(expired));
      expect([answer.status, (await answer.json()).error]).toEqual([401, 'this token has expired.']);
    }
    const [head, , signature] = (await idp.token({ sub: 'ann' })).split('.');
    const forged = `${head}.${Buffer.from('{"sub":"admin","exp":9999999999}').toString('base64url')}.${signature}`;
    const statuses = [];
    for (let i = 0; i < 6; i++) statuses.push((await post(`${url}/api/generate`, generate, bearer(forged))).status);
    expect(statuses).toEqual([401, 401, 401, 401, 401, 429]);
  });

  it('that cannot be checked now are 503 with an instant to come back, and no failures', async () => {
    const { url } = await setup(policy({ ...(await provider()), jwks: 'http://127.0.0.1:9/jwks' }));
    const token = await (await provider()).token({ sub: 'ann' });
    for (let i = 0; i < 8; i++) {
      const answer = await post(`${url}/api/generate`, generate, bearer(token));
      expect([answer.status, answer.headers.get('retry-after')]).toEqual([503, '5']);
    }
  });
});

describe('the users of a server in front', () => {
  const name = 'x-openwebui-user-id';
  const policy = (trustProxy: unknown) => ({
    identity: [{ header: { name, trustProxy, tier: 'free' } }, { apiKey: { keys } }],
    tiers: { free: { requests: '1/min' } },
  });
  const as = (user: string) => ({ [name]: user, ...bearer('sk-right-key') });

  it('have limits each, and their names do not reach a backend', async () => {
    const { url, log, backend } = await setup(policy('127.0.0.0/8'));
    const statuses = [];
    for (const user of ['u-1', 'u-1', 'u-2'])
      statuses.push((await post(`${url}/api/generate`, generate, as(user))).status);
    expect(statuses).toEqual([200, 429, 200]);
    await until(() => log.length === 3, 'all are in the log');
    expect(log.map(({ identity, tier }) => [identity, tier])).toEqual([
      ['u-1', 'free'],
      ['u-1', 'free'],
      ['u-2', 'free'],
    ]);
    expect(backend.seen.flatMap(({ headers }) => Object.keys(headers))).not.toContain(name);
  });

  it('are not believed of anyone else: the key counts', async () => {
    const { url, log } = await setup(policy(['10.0.0.5', '::1']));
    for (const user of ['u-1', 'admin'])
      expect((await post(`${url}/api/generate`, generate, as(user))).status).toBe(200);
    await until(() => log.length === 2, 'both are in the log');
    expect(log.map(({ identity }) => identity)).toEqual(['team-a', 'team-a']);
  });
});
