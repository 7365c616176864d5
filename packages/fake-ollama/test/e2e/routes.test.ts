import { createHash } from 'node:crypto';
import { expect, test } from 'vitest';
import { ask, fake, lines, user } from './support.js';

const CHAT = { model: 'llama3.2', messages: user('hi'), stream: false };

test('liveness, version, and HEAD', async () => {
  const server = await fake({ version: '0.32.5' });
  const root = await ask(server, '/');
  expect([root.status, root.headers['content-type'], root.text]).toEqual([
    200,
    'text/plain; charset=utf-8',
    'Ollama is running',
  ]);
  expect((await ask(server, '/api/version')).text).toBe('{"version":"0.32.5"}');
  for (const path of ['/', '/api/version', '/api/tags']) {
    const head = await ask(server, path, undefined, { method: 'HEAD' });
    expect([head.status, head.text]).toEqual([200, '']);
  }
});

test('unknown paths and methods get the plain texts of the router', async () => {
  const server = await fake();
  const unknown = await ask(server, '/api/tokenize', {});
  expect([unknown.status, unknown.headers['content-type'], unknown.text]).toEqual([
    404,
    'text/plain',
    '404 page not found',
  ]);
  const method = await ask(server, '/api/chat');
  expect([method.status, method.headers.allow, method.text]).toEqual([405, 'POST', '405 method not allowed']);
  expect((await ask(server, '/api/ps', undefined, { method: 'HEAD' })).status).toBe(405);
});

test('odd spellings of a path reach it, or are redirected', async () => {
  const server = await fake();
  expect((await ask(server, '/api/%63hat', CHAT)).status).toBe(200);
  expect(server.seen[0]).toMatchObject({ path: '/api/chat', rawUrl: '/api/%63hat' });
  for (const [path, status] of [
    ['//api/chat', 301],
    ['/api/x/../chat', 301],
    ['/api/chat/', 307],
  ] as const) {
    const reply = await ask(server, path, CHAT);
    expect([reply.status, reply.headers.location]).toEqual([status, '/api/chat']);
  }
});

test('foreign hosts and origins get an empty 403, on every path and method', async () => {
  const server = await fake();
  for (const headers of [{ host: 'evil.example' }, { origin: 'https://evil.example' }]) {
    for (const path of ['/api/tags', '/nowhere']) {
      const reply = await ask(server, path, undefined, { headers });
      expect([reply.status, reply.text]).toEqual([403, '']);
    }
  }
  const preflight = await ask(server, '/api/chat', undefined, {
    method: 'OPTIONS',
    headers: { origin: 'http://localhost:5173' },
  });
  expect([preflight.status, preflight.headers['access-control-allow-origin']]).toEqual([204, 'http://localhost:5173']);
  const everywhere = await fake({ host: '0.0.0.0' });
  expect((await ask(everywhere, '/', undefined, { headers: { host: 'evil.example' } })).status).toBe(200);
  const open = await fake({ checkHost: false, checkOrigin: false });
  expect(
    (await ask(open, '/api/tags', undefined, { headers: { host: 'evil.example', origin: 'https://evil.example' } }))
      .status,
  ).toBe(200);
});

test('models are listed, shown and gone', async () => {
  const server = await fake({ models: ['llama3.2'] });
  expect(JSON.parse((await ask(server, '/api/tags')).text).models).toMatchObject([
    {
      name: 'llama3.2:latest',
      model: 'llama3.2:latest',
      digest: expect.stringMatching(/^[0-9a-f]{64}$/),
      details: { family: 'llama', quantization_level: 'Q4_K_M' },
    },
  ]);
  const one = { id: 'llama3.2:latest', object: 'model', created: expect.any(Number), owned_by: 'library' };
  expect(JSON.parse((await ask(server, '/v1/models')).text)).toEqual({ object: 'list', data: [one] });
  expect(JSON.parse((await ask(server, '/v1/models/llama3.2')).text)).toEqual(one);
  expect(JSON.parse((await ask(server, '/v1/models/nope')).text).error.message).toBe("model 'nope:latest' not found");
  expect(JSON.parse((await ask(server, '/api/show', { model: 'llama3.2' })).text)).toMatchObject({
    system: expect.any(String),
    modelfile: expect.stringContaining('FROM /'),
    capabilities: ['completion', 'tools'],
    model_info: { 'llama.context_length': 131_072 },
  });
  expect((await ask(server, '/api/delete', { model: 'llama3.2' }, { method: 'DELETE' })).status).toBe(200);
  expect(JSON.parse((await ask(server, '/v1/models')).text).data).toBeNull();
  expect((await ask(server, '/api/delete', { model: 'llama3.2' }, { method: 'DELETE' })).status).toBe(404);
});

