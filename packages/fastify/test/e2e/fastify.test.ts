/** What is Fastify's own: encapsulation, routes' config, hooks, its bodies and answers. */
import { PassThrough, Readable } from 'node:stream';
import compress from '@fastify/compress';
import cors from '@fastify/cors';
import proxy from '@fastify/http-proxy';
import { createLimiter } from '@headgate/core';
import { startFakeOllama } from '@headgate/fake-ollama';
import fastify from 'fastify';
import { expect, test } from 'vitest';
import { ask, chunkLine, linesOf, question } from '../../../express/test/support/ask.js';
import { chargesOf } from '../../../express/test/support/charges.js';
import { ollamaLimiter } from '../../src/index.js';
import { application, listen, withApp } from '../support/fastify-server.js';

const roomy = { tokens: '100k/hour' };
const once = { limits: [{ name: 'chats', match: { operation: 'chat' }, requests: '1/hour' }] };
const whole = { message: { role: 'assistant', content: 'Because' }, done: true, prompt_eval_count: 12, eval_count: 2 };
const charged = { inputTokens: 12, outputTokens: 2 };

const statusesOf = async (url: string, times = 2): Promise<number[]> => {
  const statuses: number[] = [];
  for (let i = 0; i < times; i++) statuses.push((await ask(url)).status);
  return statuses;
};

test.each<[string, () => unknown]>([
  ['an object', () => whole],
  ['a string', () => JSON.stringify(whole)],
  ['a buffer', () => Buffer.from(JSON.stringify(whole))],
  ['a stream', () => Readable.from([JSON.stringify(whole)])],
  ['a Response', () => new Response(JSON.stringify(whole))],
])('%s as the answer is charged by what it reports', async (_name, make) => {
  const app = application();
  const limiter = createLimiter(roomy);
  app.register(ollamaLimiter, limiter);
  app.post('/api/chat', async (_request, reply) => reply.type('application/json').send(make()));
  await withApp(app, async ({ url }) => {
    const charges = chargesOf(limiter);
    const response = await ask(`${url}/api/chat`, { ...question, stream: false });
    expect(await response.json()).toEqual(whole);
    expect(response.headers.get('ratelimit')).toMatch(/"tokens.hour";r=\d+/);
    expect(await charges.after(1)).toEqual([charged]);
  });
});

test('it holds for the instance that registers it and below, whatever the order, and for nothing beside it', async () => {
  const app = application();
  const answer = async () => ({});
  app.post('/open/api/chat', answer);
  app.register(
    async (scope) => {
      scope.post('/before/api/chat', answer);
      scope.register(ollamaLimiter, { requests: '1/hour' });
      scope.register(async (deeper) => void deeper.post('/api/chat', answer), { prefix: '/deeper' });
    },
    { prefix: '/scope' },
  );
  await withApp(app, async ({ url }) => {
    expect(await statusesOf(`${url}/open/api/chat`)).toEqual([200, 200]);
    expect(await statusesOf(`${url}/scope/before/api/chat`)).toEqual([200, 429]);
    expect(await statusesOf(`${url}/scope/deeper/api/chat`, 1)).toEqual([429]);
  });
});

test('F13: below the prefix of its instance a chat is a chat', async () => {
  const app = application();
  app.register(
    async (scope) => {
      scope.register(ollamaLimiter, once);
      scope.post('/api/chat', async (request) => request.headgate?.about.operation);
    },
    { prefix: '/ai' },
  );
  await withApp(app, async ({ url }) => {
    expect(await (await ask(`${url}/ai/api/chat`)).text()).toBe('chat');
    expect((await ask(`${url}/ai/api/chat`)).status).toBe(429);
  });
});

test("a route's config takes the place of what is registered around it", async () => {
  const app = application();
  app.register(ollamaLimiter, { requests: '1/hour' });
  app.register(ollamaLimiter, { limits: [{ name: 'second', requests: '1/hour' }] });
  const answer = async () => ({});
  const shared = { requests: '2/hour' };
  app.post('/free', { config: { headgate: false } }, answer);
  app.post('/two', { config: { headgate: shared } }, answer);
  app.post('/two-more', { config: { headgate: shared } }, answer);
  app.post('/own', { config: { headgate: createLimiter({ requests: '3/hour' }) } }, answer);
  app.post('/api/chat', answer);
  await withApp(app, async ({ url }) => {
    expect(await statusesOf(`${url}/free`, 4)).toEqual([200, 200, 200, 200]);
    expect([await statusesOf(`${url}/two`, 1), await statusesOf(`${url}/two-more`)]).toEqual([[200], [200, 429]]);
    expect(await statusesOf(`${url}/own`, 4)).toEqual([200, 200, 200, 429]);
    expect(await statusesOf(`${url}/api/chat`)).toEqual([200, 429]);
  });
});

