/** Routes behind a limiter: those of models are held to it, an application's own are not. */
import Router from '@koa/router';
import type { Middleware } from 'koa';
import mount from 'koa-mount';
import { beforeEach, describe, expect, test, vi } from 'vitest';
import { ask, question } from '../../../express/test/support/ask.js';
import { ollamaLimiter } from '../../src/index.js';
import { versions, withApp } from '../support/koa-server.js';

/** Answers with what it was sent, read as a proxy reads it. */
const proxy: Middleware = async (ctx) => {
  let body = '';
  for await (const chunk of ctx.req) body += String(chunk);
  ctx.body = { operation: ctx.state.headgate!.about.operation, body };
};

const setups: [string, Middleware][] = [
  ['mount("/ollama")', mount('/ollama', proxy)],
  ['all("/ollama/{*rest}")', new Router().all('/ollama/{*rest}', proxy).routes() as Middleware],
  ['use', proxy],
];

describe.each(versions)('$name', ({ Koa }) => {
  beforeEach(() => void vi.spyOn(process, 'emitWarning').mockReturnValue());

  test.each(setups)('F13: a proxy behind the limiter: %s', async (_how, last) => {
    const app = new Koa();
    app.use(ollamaLimiter({ models: ['mistral'] })).use(last);
    await withApp(app, async ({ url }) => {
      expect((await ask(`${url}/ollama/api/chat`)).status).toBe(403);
      const chat = await ask(`${url}/ollama/api/chat`, { ...question, model: 'mistral' });
      expect(await chat.json()).toEqual({
        operation: 'chat',
        body: expect.stringContaining('"model":"mistral"'),
      });
      expect((await ask(`${url}/ollama/v1/messages`, { MODEL: 'llama3.2' })).status).toBe(400);
      const fields = new URLSearchParams({ model: 'llama3.2', prompt: 'Hi' });
      expect((await fetch(`${url}/ollama/api/generate`, { method: 'POST', body: fields })).status).toBe(400);
      for (const body of ['{ "text": "é" }', 'é'.repeat(200_000), '']) {
        const own = await fetch(`${url}/ollama/v1/messages`, { method: 'PUT', body });
        expect(await own.json()).toEqual({ operation: 'other', body });
      }
    });
  });
});
