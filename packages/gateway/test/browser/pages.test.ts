/** Pages of others, in a real browser on the machine of the gateway: what they may ask, and what they get to read. */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { patienceMs } from '../../../../test/support/patience.js';
import { launch } from '../support/browser.js';
import { atEnd, chat, setup } from '../support/harness.js';

let browser: Browser;
beforeAll(async () => {
  // As whoever owns that name could have it: everything below it is this machine.
  browser = await launch(['--host-resolver-rules=MAP *.example 127.0.0.1']);
});
afterAll(() => browser?.close());

/** An empty page, on whatever name it is asked by. */
async function pageServer(): Promise<number> {
  const server = createServer((_request, response) => {
    response.writeHead(200, { 'content-type': 'text/html' }).end('<!doctype html><title>page</title>');
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  atEnd(async () => {
    server.closeAllConnections();
    server.close();
  });
  return (server.address() as AddressInfo).port;
}

async function visit(url: string): Promise<Page> {
  const context = await browser.newContext();
  atEnd(() => context.close());
  context.setDefaultTimeout(patienceMs);
  const page = await context.newPage();
  await page.goto(url);
  return page;
}

interface Told {
  readonly error?: string;
  readonly type?: string;
  readonly status?: number;
  readonly text?: string;
  readonly retryAfter?: string | null;
}

/** What the page's own script gets to see. */
function ask(page: Page, url: string, init: RequestInit = {}): Promise<Told> {
  return page.evaluate(
    async ([where, how]) => {
      try {
        const answer = await fetch(where, how);
        const { type, status, headers } = answer;
        return { type, status, text: await answer.text(), retryAfter: headers.get('retry-after') };
      } catch (error) {
        return { error: String(error) };
      }
    },
    [url, init] as const,
  );
}

const json = {
  method: 'POST',
  headers: {
    'content-type': 'application/json',
    authorization: 'Bearer k',
    'x-run-id': 'run-1',
    'x-stainless-os': 'x',
  },
  body: JSON.stringify(chat),
};

test('a page of this machine asks, and reads of a refusal when to come back', async () => {
  const { url } = await setup({ requests: '1/hour' });
  const page = await visit(`http://localhost:${await pageServer()}`);
  const answer = await ask(page, `${url}/api/chat`, json);
  expect(answer).toMatchObject({ type: 'cors', status: 200 });
  expect(JSON.parse(answer.text!)).toMatchObject({ done: true });
  const refused = await ask(page, `${url}/api/chat`, json);
  expect(refused).toMatchObject({ type: 'cors', status: 429 });
  expect(Number(refused.retryAfter)).toBeGreaterThan(0);
});

test('a page from elsewhere gets nothing done, whatever it sends, and reads nothing', async () => {
  const { url, gateway, backend } = await setup({ requests: '10/hour' });
  const page = await visit(`http://evil.example:${await pageServer()}`);
  const plain = { method: 'POST', body: JSON.stringify(chat) };
  expect(await ask(page, `${url}/api/chat`, json)).toHaveProperty('error');
  expect(await ask(page, `${url}/api/chat`, plain)).toHaveProperty('error');
  expect(await ask(page, `${url}/api/chat`, { ...plain, mode: 'no-cors' })).toMatchObject({ type: 'opaque', text: '' });
  // An origin that is none: a frame in a sandbox.
  const frame = `<iframe sandbox="allow-scripts" srcdoc="<script>fetch('${url}/api/chat', { method: 'POST', mode: 'no-cors', body: '{}' }).finally(() => parent.postMessage('asked', '*'))</script>"></iframe>`;
  await page.evaluate(async (html) => {
    const asked = new Promise((resolve) => addEventListener('message', resolve, { once: true }));
    document.body.innerHTML = html;
    await asked;
  }, frame);
  expect(backend.seen).toHaveLength(0);
  expect(gateway.limiter.stats()).toMatchObject({ keys: 0, open: 0 });
});

test('a page whose name was pointed at the gateway is of its own origin, and gets nothing all the same', async () => {
  const { gateway, backend } = await setup({ requests: '10/hour' });
  const page = await visit(`http://evil.example:${gateway.port}/`);
  for (const [path, init] of [
    ['/api/tags', {}],
    ['/api/chat', json],
    ['/jobs', json],
    ['/metrics', {}],
  ] as const) {
    expect([path, await ask(page, path, init)]).toMatchObject([path, { type: 'basic', status: 403 }]);
  }
  expect(backend.seen).toHaveLength(0);
  expect(gateway.limiter.stats()).toMatchObject({ keys: 0, open: 0 });
});

test('a page that the policy lets in asks as one of this machine', async () => {
  const port = await pageServer();
  const { url } = await setup({ guard: { origins: [`http://app.example:${port}`] } });
  expect(await ask(await visit(`http://app.example:${port}`), `${url}/api/chat`, json)).toMatchObject({ status: 200 });
  expect(await ask(await visit(`http://evil.example:${port}`), `${url}/api/chat`, json)).toHaveProperty('error');
});
