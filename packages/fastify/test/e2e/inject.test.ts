/** Requests that are no messages of a connection: those of `app.inject`, in tests of applications and in functions of clouds. */
import { Readable } from 'node:stream';
import { createLimiter } from '@headgate/core';
import { expect, test } from 'vitest';
import { question } from '../../../express/test/support/ask.js';
import { ollamaLimiter } from '../../src/index.js';
import { application } from '../support/fastify-server.js';

const limits = { models: ['llama3.2'], guard: { body: '1KiB' }, output: 50 };
const headers = { 'content-type': 'application/json' };

test.each(['onRequest', 'preHandler'] as const)(
  'a request that is injected is one like any other at %s',
  async (hook) => {
    const app = application();
    const limiter = createLimiter(limits);
    app.register(ollamaLimiter, { limiter, hook });
    app.all('/*', async ({ headgate, body }) => ({ operation: headgate!.about.operation, body: body ?? null }));
    const post = (url: string, payload: object | string) => app.inject({ method: 'POST', url, headers, payload });

    const capped = { ...question, options: { num_predict: 50 } };
    const chat = await post('/api/chat', question);
    expect(chat.json()).toMatchObject({ operation: 'chat', body: capped });
    const streamed = await post('/api/chat', Readable.from([JSON.stringify(question)], { objectMode: false }));
    expect(streamed.json()).toMatchObject({ operation: 'chat', body: capped });
    expect((await post('/api/chat', { ...question, model: 'mistral' })).statusCode).toBe(403);
    expect((await post('/api/chat', 'x'.repeat(2_000))).statusCode).toBe(hook === 'onRequest' ? 413 : 400);
    expect((await app.inject({ method: 'POST', url: '/api/chat' })).statusCode).toBe(400);
    for (const url of ['/crm/v1/messages', '/mine']) {
      expect((await post(url, { text: 'x' })).json()).toEqual({ operation: 'other', body: { text: 'x' } });
    }
    expect(limiter.stats()).toMatchObject({ inFlight: 0, open: 0 });
    await app.close();
  },
);
