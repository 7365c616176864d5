/** What is Koa's own: its options, its bodies, mounts and routers, and answers that fail after their head. */
import { PassThrough, Readable } from 'node:stream';
import { createLimiter } from '@headgate/core';
import Router from '@koa/router';
import type { Context, Middleware } from 'koa';
import compress from 'koa-compress';
import mount from 'koa-mount';
import { describe, expect, test } from 'vitest';
import { ask, chunkLine, lastLine, question } from '../../../express/test/support/ask.js';
import { chargesOf } from '../../../express/test/support/charges.js';
import { ollamaLimiter } from '../../src/index.js';
import { versions, withApp } from '../support/koa-server.js';

const roomy = { tokens: '100k/hour' };
const once = { limits: [{ name: 'chats', match: { operation: 'chat' }, requests: '1/hour' }] };
const streamed = chunkLine('Because') + chunkLine('it') + lastLine(12, 2);
const whole = { message: { role: 'assistant', content: 'Because' }, done: true, prompt_eval_count: 12, eval_count: 2 };
const charged = { inputTokens: 12, outputTokens: 2 };

function answering(body: (ctx: Context) => unknown): Middleware {
  return (ctx) => {
    ctx.body = body(ctx);
  };
}

describe.each(versions)('$name', ({ Koa }) => {
  test.each<[string, () => unknown]>([
    ['an object', () => whole],
    ['a string', () => JSON.stringify(whole)],
    ['a buffer', () => Buffer.from(JSON.stringify(whole))],
    ['a stream', () => Readable.from([JSON.stringify(whole)])],
  ])('%s as the body is charged by what it reports', async (_name, make) => {
    const app = new Koa();
    const headgate = ollamaLimiter(roomy);
    app.use(headgate).use((ctx) => {
      ctx.type = 'json';
      ctx.body = make();
    });
    await withApp(app, async ({ url }) => {
      const charges = chargesOf(headgate.limiter);
      const response = await ask(`${url}/api/chat`, { ...question, stream: false });
      expect(await response.json()).toEqual(whole);
      expect(response.headers.get('ratelimit')).toMatch(/"tokens.hour";r=\d+/);
      expect(await charges.after(1)).toEqual([charged]);
    });
  });

  test('an answer that is counted is not compressed, others are', async () => {
    const app = new Koa();
    const headgate = ollamaLimiter(roomy);
    app
      .use(compress({ threshold: 0 }))
      .use(headgate)
      .use((ctx) => {
        ctx.type = 'json';
        ctx.body = JSON.stringify(whole);
      });
    await withApp(app, async ({ url }) => {
      const charges = chargesOf(headgate.limiter);
      const chat = await ask(`${url}/api/chat`, { ...question, stream: false });
      expect([chat.headers.get('content-encoding'), await chat.json()]).toEqual([null, whole]);
      const page = await fetch(`${url}/page`, { headers: { 'accept-encoding': 'gzip' } });
      expect([page.headers.get('content-encoding'), await page.json()]).toEqual(['gzip', whole]);
      expect((await charges.after(2))[0]).toEqual(charged);
    });
  });

  test('F13: below a mount and in routers with prefixes a chat is a chat', async () => {
    const app = new Koa();
    const mounted = new Koa().use(ollamaLimiter(once)).use(answering(() => '{}'));
    app.use(mount('/ai', mounted));
    const inner = new Router({ prefix: '/deep' });
    inner.use(ollamaLimiter(once));
    inner.post(
      '/api/chat',
      answering(() => '{}'),
    );
    const outer = new Router({ prefix: '/routed' }).use(inner.routes());
    app.use(outer.routes());
    await withApp(app, async ({ url }) => {
      for (const path of ['/ai/api/chat', '/routed/deep/api/chat']) {
        const statuses = [await ask(`${url}${path}`), await ask(`${url}${path}`)].map(({ status }) => status);
        expect(statuses, path).toEqual([200, 429]);
      }
    });
  });

  test('identify names who is asking, skip leaves a request alone', async () => {
    const app = new Koa();
    const skip = async (ctx: { readonly path: string }) => ctx.path === '/health';
    app.use(ollamaLimiter({ ...once, identify: (ctx) => ctx.get('x-team') || undefined, skip }));
    app.use(answering((ctx) => JSON.stringify(ctx.state.headgate?.about.identity?.id ?? 'skipped')));
    await withApp(app, async ({ url }) => {
      const as = (team: string): RequestInit => ({ headers: { 'content-type': 'application/json', 'x-team': team } });
      expect(await (await ask(`${url}/api/chat`, question, as('red'))).json()).toBe('red');
      expect((await ask(`${url}/api/chat`, question, as('red'))).status).toBe(429);
      expect(await (await ask(`${url}/api/chat`)).json()).toBe('address:127.0.0.1');
      expect(await (await fetch(`${url}/health`)).json()).toBe('skipped');
    });
  });

  test.each([false, true])('onRefused may add a header, or answer itself (%s)', async (answers) => {
    const app = new Koa();
    const told: string[] = [];
    const headgate = ollamaLimiter(createLimiter(once), {
      onRefused: (refusal, ctx) => {
        told.push(`${ctx.method} ${refusal.reason} ${refusal.limit}`);
        ctx.set('x-own', 'added');
        if (answers) ctx.body = { own: true };
      },
    });
    app.use(headgate).use(answering(() => '{}'));
    await withApp(app, async ({ url }) => {
      await ask(`${url}/api/chat`);
      const response = await ask(`${url}/api/chat`);
      expect([response.status, response.headers.get('x-own')]).toEqual([429, 'added']);
      expect(await response.json()).toEqual(answers ? { own: true } : { error: expect.stringContaining('chats') });
      expect(told).toEqual(['POST limit chats']);
    });
  });

  test('what an option throws goes to the error handler, and nothing is charged', async () => {
    const app = new Koa();
    const headgate = ollamaLimiter({ ...once, identify: () => Promise.reject(new Error('from the option')) });
    app.use(headgate);
    await withApp(app, async ({ url }) => {
      expect((await ask(`${url}/api/chat`)).status).toBe(500);
      expect(headgate.limiter.stats()).toMatchObject({ inFlight: 0, open: 0 });
    });
  });

  test('F7, F23: nested limiters show both policies, and what the inner one refuses costs the outer nothing', async () => {
    const app = new Koa();
    const outer = ollamaLimiter({ limits: [{ name: 'outer', requests: '10/hour' }] });
    app.use(outer).use(ollamaLimiter({ limits: [{ name: 'inner', requests: '90/hour' }], models: ['mistral:*'] }));
    app.use(answering(() => '{}'));
    await withApp(app, async ({ url }) => {
      for (let i = 0; i < 3; i++) expect((await ask(`${url}/api/chat`)).status).toBe(403);
      await expect.poll(() => outer.limiter.stats().open).toBe(0);
      const { headers } = await ask(`${url}/api/chat`, { ...question, model: 'mistral:7b' });
      expect(headers.get('ratelimit')).toMatch(/"outer";r=9.*"inner";r=89/);
      expect([headers.get('x-ratelimit-limit'), headers.get('x-ratelimit-remaining')]).toEqual(['10', '9']);
    });
  });

  test('F24: the permit is held until the last byte has left, not until the middleware returns', async () => {
    const app = new Koa();
    const headgate = ollamaLimiter({ concurrency: 1 });
    const body = new PassThrough();
    app.use(headgate).use((ctx) => {
      ctx.type = 'application/x-ndjson';
      ctx.body = body;
      body.write(chunkLine('one'));
    });
    await withApp(app, async ({ url }) => {
      const charges = chargesOf(headgate.limiter);
      const response = await ask(`${url}/api/chat`);
      expect((await ask(`${url}/api/chat`)).status).toBe(429);
      expect([headgate.limiter.stats().inFlight, charges.usages.length]).toEqual([1, 0]);
      body.end();
      await response.text();
      await charges.after(1);
    });
  });

  test('F25: a client that leaves mid-stream gives its permit back, and the stream is destroyed', async () => {
    const app = new Koa();
    const headgate = ollamaLimiter({ concurrency: 1 });
    const body = new PassThrough();
    app.use(headgate).use((ctx) => {
      ctx.body = body;
      body.write(chunkLine('one'));
    });
    await withApp(app, async ({ url }) => {
      const leaving = new AbortController();
      const response = await ask(`${url}/api/chat`, question, { signal: leaving.signal });
      await response.body!.getReader().read();
      leaving.abort();
      await expect.poll(() => headgate.limiter.stats().inFlight).toBe(0);
      await expect.poll(() => body.destroyed).toBe(true);
    });
  });

  test('F27: a body that fails is never taken for a whole answer', async () => {
    const app = new Koa();
    app.use(ollamaLimiter(roomy)).use((ctx) => {
      const body = new PassThrough();
      ctx.body = body;
      const fail = (): void => void setImmediate(() => body.destroy(new Error('lost')));
      if (ctx.path === '/api/chat') body.write(chunkLine('one'), fail);
      else fail();
    });
    await withApp(app, async ({ url }) => {
      await expect((async () => (await ask(`${url}/api/chat`)).text())()).rejects.toThrow();
      // Before the head Koa 2 answers 500, Koa 3 closes the connection.
      const early = await ask(`${url}/api/generate`, { model: 'llama3.2', prompt: 'why' }).catch(() => ({
        status: 500,
      }));
      expect(early.status).toBe(500);
    });
  });

  test('a stream passes unchanged', async () => {
    const app = new Koa();
    app.use(ollamaLimiter(roomy)).use((ctx) => {
      ctx.type = 'application/x-ndjson';
      ctx.body = Readable.from([streamed.slice(0, 50), streamed.slice(50)]);
    });
    await withApp(app, async ({ url }) => expect(await (await ask(`${url}/api/chat`)).text()).toBe(streamed));
  });
});
