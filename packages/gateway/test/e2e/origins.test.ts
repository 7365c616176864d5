import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, expect, it } from 'vitest';
import { stillTime } from '../../../../test/support/still-time.js';
import { startGateway } from '../../src/index.js';
import { type Answered, asker } from '../support/asking.js';
import { atEnd, chat, fake, gatewayFor, generate, isProbe, setup, until } from '../support/harness.js';

const near = 'http://localhost:3000';
const far = 'https://evil.example';
const generated = { method: 'POST', path: '/api/generate', body: generate };
const listed = (headers: Answered['headers'], name: string): string[] =>
  String(headers[name] ?? '')
    .toLowerCase()
    .split(',')
    .map((one) => one.trim());

describe('a web page of somebody else', () => {
  it.each([
    ['its origin', { origin: far }],
    ['no origin of its own', { origin: 'null' }],
    ['a name that was pointed at this machine', { host: 'evil.example:8080', origin: 'http://evil.example:8080' }],
    ['such a name, as a page that only reads', { host: 'evil.example' }],
    ['a name that looks local', { origin: 'http://localhost.evil.example' }],
  ])('with %s gets 403, arrives nowhere and costs nothing', async (_, headers) => {
    const { gateway, backend, log } = await setup({ requests: '10/min', concurrency: 1 });
    const ask = asker(gateway.port);
    const bodies = { '/api/chat': chat, '/v1/chat/completions': chat, '/v1/messages': { ...chat, max_tokens: 9 } };
    for (const [path, body] of Object.entries(bodies)) {
      const answer = await ask({ method: 'POST', path, body, headers: { ...headers, 'content-type': 'text/plain' } });
      expect(answer.status).toBe(403);
      expect(answer.headers).toMatchObject({
        'content-type': 'application/json',
        'x-headgate-reason': 'forbidden',
        'x-should-retry': 'false',
      });
      expect(answer.headers).not.toHaveProperty('access-control-allow-origin');
      expect(answer.text).toContain('guard.origins');
      expect(typeof (JSON.parse(answer.text) as { error: unknown }).error).toBe(
        path === '/api/chat' ? 'string' : 'object',
      );
    }
    expect(backend.seen).toHaveLength(0);
    expect(gateway.limiter.stats()).toMatchObject({ keys: 0, open: 0 });
    await until(() => log.length === 3, 'they are in the log');
    for (const line of log) expect(line).toMatchObject({ status: 403, reason: 'forbidden', address: '127.0.0.1' });
  });

  it('cannot have somebody blocked by guessing keys in a browser of theirs', async () => {
    const keys = { right: { id: 'a' } };
    const { gateway } = await setup({
      identity: [{ apiKey: { keys } }],
      limits: [{ failures: '1/min', per: 'address' }],
    });
    const ask = asker(gateway.port);
    const guess = { ...generated, headers: { origin: far, authorization: 'Bearer wrong' } };
    for (let times = 0; times < 5; times++) expect((await ask(guess)).status).toBe(403);
    expect((await ask({ ...guess, headers: { authorization: 'Bearer wrong' } })).status).toBe(401);
  });

  it('is kept out of jobs, and out with a key that stands in the path', async () => {
    const { gateway } = await setup({ identity: [{ apiKey: { from: ['path'], keys: { k1: { id: 'a' } } } }] });
    const ask = asker(gateway.port);
    for (const path of ['/jobs', '/jobs/1', '/k/k1/jobs', '/k/k1/api/generate']) {
      const answer = await ask({ method: 'POST', path, body: generate, headers: { origin: far } });
      expect([path, answer.status]).toEqual([path, 403]);
      expect(answer.headers['x-headgate-reason']).toBe('forbidden');
    }
  });

  it('gets what changes nothing as it does from Ollama, where its browser says no origin, and cannot read it', async () => {
    const { gateway } = await setup({});
    const headers = { 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'no-cors' };
    const answer = await asker(gateway.port)({ path: '/api/version', headers });
    expect(answer.status).toBe(200);
    expect(answer.headers).not.toHaveProperty('access-control-allow-origin');
  });
});

