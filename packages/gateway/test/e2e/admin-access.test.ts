/** Every page for operators, as docs/gateway.md lists them, is closed to whoever comes from elsewhere without the key. */
import { describe, expect, test } from 'vitest';
import { codeIn, page } from '../../../../test/support/markdown.js';
import { stillTime } from '../../../../test/support/still-time.js';
import { generate, post, setup, until } from '../support/harness.js';
import { rawClient, statusOf } from '../support/raw.js';

const key = 'admin-key-1';
const paths = page('docs/gateway.md')
  .rows.filter(({ section }) => section === 'Pages for operators')
  .flatMap(({ cells: [cell = ''] }) => codeIn(cell));
const closed = paths.filter((path) => path !== '/healthz');

/** What shows that a request comes from elsewhere: a proxy on the way, or a name that is none of this machine. */
const elsewhere: Readonly<Record<string, Record<string, string>>> = {
  'through a proxy': { host: 'localhost', 'x-forwarded-for': '203.0.113.7' },
  'through a proxy that says it forwards for this machine': { host: 'localhost', forwarded: 'for=127.0.0.1' },
  'by another name': { host: 'gateway.example' },
  'by no name': { host: '' },
};

async function status(port: number, method: string, target: string, headers: Record<string, string>): Promise<number> {
  const client = await rawClient(port);
  const lines = Object.entries({ ...headers, connection: 'close' }).map(([name, value]) => `${name}: ${value}\r\n`);
  client.send(`${method} ${target} HTTP/1.1\r\n${lines.join('')}\r\n`);
  return statusOf(await client.closed);
}

test('there are pages for operators, and one of them is for everyone', () => {
  expect(closed.length).toBeGreaterThan(1);
  expect(paths).toContain('/healthz');
});

describe.each(closed)('%s', (path) => {
  test.each(Object.entries(elsewhere))(
    '%s: 403 without a key in the policy, else 401 for all but that key',
    async (_, headers) => {
      const open = (await setup({})).gateway.port;
      const keyed = (await setup({ admin: { key } })).gateway.port;
      const bearing = (authorization: string) => ({ ...headers, authorization });
      expect(await status(open, 'GET', path, headers)).toBe(403);
      expect(await status(open, 'GET', path, bearing(`Bearer ${key}`))).toBe(403);
      for (const authorization of ['Bearer admin-key-2', 'Bearer ', 'Bearer undefined', `Bearer ${key}x`, key]) {
        expect(await status(keyed, 'GET', path, bearing(authorization)), authorization).toBe(401);
      }
      expect(await status(keyed, 'GET', path, headers)).toBe(401);
      expect(await status(keyed, 'GET', `${path}?key=${key}`, headers)).toBe(401);
      expect(await status(keyed, 'GET', path, bearing(`Bearer ${key}`))).toBe(200);
    },
  );

  test('is told to nobody by another method, nor by another spelling', async () => {
    const { port } = (await setup({})).gateway;
    const foreign = elsewhere['by another name']!;
    for (const method of ['HEAD', 'POST', 'PUT', 'DELETE', 'OPTIONS', 'PATCH']) {
      expect([403, 405], method).toContain(await status(port, method, path, foreign));
    }
    const spelt = ['/', '//', '/.', '/x', '%00', ';x', '#x'].map((ending) => path + ending);
    const around = [`//127.0.0.1${path}`, `/x/..${path}`, `/./${path}`, `/k/key${path}`, `http://localhost${path}`];
    for (const target of [
      ...spelt,
      ...around,
      path.toUpperCase(),
      path.replace(/^\/./, (start) => `/%${start.charCodeAt(1).toString(16)}`),
    ]) {
      expect([400, 401, 403, 404], target).toContain(await status(port, 'GET', target, foreign));
    }
  });
});

