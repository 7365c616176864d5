import { createHmac } from 'node:crypto';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, it } from 'vitest';
import { atEnd, chat, post, setup, until } from '../support/harness.js';

interface Hook {
  readonly url: string;
  readonly got: { readonly headers: Record<string, unknown>; readonly body: string }[];
}

async function hook(status = 204): Promise<Hook> {
  const got: Hook['got'] = [];
  const server = createServer(async (request, response) => {
    let body = '';
    for await (const chunk of request) body += chunk;
    got.push({ headers: request.headers, body });
    response.writeHead(status).end();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  atEnd(async () => {
    server.closeAllConnections();
    server.close();
  });
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/hook`, got };
}

it('a limit that is nearly used up is told to a webhook, signed, and in the log, once', async () => {
  const { url: webhook, got } = await hook();
  const { url, log } = await setup({
    requests: { limit: 4, per: 'hour', algorithm: 'rolling', alertAt: 0.5 },
    alerts: [{ webhook, secret: 'hush', on: ['limit-alert'] }],
  });
  for (let i = 0; i < 4; i++)
    await (await post(`${url}/api/chat`, chat, { authorization: 'Bearer ann' })).arrayBuffer();
  await until(() => got.length === 1, 'the webhook was told');
  const { headers, body } = got[0]!;
  expect(JSON.parse(body)).toMatchObject({ event: 'limit-alert', limit: 'requests.hour.rolling', share: 0.5 });
  const [, seconds, hex] = /^t=(\d+),v1=([0-9a-f]{64})$/.exec(String(headers['x-headgate-signature']))!;
  expect(hex).toBe(createHmac('sha256', 'hush').update(`${seconds}.${body}`).digest('hex'));
  expect(body).not.toContain('Bearer ann');
  await until(() => log.length === 5, 'the log has its lines');
  expect(log.filter(({ event }) => event === 'limit-alert')).toMatchObject([
    { level: 'warn', limit: 'requests.hour.rolling', share: 0.5, amount: 4, remaining: 2 },
  ]);
});

it('a webhook that fails holds up no request', async () => {
  const { url: webhook, got } = await hook(500);
  const { url } = await setup({
    requests: { limit: 4, per: 'hour', algorithm: 'rolling', alertAt: 0.25 },
    alerts: [{ webhook }],
  });
  const statuses = [];
  for (let i = 0; i < 4; i++) statuses.push((await post(`${url}/api/chat`, chat)).status);
  expect(statuses).toEqual([200, 200, 200, 200]);
  await until(() => got.length >= 1, 'the webhook was tried');
});