test.each<[given: object, message: string]>([
  [{ limiter: createLimiter(once), requests: '60/min' }, 'has no option `requests`: it is a key of the policy'],
  [
    { requests: '60/min', hook: 'preHandlr' },
    'the option `hook` of ollamaLimiter is text; it has to be `onRequest` or',
  ],
  [{ requests: '60/min', limiter: {} }, 'the option `limiter` of ollamaLimiter is a mapping; it has to be a limiter'],
  [{ requests: '60/min', idenitfy: () => 'me' }, 'did you mean the option `identify`?'],
])('an option that would do nothing stops the start: %#', async (given, message) => {
  await expect(
    application()
      .register(ollamaLimiter, given as { hook: 'onRequest' })
      .ready(),
  ).rejects.toThrow(message);
});

test('F13: a misspelt key stops the start, in the policy and in the config of a route', async () => {
  await expect(application().register(ollamaLimiter, { request: '60/min' }).ready()).rejects.toThrow(/requests/);
  const app = application();
  await app.register(ollamaLimiter, { requests: '60/min' });
  const config = { headgate: { request: '1/min' } };
  expect(() => app.get('/', { config }, async () => ({}))).toThrow(/requests/);
});

test('a proxy behind it sends the checked body, and the answer of the backend is counted though it would be compressed', async () => {
  const backend = await startFakeOllama({ models: ['llama3.2'], outputTokens: 50 });
  const app = application();
  const limiter = createLimiter({ ...roomy, output: 7 });
  app.register(compress, { threshold: 0 });
  app.register(ollamaLimiter, { limiter });
  app.register(proxy, { upstream: backend.url });
  try {
    await withApp(app, async ({ url }) => {
      const charges = chargesOf(limiter);
      const lines = linesOf(await (await ask(`${url}/api/chat`)).text());
      expect(lines.at(-1)).toMatchObject({ done: true, done_reason: 'length', eval_count: 7 });
      expect(await charges.after(1)).toMatchObject([{ outputTokens: 7 }]);
    });
  } finally {
    await backend.close();
  }
});

test('identify names who is asking and finds what earlier hooks have left, skip leaves a request alone', async () => {
  const app = application();
  app.decorateRequest('team', '');
  app.addHook('onRequest', async (request) => void Object.assign(request, { team: request.headers['x-team'] }));
  app.register(ollamaLimiter, {
    ...once,
    identify: (request) => (request as unknown as { team?: string }).team,
    skip: async ({ url }) => url === '/health',
  });
  app.all('/*', async ({ headgate }) => headgate?.about.identity?.id ?? 'skipped');
  await withApp(app, async ({ url }) => {
    const as = (team: string): RequestInit => ({ headers: { 'content-type': 'application/json', 'x-team': team } });
    expect(await (await ask(`${url}/api/chat`, question, as('red'))).text()).toBe('red');
    expect((await ask(`${url}/api/chat`, question, as('red'))).status).toBe(429);
    expect(await (await ask(`${url}/api/chat`)).text()).toBe('address:127.0.0.1');
    expect(await (await fetch(`${url}/health`)).text()).toBe('skipped');
  });
});

test.each([false, true])(
  'onRefused may add a header, or answer itself (%s); headers of other plugins stay',
  async (answers) => {
    const app = application();
    const told: string[] = [];
    app.register(cors, { origin: 'https://app.example' });
    app.register(ollamaLimiter, {
      ...once,
      onRefused: (refusal, request, reply) => {
        told.push(`${request.method} ${refusal.reason} ${refusal.limit}`);
        reply.header('x-own', 'added');
        return answers ? reply.send({ own: true }) : undefined;
      },
    });
    app.post('/api/chat', async () => ({}));
    await withApp(app, async ({ url }) => {
      await ask(`${url}/api/chat`);
      const response = await ask(`${url}/api/chat`);
      const shown = ['x-own', 'access-control-allow-origin'].map((name) => response.headers.get(name));
      expect([response.status, ...shown]).toEqual([429, 'added', 'https://app.example']);
      expect(await response.json()).toEqual(answers ? { own: true } : { error: expect.stringContaining('chats') });
      expect(told).toEqual(['POST limit chats']);
    });
  },
);

test('what an option throws goes to the error handler, and nothing is charged', async () => {
  const app = application();
  const limiter = createLimiter(once);
  app.register(ollamaLimiter, { limiter, identify: () => Promise.reject(new Error('from the option')) });
  app.post('/api/chat', async () => ({}));
  await withApp(app, async ({ url }) => {
    expect((await ask(`${url}/api/chat`)).status).toBe(500);
    expect(limiter.stats()).toMatchObject({ inFlight: 0, open: 0 });
  });
});