describe('wrong admin keys', () => {
  const limits = [{ name: 'guessing', per: 'address', failures: '5/min', block: '15min' }];
  const through = { via: '1.1 proxy' };
  const bearer = (given: string) => ({ ...through, authorization: `Bearer ${given}` });
  const basic = (given: string) => ({
    ...through,
    authorization: `Basic ${Buffer.from(`me:${given}`).toString('base64')}`,
  });

  test('are 401 five times a minute and 429 from then on, over all pages together; the right one still passes', async () => {
    stillTime();
    const { url, log, gateway } = await setup({ admin: { key }, limits });
    const ask = (path: string, headers: Record<string, string>) => fetch(url + path, { headers });
    for (let i = 0; i < 5; i++) {
      const wrong = await ask(closed[i % closed.length]!, (i % 2 === 0 ? bearer : basic)(`guess-${i}`));
      expect([wrong.status, wrong.headers.get('www-authenticate')]).toEqual([
        401,
        'Bearer realm="headgate", Basic realm="headgate", charset="UTF-8"',
      ]);
      expect(await wrong.json()).toEqual({ error: expect.stringContaining('needs the admin key') });
    }
    for (const path of closed) {
      const blocked = await ask(path, bearer('guess-5'));
      expect([blocked.status, blocked.headers.get('retry-after')], path).toEqual([429, '900']);
      expect(blocked.headers.get('x-headgate-reason')).toBe('blocked');
      expect(await blocked.json()).toEqual({ error: expect.stringMatching(/^too many wrong keys from 127\.0\.0\.1/) });
      expect((await ask(path, through)).status, 'without a key').toBe(401);
      expect((await ask(path, bearer(key))).status, 'with the right one').toBe(200);
    }
    expect((await fetch(`${url}/metrics`, { method: 'HEAD', headers: bearer('guess-6') })).status).toBe(429);
    await until(() => log.filter(({ status }) => status === 429).length === closed.length + 1, 'they are in the log');
    expect(log.filter(({ status }) => status === 401)).toHaveLength(5);
    expect(log.find(({ status }) => status === 429)).toMatchObject({ reason: 'blocked', limit: 'guessing' });
    expect(gateway.limiter.stats().inFlight).toBe(0);
    const metrics = await (await fetch(`${url}/metrics`)).text();
    expect(metrics).toContain(
      `headgate_refusals_total{reason="blocked",limit="guessing",mode="enforce"} ${closed.length + 1}`,
    );
  });

  test('and wrong keys of clients are counted together', async () => {
    stillTime();
    const keys = { 'sk-right-key': { id: 'team-a' } };
    const { url } = await setup({ admin: { key }, identity: [{ apiKey: { keys } }], limits });
    const client = async () => (await post(`${url}/api/generate`, generate, bearer('sk-wrong'))).status;
    const operator = async () => (await fetch(`${url}/metrics`, { headers: bearer('wrong') })).status;
    const statuses = [];
    for (let i = 0; i < 4; i++) statuses.push(await client(), await operator());
    expect(statuses).toEqual([401, 401, 401, 401, 401, 429, 429, 429]);
  });

  test('count for the client that a trusted proxy names, and not for the proxy', async () => {
    stillTime();
    const one = [{ ...limits[0], failures: '1/min' }];
    const { url } = await setup({ admin: { key }, identity: [{ address: { trustProxy: 1 } }], limits: one });
    const statuses = [];
    for (const client of ['192.0.2.1', '192.0.2.1', '192.0.2.2', 'forged, 192.0.2.1']) {
      const headers = { authorization: 'Bearer wrong', 'x-forwarded-for': client };
      statuses.push((await fetch(`${url}/metrics`, { headers })).status);
    }
    expect(statuses).toEqual([401, 429, 401, 429]);
  });

  test('are none where none is asked for: this machine, the page for everyone, no key in the policy, another method', async () => {
    stillTime();
    const one = [{ ...limits[0], failures: '1/min' }];
    const keyed = (await setup({ admin: { key }, limits: one })).url;
    const open = (await setup({ limits: one })).url;
    const { authorization } = bearer('wrong');
    for (let i = 0; i < 3; i++) {
      expect((await fetch(`${keyed}/metrics`, { headers: { authorization } })).status).toBe(200);
      expect((await fetch(`${keyed}/healthz`, { headers: bearer('wrong') })).status).toBe(200);
      expect((await fetch(`${keyed}/metrics`, { method: 'POST', headers: bearer('wrong') })).status).toBe(405);
      expect((await fetch(`${keyed}/metrics`, { headers: through })).status).toBe(401);
      expect((await fetch(`${open}/metrics`, { headers: bearer('wrong') })).status).toBe(403);
    }
    expect((await fetch(`${keyed}/metrics`, { headers: bearer('wrong') })).status).toBe(401);
    expect((await fetch(`${keyed}/metrics`, { headers: bearer('wrong') })).status).toBe(429);
  });
});