describe('the question of a browser before it asks for a page', () => {
  const asked = {
    method: 'OPTIONS',
    path: '/api/chat',
    headers: { origin: near, 'access-control-request-method': 'POST' },
  };

  it('is answered for a page that may ask, and costs nothing', async () => {
    const { gateway, url, log, backend } = await setup({ requests: '1/hour' });
    const ask = asker(gateway.port);
    for (let times = 0; times < 3; times++) {
      const { status, headers, text } = await ask(asked);
      expect([status, text]).toEqual([204, '']);
      expect(headers).toMatchObject({ 'access-control-allow-origin': near, 'access-control-max-age': '43200' });
      expect(headers).not.toHaveProperty('access-control-allow-credentials');
      expect(listed(headers, 'access-control-allow-methods')).toEqual(
        expect.arrayContaining(['get', 'post', 'delete']),
      );
      const varying = ['origin', 'access-control-request-method', 'access-control-request-headers'];
      expect(listed(headers, 'vary')).toEqual(varying);
    }
    expect(backend.seen).toHaveLength(0);
    expect(gateway.limiter.stats()).toMatchObject({ keys: 0, open: 0 });
    await until(() => log.length === 3, 'they are in the log');
    expect(log[0]).toMatchObject({ status: 204, address: '127.0.0.1' });
    expect(await (await fetch(`${url}/metrics`)).text()).not.toMatch(/^headgate_requests_total\{/m);
  });

  it('allows what clients of every dialect send, all that Ollama allows, and the headers that hold keys here', async () => {
    const server = await fake();
    const gateway = await gatewayFor({
      backends: [server.url],
      identity: [
        { header: { name: 'X-User', trustProxy: '127.0.0.1' } },
        { apiKey: { from: ['authorization', 'header:X-Team'] } },
      ],
    });
    const names = 'content-type, x-stainless-new-one, anthropic-new-one, x-user, x-forwarded-for, cookie, x-other';
    const wide = { ...asked, headers: { ...asked.headers, 'access-control-request-headers': names } };
    const ollamas = listed((await asker(server.port)(wide)).headers, 'access-control-allow-headers');
    expect(ollamas).toContain('x-stainless-runtime-version');
    const ours = listed((await asker(gateway.port)(wide)).headers, 'access-control-allow-headers');
    expect(ours).toEqual(expect.arrayContaining(ollamas));
    for (const name of ['x-api-key', 'x-team', 'x-run-id', 'x-run-depth', 'anthropic-version', 'x-stainless-new-one']) {
      expect(ours).toContain(name);
    }
    // Their word is believed of servers in front, and the browser asks from this machine.
    for (const name of ['x-user', 'x-forwarded-for', 'cookie', 'x-other', '*']) expect(ours).not.toContain(name);
  });

  it('is refused for a page that may not', async () => {
    const { gateway } = await setup({});
    const { status, headers } = await asker(gateway.port)({ ...asked, headers: { ...asked.headers, origin: far } });
    expect(status).toBe(403);
    expect(Object.keys(headers).filter((name) => name.startsWith('access-control-'))).toEqual([]);
  });

  it('is not answered for pages of operators, and nobody else’s page can read these', async () => {
    const { gateway } = await setup({ admin: { key: 'admin-key-1' } });
    const ask = asker(gateway.port);
    for (const path of ['/metrics', '/readyz', '/dashboard', '/dashboard/events', '/healthz']) {
      expect([path, (await ask({ ...asked, path })).status]).toEqual([path, 405]);
      const { headers } = await ask({ method: 'HEAD', path, headers: { origin: near } });
      expect(headers).not.toHaveProperty('access-control-allow-origin');
    }
  });
});

/** Those that any page may read, and those that are the connection's. */
const plain = new Set(['content-type', 'content-length', 'cache-control', 'date', 'connection', 'keep-alive']);

describe('a page that may ask', () => {
  const readable = ({ headers }: Answered): void => {
    expect(headers['access-control-allow-origin']).toBe(near);
    expect(headers).not.toHaveProperty('access-control-allow-credentials');
    expect(listed(headers, 'vary')).toContain('origin');
    const exposed = new Set([...plain, ...listed(headers, 'access-control-expose-headers')]);
    const ours = /^(?!access-control-|vary$|transfer-encoding$|x-accel-buffering$)/;
    expect(Object.keys(headers).filter((name) => ours.test(name) && !exposed.has(name))).toEqual([]);
  };

  it('reads the answer, and of a refusal when to come back', async () => {
    stillTime();
    const { gateway } = await setup({ requests: '3/hour', tokens: '1M/hour' });
    const ask = asker(gateway.port);
    const headers = { origin: near };
    for (const path of ['/api/chat', '/v1/chat/completions', '/v1/messages']) {
      const answer = await ask({ method: 'POST', path, body: { ...chat, max_tokens: 9, stream: true }, headers });
      expect(answer.status).toBe(200);
      readable(answer);
    }
    for (const path of ['/api/chat', '/v1/chat/completions', '/v1/messages']) {
      const answer = await ask({ method: 'POST', path, body: { ...chat, max_tokens: 9 }, headers });
      expect(answer.status).toBe(429);
      readable(answer);
      expect(listed(answer.headers, 'access-control-expose-headers')).toContain('retry-after');
      expect(Number(answer.headers['retry-after'])).toBeGreaterThan(0);
    }
  });

  it('reads every other refusal, and what a backend says of its own', async () => {
    const keys = { k1: { id: 'a' } };
    const identity = [{ apiKey: { from: ['path', 'authorization'], keys } }];
    const { gateway, backend } = await setup({ identity });
    const ask = asker(gateway.port);
    const headers = { origin: near };
    const statuses: number[] = [];
    for (const asked of [
      { ...generated },
      { ...generated, path: '/k/k1/nowhere' },
      { ...generated, path: '/k/k1/api/generate', body: 7 },
      { ...generated, path: '/k/k1/api/generate', body: { ...generate, model: 'nope' } },
      { method: 'GET', path: '/k/k1/api/generate' },
      { method: 'DELETE', path: '/k/k1/api/delete', body: { model: 'llama3.2' } },
      { method: 'GET', path: '/k/k1/jobs/1' },
    ]) {
      const answer = await ask({ ...asked, headers });
      statuses.push(answer.status);
      readable(answer);
    }
    expect(statuses).toEqual([401, 404, 400, 404, 405, 403, 501]);
    await backend.close();
    const answer = await ask({ ...generated, path: '/k/k1/api/generate', headers });
    expect(answer.status).toBeGreaterThanOrEqual(502);
    readable(answer);
  });

  it('reads what the gateway lets it, not what a backend would', async () => {
    const server = createServer((request, response) => {
      request.resume();
      const generous = { 'access-control-allow-origin': '*', 'access-control-allow-credentials': 'true' };
      response.writeHead(200, { 'content-type': 'application/json', vary: 'accept-language', ...generous });
      response.end(isProbe(request) ? '{}' : '{"model":"m","response":"hi","done":true}');
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    atEnd(async () => {
      server.closeAllConnections();
      server.close();
    });
    const gateway = await gatewayFor({ backends: [`http://127.0.0.1:${(server.address() as AddressInfo).port}`] });
    const ask = asker(gateway.port);
    const answer = await ask({ ...generated, headers: { origin: near } });
    readable(answer);
    expect(listed(answer.headers, 'vary')).toEqual(['origin', 'accept-language']);
    const program = await ask(generated);
    expect(program.headers.vary).toBe('accept-language');
    expect(Object.keys(program.headers).filter((name) => name.startsWith('access-control-'))).toEqual([]);
  });

  it('is one of an origin that the policy lists, from the moment that it does', async () => {
    const { gateway, backend } = await setup({});
    const ask = asker(gateway.port);
    const page = { ...generated, headers: { origin: 'https://chat.example.com' } };
    expect((await ask(page)).status).toBe(403);
    const policy = (origins: string[]) => ({ backends: [backend.url], guard: { origins } });
    await gateway.reload(policy(['https://*.example.com']));
    const answer = await ask(page);
    expect([answer.status, answer.headers['access-control-allow-origin']]).toEqual([200, 'https://chat.example.com']);
    await gateway.reload(policy(['*']));
    for (const origin of [far, 'null']) {
      const { status, headers } = await ask({ ...generated, headers: { origin } });
      expect([status, headers['access-control-allow-origin']]).toEqual([200, '*']);
    }
    await gateway.reload(policy([]));
    expect((await ask(page)).status).toBe(403);
  });
});

describe('a page of the name that a proxy in front was asked by', () => {
  const origin = 'https://llm.example.com';
  const passedOn = { host: '127.0.0.1:8080', origin, 'x-forwarded-host': 'llm.example.com' };

  it.each([{ address: { trustProxy: 1 } }, { header: { name: 'x-user', trustProxy: '127.0.0.1' } }])(
    'may ask, where %j trusts the proxy',
    async (source) => {
      const { gateway } = await setup({ identity: [source, ...('address' in source ? [] : [{ address: {} }])] });
      const ask = asker(gateway.port);
      expect((await ask({ ...generated, headers: passedOn })).status).toBe(200);
      const other = { ...passedOn, 'x-forwarded-host': 'other.example.com' };
      expect((await ask({ ...generated, headers: other })).status).toBe(403);
    },
  );

  it('may not, where nobody is trusted', async () => {
    const { gateway } = await setup({});
    expect((await asker(gateway.port)({ ...generated, headers: passedOn })).status).toBe(403);
  });
});

describe('a program', () => {
  it('that names no origin is answered as ever, with nothing for browsers', async () => {
    const { gateway } = await setup({ requests: '1/hour' });
    const ask = asker(gateway.port);
    for (const status of [200, 429]) {
      const answer = await ask(generated);
      expect(answer.status).toBe(status);
      const names = Object.keys(answer.headers);
      expect(names.filter((name) => name === 'vary' || name.startsWith('access-control-'))).toEqual([]);
    }
  });

  const named = { ...generated, headers: { host: 'llm.example.com' } };

  it('asks by a name of the policy, or by any name through the proxy that the policy speaks of', async () => {
    for (const policy of [
      { guard: { origins: ['https://llm.example.com'] } },
      { guard: { origins: ['*'] } },
      { identity: [{ address: { trustProxy: 1 } }] },
      { client: { trustProxy: 1 } },
      { identity: [{ header: { name: 'x-user', trustProxy: 1 } }, { apiKey: { unknown: 'accept' } }, { address: {} }] },
    ]) {
      const { gateway } = await setup(policy);
      expect((await asker(gateway.port)(named)).status).toBe(200);
    }
    const { gateway } = await setup({ guard: { origins: ['https://other.example.com'] } });
    const refused = await asker(gateway.port)(named);
    expect(refused.status).toBe(403);
    expect(refused.text).toContain('llm.example.com is no name of this machine');
  });

  it('asks by any name where nobody is known without a secret: a page whose name was pointed here has none', async () => {
    const apiKey = { keys: { k1: { id: 'a' } } };
    const header = { name: 'x-user', trustProxy: '127.0.0.1' };
    const jwt = { jwks: 'http://127.0.0.1:1/jwks' };
    const withKey = { ...named, headers: { ...named.headers, authorization: 'Bearer k1' } };
    for (const identity of [
      [{ apiKey }],
      [{ apiKey: { ...apiKey, unknown: 'ignore' } }, { jwt }],
      // Nobody names a user in this request, so it is the key that counts.
      [{ header }, { apiKey }],
      [{ header: { ...header, trustProxy: '192.0.2.1' } }, { apiKey }],
    ]) {
      const { gateway } = await setup({ identity });
      const ask = asker(gateway.port);
      expect([identity, (await ask(withKey)).status]).toEqual([identity, 200]);
      const own = { ...named.headers, origin: 'https://llm.example.com' };
      expect([identity, (await ask({ ...named, headers: own })).status]).toEqual([identity, 401]);
      expect((await ask({ ...withKey, headers: { ...withKey.headers, origin: far } })).status).toBe(403);
    }
  });

  it('asks by names of this machine only, where a page whose name was pointed here would be known', async () => {
    const apiKey = { keys: { k1: { id: 'a' } } };
    const header = { name: 'X-User', trustProxy: '127.0.0.1' };
    for (const identity of [
      [{ apiKey: { unknown: 'accept' } }],
      [{ apiKey: { ...apiKey, unknown: 'accept' } }],
      [{ apiKey }, { address: {} }],
      [{ apiKey }, { header }],
    ]) {
      const { gateway } = await setup({ identity });
      const ask = asker(gateway.port);
      const headers = { ...named.headers, 'x-user': 'ann', authorization: 'Bearer any' };
      expect([identity, (await ask({ ...named, headers })).status]).toEqual([identity, 403]);
    }
  });

  it('asks by any name where the gateway listens for others, as Ollama has it', async () => {
    const { url } = await fake();
    const gateway = await startGateway({ policy: { backends: [url] }, host: '0.0.0.0', port: 0, log: false });
    atEnd(() => gateway.close({ drainMs: 0 }));
    const ask = asker(gateway.port);
    expect((await ask(named)).status).toBe(200);
    expect((await ask({ ...named, headers: { ...named.headers, origin: far } })).status).toBe(403);
  });
});
