/** What is Hono's own, on Node and on a fetch runtime: its options, its bodies, sub-applications, and answers of every kind. */
import { createLimiter } from '@headgate/core';
import { startFakeOllama } from '@headgate/fake-ollama';
import { type Context, Hono } from 'hono';
import { compress } from 'hono/compress';
import { cors } from 'hono/cors';
import { proxy } from 'hono/proxy';
import { stream, streamSSE } from 'hono/streaming';
import { beforeEach, describe, expect, test, vi } from 'vitest';
import { ask, chunkLine, lastLine, linesOf, question } from '../../../express/test/support/ask.js';
import { chargesOf } from '../../../express/test/support/charges.js';
import { ollamaLimiter } from '../../src/index.js';
import { runtimes, withApp } from '../support/hono-server.js';

const roomy = { tokens: '100k/hour' };
const once = { limits: [{ name: 'chats', match: { operation: 'chat' }, requests: '1/hour' }] };
const streamed = chunkLine('Because') + chunkLine('it') + lastLine(12, 2);
const whole = { message: { role: 'assistant', content: 'Because' }, done: true, prompt_eval_count: 12, eval_count: 2 };
const charged = { inputTokens: 12, outputTokens: 2 };
const capped = { requests: '1000/min', output: 7 };
const cappedQuestion = { ...question, options: { num_ctx: 8192, num_predict: 7 } };

