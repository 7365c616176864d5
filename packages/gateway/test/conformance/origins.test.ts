/** Who may ask Ollama may ask the gateway, and nobody else: both are asked the same. */
import { hostname } from 'node:os';
import { describe, expect, test } from 'vitest';
import { type Answered, type Asked, asker } from '../support/asking.js';
import { fake, gatewayFor } from '../support/harness.js';

const origins = [
  ...['http://localhost', 'https://localhost', 'http://localhost:3000', 'https://127.0.0.1:8443', 'http://0.0.0.0:1'],
  ...['app://obsidian.md', 'file://', 'tauri://localhost', 'vscode-webview://0abc', 'vscode-file://vscode-app'],
  ...['null', 'https://evil.example', 'http://evil.example', 'http://evil.example:8080', 'https://app.good.example'],
  ...['http://localhost.evil.example', 'http://localhost:80@evil.example', 'http://127.0.0.1.evil.example'],
  ...['chrome-extension://abc', 'https://tauri.localhost', 'http://192.168.1.5', 'HTTP://LOCALHOST', 'localhost'],
  ...['http://[::1]:3000', 'https://good.example', 'https://good.example.evil.example'],
];
const hosts = [
  ...['localhost', 'LocalHost:11434', '127.0.0.1', '127.8.8.8:80', '0.0.0.0:8080', '[::1]:8080', 'headgate.localhost'],
  ...['printer.local', 'db.internal:1', '10.1.2.3', '192.168.1.5:8080', '172.16.0.1', '172.31.9.9', '[fd00::1]:1'],
  ...['evil.example', 'evil.example:8080', 'localhost.evil.example', 'local', 'internal', 'notlocalhost', '8.8.8.8'],
  ...['172.32.0.1', '193.168.1.5', '127.0.0.1.evil.example', '[2001:db8::1]:80', '1.2.3.4:8080', hostname()],
];

type Ask = (asked: Asked) => Promise<Answered>;

async function both(further: readonly string[] = []): Promise<readonly [ollama: Ask, gateway: Ask]> {
  const server = await fake({ origins: further });
  const gateway = await gatewayFor({
    backends: [{ url: server.url, slots: 8 }],
    guard: { admin: 'allow', origins: further },
  });
  return [asker(server.port), asker(gateway.port)];
}

/** What a browser is told: whether it may, and who may read the answer. */
function verdict({ method }: Asked, { status, headers }: Answered): object {
  const isPreflight = method === 'OPTIONS' && headers['access-control-allow-origin'] !== undefined;
  return {
    refused: status === 403,
    readableBy: headers['access-control-allow-origin'],
    ...(isPreflight && { status, methods: headers['access-control-allow-methods'] }),
  };
}

async function same([ollama, gateway]: readonly [Ask, Ask], asked: readonly Asked[]): Promise<Set<boolean>> {
  const seen = new Set<boolean>();
  const of = async (ask: Ask): Promise<unknown[]> => {
    const verdicts = [];
    for (const one of asked) {
      const answer = await ask(one);
      seen.add(answer.status === 403);
      verdicts.push({ ...one, ...verdict(one, answer) });
    }
    return verdicts;
  };
  expect(await of(gateway)).toEqual(await of(ollama));
  return seen;
}

const requests: readonly Asked[] = [
  { method: 'GET', path: '/api/tags' },
  { method: 'HEAD', path: '/' },
  { method: 'GET', path: '/nowhere' },
  { method: 'POST', path: '/api/generate', body: { model: 'llama3.2', prompt: 'hi', stream: false } },
  { method: 'POST', path: '/v1/embeddings', body: { model: 'nomic-embed-text', input: 'hi' } },
  { method: 'DELETE', path: '/api/delete', body: { model: 'nope' } },
  { method: 'OPTIONS', path: '/api/chat' },
];

describe.each(requests)('$method $path', (asked) => {
  test('from every origin, and from none', async () => {
    const table = origins.map((origin) => ({ ...asked, headers: { origin } }));
    expect([...(await same(await both(), [asked, ...table]))].sort()).toEqual([false, true]);
  });

  test('by every name', async () => {
    const table = hosts.map((host) => ({ ...asked, headers: { host } }));
    expect([...(await same(await both(), table))].sort()).toEqual([false, true]);
  });
});

test('of every origin by every name, its own among them', async () => {
  const asked = hosts.flatMap((host) =>
    [...origins, `http://${host}`, `https://${host}`].flatMap((origin) =>
      ['GET', 'OPTIONS'].map((method) => ({ method, path: '/api/version', headers: { host, origin } })),
    ),
  );
  await same(await both(), asked);
});

test.each([[['https://*.good.example', 'https://good.example']], [['chrome-extension://*']], [['*']]])(
  'from origins that are let in: %j',
  async (further) => {
    const asked = origins.flatMap((origin) =>
      requests
        .slice(-1)
        .concat(requests[0]!)
        .map((one) => ({ ...one, headers: { origin } })),
    );
    await same(await both(further), asked);
  },
);