test('F7, F23: nested limiters show both policies, and what the inner one refuses costs the outer nothing', async () => {
  const app = application();
  const outer = createLimiter({ limits: [{ name: 'outer', requests: '10/hour' }] });
  app.register(ollamaLimiter, outer);
  app.register(ollamaLimiter, { limits: [{ name: 'inner', requests: '90/hour' }], models: ['mistral:*'] });
  app.post('/api/chat', async () => ({}));
  await withApp(app, async ({ url }) => {
    expect(await statusesOf(`${url}/api/chat`, 3)).toEqual([403, 403, 403]);
    await expect.poll(() => outer.stats().open).toBe(0);
    const { headers } = await ask(`${url}/api/chat`, { ...question, model: 'mistral:7b' });
    expect(headers.get('ratelimit')).toMatch(/"outer";r=9.*"inner";r=89/);
    expect([headers.get('x-ratelimit-limit'), headers.get('x-ratelimit-remaining')]).toEqual(['10', '9']);
  });
});

test('F24: the permit is held until the last byte has left, not until the handler returns', async () => {
  const app = application();
  const limiter = createLimiter({ concurrency: 1 });
  const body = new PassThrough();
  app.register(ollamaLimiter, limiter);
  app.post('/api/chat', async (_request, reply) => {
    body.write(chunkLine('one'));
    return reply.type('application/x-ndjson').send(body);
  });
  await withApp(app, async ({ url }) => {
    const charges = chargesOf(limiter);
    const response = await ask(`${url}/api/chat`);
    expect((await ask(`${url}/api/chat`)).status).toBe(429);
    expect([limiter.stats().inFlight, charges.usages.length]).toEqual([1, 0]);
    body.end();
    await response.text();
    await charges.after(1);
  });
});

test('F25: a client that leaves mid-stream gives its permit back, though onResponse never runs', async () => {
  const app = application();
  const limiter = createLimiter({ concurrency: 1 });
  const responses: string[] = [];
  app.register(ollamaLimiter, limiter);
  app.addHook('onResponse', async ({ url }) => void responses.push(url));
  app.post('/api/chat', async (_request, reply) => {
    const body = new PassThrough();
    body.write(chunkLine('one'));
    return reply.type('application/x-ndjson').send(body);
  });
  await withApp(app, async ({ url }) => {
    const charges = chargesOf(limiter);
    const leaving = new AbortController();
    const response = await ask(`${url}/api/chat`, question, { signal: leaving.signal });
    await response.body!.getReader().read();
    leaving.abort();
    expect(await charges.after(1)).toMatchObject([{ outputTokens: 1 }]);
    expect(responses).toEqual([]);
  });
});

test('a body longer than Fastify takes is its own refusal, and costs nothing but the request', async () => {
  const app = application();
  const limiter = createLimiter(roomy);
  app.register(ollamaLimiter, limiter);
  app.post('/api/chat', { bodyLimit: 100 }, async () => ({}));
  await withApp(app, async ({ url }) => {
    const charges = chargesOf(limiter);
    const long = { ...question, messages: [{ role: 'user', content: 'why '.repeat(100) }] };
    expect((await ask(`${url}/api/chat`, long)).status).toBe(413);
    expect(await charges.after(1)).toEqual([{ inputTokens: 0, outputTokens: 0 }]);
  });
});

test.each([
  ['a limiter of its own refuses who waits when the application closes', true],
  ['a limiter made before is left to its maker', false],
])('%s', async (_name, isOwn) => {
  const app = fastify();
  const policy = { limits: [{ name: 'house', per: 'all', concurrency: 1 }] };
  const made = createLimiter(policy);
  app.register(ollamaLimiter, isOwn ? policy : { limiter: made });
  const bodies: PassThrough[] = [];
  app.post('/api/chat', async (_request, reply) => {
    const body = new PassThrough();
    bodies.push(body);
    body.write(chunkLine('one'));
    return reply.send(body);
  });
  const { url } = await listen(app);
  const running = await ask(`${url}/api/chat`);
  const arrived = new Promise((resolve) => app.server.once('request', resolve));
  const waiting = ask(`${url}/api/chat`);
  await arrived;
  const closed = app.close();
  if (isOwn) {
    const refused = await waiting;
    expect([refused.status, refused.headers.get('x-headgate-reason')]).toEqual([503, 'draining']);
    await refused.text();
  }
  bodies[0]!.end();
  await running.text();
  if (!isOwn) {
    expect((await waiting).status).toBe(200);
    bodies[1]!.end();
    await (await waiting).text();
    expect(made.closing).toBe(false);
  }
  // Kept alive by the client, which is done.
  app.server.closeIdleConnections();
  await closed;
});