describe.each(runtimes)('$name', ({ start }) => {
  // Streams that break are printed, which they are meant to.
  beforeEach(() => void vi.spyOn(console, 'error').mockReturnValue());

  test.each<[string, (c: Context) => Response | Promise<Response>]>([
    ['c.json', (c) => c.json(whole)],
    ['c.body', (c) => c.body(JSON.stringify(whole), 200, { 'content-type': 'application/json' })],
    ['a Response of its own', () => Response.json(whole)],
    [
      'a ReadableStream',
      (c) => c.body(new Response(JSON.stringify(whole)).body!, 200, { 'content-type': 'application/json' }),
    ],
  ])('an answer made with %s is charged by what it reports', async (_name, answer) => {
    const headgate = ollamaLimiter(roomy);
    const app = new Hono().use(headgate).post('/api/chat', answer);
    await withApp(start, app, async ({ url }) => {
      const charges = chargesOf(headgate.limiter);
      const response = await ask(`${url}/api/chat`, { ...question, stream: false });
      expect(response.headers.get('ratelimit')).toMatch(/"tokens.hour";r=\d+/);
      expect(await response.json()).toEqual(whole);
      expect(await charges.after(1)).toEqual([charged]);
    });
  });

  test("Hono's streaming helpers pass unchanged and are counted", async () => {
    const headgate = ollamaLimiter(roomy);
    const app = new Hono().use(headgate);
    app.post('/api/chat', (c) => {
      c.header('content-type', 'application/x-ndjson');
      return stream(c, async (writer) => {
        for (const part of [streamed.slice(0, 50), streamed.slice(50)]) await writer.write(part);
      });
    });
    app.post('/v1/chat/completions', (c) =>
      streamSSE(c, async (writer) => {
        for (const content of ['a', 'b', 'c'])
          await writer.writeSSE({ data: JSON.stringify({ choices: [{ delta: { content } }] }) });
        await writer.writeSSE({ data: '[DONE]' });
      }),
    );
    await withApp(start, app, async ({ url }) => {
      const charges = chargesOf(headgate.limiter);
      expect(await (await ask(`${url}/api/chat`)).text()).toBe(streamed);
      const events = await (await ask(`${url}/v1/chat/completions`, { ...question, stream: true })).text();
      expect(events.trim().split('\n\n')).toHaveLength(4);
      expect(await charges.after(2)).toMatchObject([charged, { outputTokens: 3 }]);
    });
  });

  test.each<[string, (c: Context) => Promise<unknown>]>([
    ['c.req.json()', (c) => c.req.json()],
    ['c.req.text()', async (c) => JSON.parse(await c.req.text())],
    ['c.req.arrayBuffer()', async (c) => JSON.parse(new TextDecoder().decode(await c.req.arrayBuffer()))],
    ['c.req.raw.json()', (c) => c.req.raw.json()],
    ['c.req.raw.body', async (c) => JSON.parse(await new Response(c.req.raw.body).text())],
    ['a second c.req.json()', (c) => c.req.json().then(() => c.req.json())],
  ])('%s in the handler is the checked body', async (_name, read) => {
    const app = new Hono().use(ollamaLimiter(capped)).post('/api/chat', async (c) => c.json((await read(c)) as object));
    await withApp(start, app, async ({ url }) => {
      expect(await (await ask(`${url}/api/chat`)).json()).toEqual(cappedQuestion);
      // What curl -d says without being told.
      const headers = { 'content-type': 'application/x-www-form-urlencoded' };
      expect(await (await ask(`${url}/api/chat`, question, { headers })).json()).toEqual(cappedQuestion);
    });
  });

  test('a proxy behind it sends the checked body, and the answer of the backend is counted', async () => {
    const backend = await startFakeOllama({ models: ['llama3.2'], outputTokens: 50 });
    const headgate = ollamaLimiter({ ...roomy, output: 7 });
    const app = new Hono().use(headgate).all('*', (c) => proxy(`${backend.url}${c.req.path}`, c.req));
    try {
      await withApp(start, app, async ({ url }) => {
        const charges = chargesOf(headgate.limiter);
        const lines = linesOf(await (await ask(`${url}/api/chat`)).text());
        expect(lines.at(-1)).toMatchObject({ done: true, done_reason: 'length', eval_count: 7 });
        expect(await charges.after(1)).toMatchObject([{ outputTokens: 7 }]);
      });
    } finally {
      await backend.close();
    }
  });

  test('compression around it changes nothing of what is charged', async () => {
    const headgate = ollamaLimiter(roomy);
    const app = new Hono().use(compress({ threshold: 0 })).use(headgate);
    app.post('/api/chat', (c) => c.json(whole)).get('/page', (c) => c.json(whole));
    await withApp(start, app, async ({ url }) => {
      const charges = chargesOf(headgate.limiter);
      expect(await (await ask(`${url}/api/chat`, { ...question, stream: false })).json()).toEqual(whole);
      const page = await fetch(`${url}/page`, { headers: { 'accept-encoding': 'gzip' } });
      expect([page.headers.get('content-encoding'), await page.json()]).toEqual(['gzip', whole]);
      expect((await charges.after(2))[0]).toEqual(charged);
    });
  });

  test('F13: below a base path, in a sub-application and on a route of its own a chat is a chat', async () => {
    const app = new Hono();
    const sub = new Hono().use(ollamaLimiter(once)).post('/api/chat', (c) => c.json({}));
    app.route('/ai', sub);
    app.use('/of/:team/*', ollamaLimiter(once)).post('/of/:team/api/chat', (c) => c.json({}));
    app.post('/own/v1/chat/completions', ollamaLimiter(once), (c) => c.json({}));
    app.mount('/mounted', new Hono().use(ollamaLimiter(once)).post('/api/chat', (c) => c.json({})).fetch);
    await withApp(start, app, async ({ url }) => {
      for (const path of ['/ai/api/chat', '/of/red/api/chat', '/own/v1/chat/completions', '/mounted/api/chat']) {
        const statuses = [await ask(`${url}${path}`), await ask(`${url}${path}`)].map(({ status }) => status);
        expect(statuses, path).toEqual([200, 429]);
      }
    });
  });

  test('identify names who is asking, skip leaves a request alone', async () => {
    const app = new Hono().use(
      ollamaLimiter({ ...once, identify: (c) => c.req.header('x-team'), skip: async (c) => c.req.path === '/health' }),
    );
    app.all('*', (c) => c.text(c.get('headgate')?.about.identity?.id ?? 'skipped'));
    await withApp(start, app, async ({ url }) => {
      const as = (team: string): RequestInit => ({ headers: { 'content-type': 'application/json', 'x-team': team } });
      expect(await (await ask(`${url}/api/chat`, question, as('red'))).text()).toBe('red');
      expect((await ask(`${url}/api/chat`, question, as('red'))).status).toBe(429);
      expect(await (await fetch(`${url}/health`)).text()).toBe('skipped');
    });
  });

  test('onRefused may change the refusal or answer itself; headers of other middleware stay', async () => {
    for (const answers of [false, true]) {
      const told: string[] = [];
      const headgate = ollamaLimiter(createLimiter(once), {
        onRefused: (refusal, response, c) => {
          told.push(`${c.req.method} ${refusal.reason} ${refusal.limit}`);
          response.headers.set('x-own', 'added');
          return answers ? c.json({ own: true }, 503) : undefined;
        },
      });
      const app = new Hono()
        .use(cors({ origin: 'https://app.example' }))
        .use(headgate)
        .post('/api/chat', (c) => c.json({}));
      await withApp(start, app, async ({ url }) => {
        await ask(`${url}/api/chat`);
        const response = await ask(`${url}/api/chat`, question, { headers: { origin: 'https://app.example' } });
        const shown = ['x-own', 'access-control-allow-origin'].map((name) => response.headers.get(name));
        expect([response.status, ...shown]).toEqual([
          answers ? 503 : 429,
          answers ? null : 'added',
          'https://app.example',
        ]);
        expect(await response.json()).toEqual(answers ? { own: true } : { error: expect.stringContaining('chats') });
        expect(told).toEqual(['POST limit chats']);
      });
    }
  });

  test('what an option throws goes to the error handler, and nothing is charged', async () => {
    const headgate = ollamaLimiter({ ...once, identify: () => Promise.reject(new Error('from the option')) });
    const app = new Hono().use(headgate);
    await withApp(start, app, async ({ url }) => {
      expect((await ask(`${url}/api/chat`)).status).toBe(500);
      expect(headgate.limiter.stats()).toMatchObject({ inFlight: 0, open: 0 });
    });
  });

  test('F7, F23: nested limiters show both policies, and what the inner one refuses costs the outer nothing', async () => {
    const outer = ollamaLimiter({ limits: [{ name: 'outer', requests: '10/hour' }] });
    const inner = ollamaLimiter({ limits: [{ name: 'inner', requests: '90/hour' }], models: ['mistral:*'] });
    const app = new Hono()
      .use(outer)
      .use(inner)
      .post('/api/chat', (c) => c.json({}));
    await withApp(start, app, async ({ url }) => {
      for (let i = 0; i < 3; i++) {
        const refused = await ask(`${url}/api/chat`);
        expect([refused.status, refused.headers.get('ratelimit')]).toEqual([403, expect.stringMatching(/"outer";r=9/)]);
      }
      await expect.poll(() => outer.limiter.stats().open).toBe(0);
      const { headers } = await ask(`${url}/api/chat`, { ...question, model: 'mistral:7b' });
      expect(headers.get('ratelimit')).toMatch(/"outer";r=9/);
      expect(headers.get('ratelimit')).toMatch(/"inner";r=89/);
      expect([headers.get('x-ratelimit-limit'), headers.get('x-ratelimit-remaining')]).toEqual(['10', '9']);
    });
  });

  test('F24: the permit is held until the last byte has left, not until next() returns', async () => {
    const headgate = ollamaLimiter({ concurrency: 1 });
    let body: ReadableStreamDefaultController<Uint8Array> | undefined;
    const app = new Hono().use(headgate).post('/api/chat', (c) => {
      const stream = new ReadableStream<Uint8Array>({
        start: (controller) => {
          body = controller;
          controller.enqueue(new TextEncoder().encode(chunkLine('one')));
        },
      });
      return c.body(stream, 200, { 'content-type': 'application/x-ndjson' });
    });
    await withApp(start, app, async ({ url }) => {
      const charges = chargesOf(headgate.limiter);
      const response = await ask(`${url}/api/chat`);
      expect((await ask(`${url}/api/chat`)).status).toBe(429);
      expect([headgate.limiter.stats().inFlight, charges.usages.length]).toEqual([1, 0]);
      body!.close();
      await response.text();
      expect(await charges.after(1)).toMatchObject([{ outputTokens: 1 }]);
    });
  });

  test('F25: a client that leaves mid-stream gives its permit back, and the stream is cancelled', async () => {
    const headgate = ollamaLimiter({ concurrency: 1 });
    const seen: string[] = [];
    const app = new Hono().use(headgate).post('/api/chat', (c) => {
      c.get('headgate')!.permit.signal.addEventListener('abort', () => seen.push('permit aborted'));
      const stream = new ReadableStream<Uint8Array>({
        start: (controller) => controller.enqueue(new TextEncoder().encode(chunkLine('one'))),
        cancel: () => void seen.push('stream cancelled'),
      });
      return c.body(stream, 200, { 'content-type': 'application/x-ndjson' });
    });
    await withApp(start, app, async ({ url }) => {
      const charges = chargesOf(headgate.limiter);
      const leaving = new AbortController();
      const response = await ask(`${url}/api/chat`, question, { signal: leaving.signal });
      await response.body!.getReader().read();
      leaving.abort();
      expect(await charges.after(1)).toMatchObject([{ outputTokens: 1 }]);
      await expect.poll(() => seen.sort()).toEqual(['permit aborted', 'stream cancelled']);
    });
  });

  test('a budget that ends mid-stream ends the answer as its length would, and the stream with it', async () => {
    const headgate = ollamaLimiter({ tokens: '60/hour' });
    const seen: string[] = [];
    const app = new Hono().use(headgate).post('/api/chat', (c) => {
      const stream = new ReadableStream<Uint8Array>({
        pull: (controller) => controller.enqueue(new TextEncoder().encode(chunkLine('word '))),
        cancel: () => void seen.push('cancelled'),
      });
      c.get('headgate')!.permit.signal.addEventListener('abort', () => seen.push('aborted'));
      return c.body(stream, 200, { 'content-type': 'application/x-ndjson' });
    });
    await withApp(start, app, async ({ url }) => {
      const charges = chargesOf(headgate.limiter);
      const lines = linesOf(await (await ask(`${url}/api/chat`)).text());
      expect(lines.at(-1)).toMatchObject({ done: true, done_reason: 'length' });
      const delivered = lines.filter(({ done }) => done === false).length;
      expect(delivered).toBeLessThan(60);
      expect(await charges.after(1)).toMatchObject([{ outputTokens: delivered }]);
      await expect.poll(() => seen).toContain('aborted');
    });
  });

  test('a stream that outlives the drain is ended with an error, one without a head is refused', async () => {
    const headgate = ollamaLimiter({ ...roomy, concurrency: 9 });
    const app = new Hono().use(headgate);
    app.post('/api/chat', (c) => {
      const stream = new ReadableStream<Uint8Array>({
        start: (controller) => controller.enqueue(new TextEncoder().encode(chunkLine('one'))),
      });
      return c.body(stream, 200, { 'content-type': 'application/x-ndjson' });
    });
    app.post('/api/generate', () => new Promise(() => {}));
    await withApp(start, app, async ({ url }) => {
      const charges = chargesOf(headgate.limiter);
      const running = await ask(`${url}/api/chat`);
      const silent = ask(`${url}/api/generate`, { model: 'llama3.2', prompt: 'why' });
      await expect.poll(() => headgate.limiter.stats().inFlight).toBe(2);
      await headgate.limiter.close({ drainMs: 0 });
      expect(linesOf(await running.text()).at(-1)).toEqual({ error: expect.stringContaining('try again') });
      expect((await silent).status).toBe(503);
      await charges.after(2);
    });
  });
});

test('without a server there is nobody to be told apart, and a request passes all the same', async () => {
  const app = new Hono()
    .use(ollamaLimiter(once))
    .post('/api/chat', (c) => c.text(c.get('headgate')!.about.identity!.id));
  const chat = () => app.request('/api/chat', { method: 'POST', body: JSON.stringify(question) });
  expect(await (await chat()).text()).toBe('address:unknown');
  expect((await chat()).status).toBe(429);
});
