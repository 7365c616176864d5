/** Routes behind a limiter: those of models are held to it, an application's own are not. */
import type { FastifyInstance } from 'fastify';
import { expect, test } from 'vitest';
import { ask, question } from '../../../express/test/support/ask.js';
import { ollamaLimiter } from '../../src/index.js';
import { application, withApp } from '../support/fastify-server.js';

const forbidden = { models: ['mistral'] };

/** A limiter of the root, and a plugin below `/crm` that answers with what it was sent. */
function crm(hook: 'onRequest' | 'preHandler'): FastifyInstance {
  const app = application();
  app.register(ollamaLimiter, { ...forbidden, hook });
  app.addContentTypeParser('text/plain', { parseAs: 'string' }, (_request, body, done) => done(null, body));
  app.addContentTypeParser('application/x-www-form-urlencoded', { parseAs: 'string' }, (_request, body, done) =>
    done(null, Object.fromEntries(new URLSearchParams(body as string))),
  );
  const routes = async (scope: FastifyInstance): Promise<void> => {
    scope.all('/*', async ({ headgate, body }) => ({ operation: headgate!.about.operation, body: body ?? null }));
  };
  app.register(routes, { prefix: '/crm' });
  return app;
}

test.each(['onRequest', 'preHandler'] as const)('F13: behind a limiter at %s', async (hook) => {
  await withApp(crm(hook), async ({ url }) => {
    expect((await ask(`${url}/crm/api/chat`)).status).toBe(403);
    expect((await ask(`${url}/crm/api/chat`, { ...question, model: 'Mistral' })).status).toBe(200);
    expect((await ask(`${url}/crm/v1/messages`, { MODEL: 'llama3.2' })).status).toBe(400);
    const own = await ask(`${url}/crm/v1/messages`, { text: 'é' });
    expect(await own.json()).toEqual({ operation: 'other', body: { text: 'é' } });
    const long = 'é'.repeat(200_000);
    const text = await fetch(`${url}/crm/api/generate`, {
      method: 'PUT',
      body: long,
      headers: { 'content-type': 'text/plain' },
    });
    expect(await text.json()).toEqual({ operation: 'other', body: long });
    const form = (fields: Record<string, string>): Promise<Response> =>
      fetch(`${url}/crm/api/generate`, { method: 'POST', body: new URLSearchParams(fields) });
    expect(await (await form({ text: 'é' })).json()).toEqual({ operation: 'other', body: { text: 'é' } });
    expect((await form({ model: 'llama3.2', prompt: 'Hi' })).status).toBe(hook === 'onRequest' ? 400 : 403);
    const empty = await fetch(`${url}/crm/v1/embeddings`, { method: 'POST' });
    expect(await empty.json()).toEqual({ operation: 'other', body: null });
    expect(await (await fetch(`${url}/crm/api/delete`, { method: 'DELETE' })).json()).toEqual({
      operation: 'other',
      body: null,
    });
  });
});

test('F13: the prefix of the instance that registers the limiter is certain', async () => {
  const app = application();
  const scope = async (instance: FastifyInstance): Promise<void> => {
    instance.register(ollamaLimiter, forbidden);
    instance.all('/*', async () => 'reached');
  };
  app.register(scope, { prefix: '/ai' });
  await withApp(app, async ({ url }) => {
    expect((await ask(`${url}/ai/v1/messages`, { text: '' })).status).toBe(400);
    expect((await ask(`${url}/ai/api/create`, { text: '' })).status).toBe(403);
  });
});

test.each(['/ollama/*', '/ollama*', '/ollama/api/:name', '/*'])(
  'F13: a proxy behind the limiter at %s',
  async (path) => {
    const app = application();
    app.register(ollamaLimiter, forbidden);
    app.all(path, async ({ headgate, body }) => ({ operation: headgate!.about.operation, body }));
    await withApp(app, async ({ url }) => {
      expect((await ask(`${url}/ollama/api/chat`)).status).toBe(403);
      const chat = await ask(`${url}/ollama/api/chat`, { ...question, model: 'mistral' });
      expect(await chat.json()).toMatchObject({ operation: 'chat', body: { model: 'mistral' } });
      const own = await ask(`${url}/ollama/api/chat`, { text: 'é' });
      expect(await own.json()).toEqual({ operation: 'other', body: { text: 'é' } });
    });
  },
);
