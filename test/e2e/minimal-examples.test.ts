/** One minimal application a framework: each answers, streams, and refuses the fourth request at once. */
import { readdirSync } from 'node:fs';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { root } from '../support/repository.js';
import { stillTime } from '../support/still-time.js';

const minimal = readdirSync(join(root, 'examples')).filter((name) => name.endsWith('-minimal'));

test('there is one for each framework, and one for none', () => {
  expect(minimal).toEqual(['express-minimal', 'fastify-minimal', 'fetch-minimal', 'hono-minimal', 'koa-minimal']);
});

test.each(minimal)('%s', async (name) => {
  // A limit that comes back in ten seconds is said to, however long it takes to get there.
  stillTime();
  process.env.PORT = '0';
  const { server }: { server: Server } = await import(join(root, 'examples', name, 'server.mjs'));
  if (!server.listening) await new Promise((resolve) => server.once('listening', resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/api/chat`;
  // Without a content type, as curl -d sends it.
  const say = (content: string, more: object = {}): Promise<Response> =>
    fetch(url, {
      method: 'POST',
      body: JSON.stringify({ model: 'parrot', messages: [{ role: 'user', content }], ...more }),
    });
  try {
    const whole = await say('hello there', { stream: false });
    expect(whole.status).toBe(200);
    expect(await whole.json()).toMatchObject({ message: { content: 'hello there' }, done: true });

    const lines = (await (await say('hello there')).text()).trim().split('\n');
    expect(lines.map((line) => JSON.parse(line).message.content)).toEqual(['hello ', 'there ', '']);

    await (await say('third')).text();
    const refused = await say('fourth');
    expect(refused.status).toBe(429);
    expect(refused.headers.get('retry-after')).toBe('10');
    expect(await refused.json()).toEqual({ error: expect.stringContaining('6 requests per minute') });
  } finally {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  }
});
