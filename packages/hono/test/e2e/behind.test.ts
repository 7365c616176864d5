/** Routes of applications behind a limiter: those of models are held to it, an application's own are not. */
import { type Handler, Hono, type MiddlewareHandler } from 'hono';
import { beforeEach, describe, expect, test, vi } from 'vitest';
import { ask, question } from '../../../express/test/support/ask.js';
import { ollamaLimiter } from '../../src/index.js';
import { runtimes, withApp } from '../support/hono-server.js';

const forbidden = { models: ['mistral'] };

describe.each(runtimes)('$name', ({ start }) => {
  beforeEach(() => void vi.spyOn(process, 'emitWarning').mockReturnValue());

  test.each([false, true])('F13: behind a limiter, with the body read before: %s', async (isRead) => {
    const app = new Hono();
    const reading: MiddlewareHandler = async (c, next) => {
      await c.req.text();
      await next();
    };
    if (isRead) app.use(reading);
    app.use(ollamaLimiter(forbidden));
    const routes = new Hono().post('/v1/completions', async (c) => c.json(Object.fromEntries(await c.req.formData())));
    routes.all('*', async (c) => c.json({ operation: c.get('headgate')!.about.operation, body: await c.req.text() }));
    app.route('/crm', routes);
    await withApp(start, app, async ({ url }) => {
      expect((await ask(`${url}/crm/api/chat`)).status).toBe(403);
      expect((await ask(`${url}/crm/api/chat`, { ...question, model: 'Mistral' })).status).toBe(200);
      expect((await ask(`${url}/crm/v1/messages`, { MODEL: 'llama3.2' })).status).toBe(400);
      for (const body of ['{ "text": "é" }', 'é'.repeat(200_000), '']) {
        const own = await fetch(`${url}/crm/api/chat`, { method: 'PUT', body });
        expect(await own.json()).toEqual({ operation: 'other', body });
      }
      const deleted = await fetch(`${url}/crm/api/delete`, { method: 'DELETE' });
      expect(await deleted.json()).toEqual({ operation: 'other', body: '' });
      if (isRead) return;
      const form = new FormData();
      form.set('text', 'é');
      const filled = await fetch(`${url}/crm/v1/completions`, { method: 'POST', body: form });
      expect(await filled.json()).toEqual({ text: 'é' });
      form.set('model', 'llama3.2');
      expect((await fetch(`${url}/crm/v1/completions`, { method: 'POST', body: form })).status).toBe(400);
      const fields = new URLSearchParams({ model: 'llama3.2', prompt: 'é' });
      expect((await fetch(`${url}/crm/v1/completions`, { method: 'POST', body: fields })).status).toBe(400);
    });
  });

  const answering: Handler = async (c) =>
    c.json({ operation: c.get('headgate')!.about.operation, body: await c.req.text() });
  test.each<[string, (app: Hono) => Hono]>([
    ['all("/ollama/*")', (app) => app.all('/ollama/*', answering)],
    ['all("/ollama/:path{.+}")', (app) => app.all('/ollama/:path{.+}', answering)],
    ['all("*")', (app) => app.all('*', answering)],
    [
      'mount("/ollama")',
      (app) =>
        app.mount('/ollama', async (request: Request) =>
          Response.json({ operation: new URL(request.url).pathname, body: await request.text() }),
        ),
    ],
  ])('F13: a proxy behind the limiter: %s', async (_how, proxied) => {
    const app = new Hono();
    app.use(ollamaLimiter(forbidden));
    await withApp(start, proxied(app), async ({ url }) => {
      expect((await ask(`${url}/ollama/api/chat`)).status).toBe(403);
      const chat = await ask(`${url}/ollama/api/chat`, { ...question, model: 'mistral' });
      expect(await chat.json()).toEqual({
        operation: expect.stringMatching(/^(?:chat|\/api\/chat)$/),
        body: expect.stringContaining('"model":"mistral"'),
      });
      const own = await ask(`${url}/ollama/api/chat`, { text: 'é' });
      expect(await own.json()).toEqual({
        operation: expect.stringMatching(/^(?:other|\/api\/chat)$/),
        body: '{"text":"é"}',
      });
    });
  });

  test('F13: it is told once', async () => {
    const warn = vi.spyOn(process, 'emitWarning').mockReturnValue();
    const app = new Hono().use(ollamaLimiter(forbidden));
    app.route(
      '/crm',
      new Hono().all('*', (c) => c.text('')),
    );
    await withApp(start, app, async ({ url }) => {
      warn.mockClear();
      for (const text of ['a', 'b']) await (await ask(`${url}/crm/v1/messages`, { text })).text();
      expect(warn.mock.calls).toEqual([
        [expect.stringMatching(/^POST \/crm\/v1\/messages counts as/), expect.anything()],
      ]);
    });
  });

  test('F13: the pattern that the limiter is used on is certain', async () => {
    const app = new Hono();
    app.use('/ai/*', ollamaLimiter(forbidden));
    app.route(
      '/ai',
      new Hono().all('*', (c) => c.text('reached')),
    );
    await withApp(start, app, async ({ url }) => {
      expect((await ask(`${url}/ai/v1/messages`, { text: '' })).status).toBe(400);
      expect((await ask(`${url}/ai/api/create`, { text: '' })).status).toBe(403);
    });
  });
});