test('pull, copy, create and push change the catalog as they say', async () => {
  const server = await fake({ models: ['llama3.2'] });
  const pulled = lines((await ask(server, '/api/pull', { model: 'phi4' })).text);
  expect([pulled[0], pulled.at(-1)]).toEqual([{ status: 'pulling manifest' }, { status: 'success' }]);
  expect((await ask(server, '/api/copy', { source: 'phi4', destination: 'mine' })).status).toBe(200);
  expect((await ask(server, '/api/copy', { source: 'nope', destination: 'x' })).status).toBe(404);
  expect((await ask(server, '/api/create', { model: 'new', from: 'phi4', stream: false })).text).toBe(
    '{"status":"success"}',
  );
  expect((await ask(server, '/api/create', { model: 'new' })).status).toBe(400);
  expect(lines((await ask(server, '/api/push', { model: 'mine' })).text).at(-1)).toEqual({ status: 'success' });
  expect((await ask(server, '/api/chat', { ...CHAT, model: 'mine' })).status).toBe(200);
});

test('blobs are checked against their digest', async () => {
  const server = await fake();
  const path = `/api/blobs/sha256:${createHash('sha256').update('data').digest('hex')}`;
  expect((await ask(server, path, undefined, { method: 'HEAD' })).status).toBe(404);
  expect((await ask(server, path, 'other')).status).toBe(400);
  expect((await ask(server, path, 'data')).status).toBe(201);
  expect((await ask(server, path, undefined, { method: 'HEAD' })).status).toBe(200);
  expect((await ask(server, '/api/blobs/nonsense', 'data')).status).toBe(400);
});

test('a cloud model is answered by the fake remote, which sees the headers of the client', async () => {
  const server = await fake();
  const headers = { 'x-api-key': 'secret', authorization: 'Bearer secret', connection: 'close, x-drop', 'x-drop': '1' };
  const reply = await ask(server, '/api/chat', { ...CHAT, model: 'gpt-oss:20b-cloud' }, { headers });
  expect(JSON.parse(reply.text)).toMatchObject({ model: 'gpt-oss:20b', done: true });
  expect(server.cloud).toHaveLength(1);
  const received = server.cloud[0];
  expect(received).toMatchObject({ path: '/api/chat', json: { model: 'gpt-oss:20b' }, outcome: 'completed' });
  expect(received?.headers).toMatchObject({ host: 'ollama.com', 'x-api-key': 'secret' });
  expect(received?.headers.authorization).not.toContain('secret');
  expect(received?.headers).not.toHaveProperty('x-drop');
  expect(server.stats()).toMatchObject({ loads: 0, runningMax: 0, completed: 1 });
  for (const [path, body] of [
    ['/v1/chat/completions', { ...CHAT, model: 'anything:cloud' }],
    ['/v1/messages', { ...CHAT, model: 'x:1b-CLOUD', max_tokens: 3 }],
    ['/api/embed', { model: 'e:cloud', input: 'x' }],
  ] as const) {
    expect((await ask(server, path, body)).status).toBe(200);
  }
  expect(server.cloud.map((seen) => (seen.json as { model: string }).model)).toEqual([
    'gpt-oss:20b',
    'anything',
    'x:1b',
    'e',
  ]);
});

test('a stub of a remote model says so, and keeps the name it was called by', async () => {
  const server = await fake();
  await ask(server, '/api/create', {
    model: 'alias',
    from: 'big',
    remote_host: 'https://elsewhere.example',
    stream: false,
  });
  expect(JSON.parse((await ask(server, '/api/chat', { ...CHAT, model: 'alias' })).text)).toMatchObject({
    model: 'alias',
    remote_model: 'big',
    remote_host: 'https://elsewhere.example',
  });
  expect(server.cloud[0]?.headers.host).toBe('elsewhere.example');
});

test.each([
  ['disabled', 403, 'ollama cloud is disabled: remote model is unavailable'],
  ['signed-out', 401, 'unauthorized'],
  ['unreachable', 502, expect.stringContaining('no such host')],
] as const)('with the cloud %s the error is native in every dialect', async (cloud, status, message) => {
  const server = await fake({ faults: { cloud } });
  for (const path of ['/api/chat', '/v1/chat/completions', '/v1/embeddings']) {
    const reply = await ask(server, path, { ...CHAT, model: 'x:cloud', input: 'x' });
    expect([reply.status, JSON.parse(reply.text).error]).toEqual([status, message]);
    expect(reply.text.includes('signin_url')).toBe(cloud === 'signed-out');
  }
  expect(server.cloud).toEqual([]);
});

test('the account of the host answers to anyone', async () => {
  const server = await fake();
  expect(JSON.parse((await ask(server, '/api/me', {})).text)).toMatchObject({ name: 'owner' });
  expect(JSON.parse((await ask(server, '/api/status')).text)).toEqual({ cloud: { disabled: false, source: 'none' } });
  expect((await ask(server, '/api/experimental/web_search', { query: 'x' })).status).toBe(200);
  expect((await ask(server, '/api/signout', {})).status).toBe(200);
  expect((await ask(server, '/api/me', {})).status).toBe(401);
});
