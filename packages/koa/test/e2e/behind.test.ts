/** Routes behind a limiter: those of models are held to it, an application's own are not. */
import Router from '@koa/router';
import type { Middleware } from 'koa';
import mount from 'koa-mount';
import { beforeEach, describe, test, vi } from 'vitest';
import { holdsPrompts } from '../../../express/test/support/holds-prompts.js';
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
    await withApp(app, ({ url }) => holdsPrompts(url));
  });
});
