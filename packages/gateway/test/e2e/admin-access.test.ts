/** Every page for operators, as docs/gateway.md lists them, is closed to whoever comes from elsewhere without the key. */
import { describe, expect, test } from 'vitest';
import { codeIn, page } from '../../../../test/support/markdown.js';
import { setup } from '../support/harness.js';
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
