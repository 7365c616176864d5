import { PassThrough } from 'node:stream';
import {
  type AdapterHarness,
  adapterConformance,
  type ConformanceHandler,
  type Exchange,
} from '@headgate/core/testing';
import { bodyParser } from '@koa/bodyparser';
import Router from '@koa/router';
import Koa3, { type Context, type Middleware } from 'koa';
import mount from 'koa-mount';
import { describe, test } from 'vitest';
import { ollamaLimiter } from '../../src/index.js';
import { listen, textOf, versions } from '../support/koa-server.js';

for (const { name, Koa } of versions) {
  const harness: AdapterHarness = {
    start: ({ limiters, mount: path, prefix, parser, handler }) => {
      const app = new Koa();
      if (parser === 'before') app.use(bodyParser());
      const stack: Middleware[] = limiters.map((limiter) => ollamaLimiter(limiter));
      if (parser === 'after') stack.push(bodyParser());
      const last: Middleware = (ctx) => streaming(ctx, handler);
      stack.push(prefix === '' ? last : mount(prefix, last));
      app.use(below(path, stack));
      return listen(app);
    },
  };

  describe(name, () => {
    for (const scenario of adapterConformance(harness)) test(scenario.name, scenario.run);
  });
}

/** `koa-mount` knows no parameters; a router does. */
function below(path: string, stack: readonly Middleware[]): Middleware {
  if (path.includes(':')) return new Router({ prefix: path }).all('/{*rest}', ...stack).routes() as Middleware;
  const app = new Koa3();
  for (const middleware of stack) app.use(middleware);
  return path === '' ? mount(app) : mount(path, app);
}

/** Answers as Koa streams: the middleware is done once the body is set, and the body goes on. */
function streaming(ctx: Context, handler: ConformanceHandler): Promise<void> {
  return new Promise((resolve, reject) => {
    const body = new PassThrough();
    handler(exchangeOf(ctx, body, resolve)).catch((error) => {
      if (ctx.body === body) body.destroy(error);
      reject(error);
    });
  });
}

function exchangeOf(ctx: Context, body: PassThrough, started: () => void): Exchange {
  const gone = new AbortController();
  ctx.res.once('close', () => gone.abort());
  return {
    method: ctx.method,
    body: async () => ctx.request.body ?? JSON.parse(await textOf(ctx.req)),
    permit: ctx.state.headgate!.permit,
    connection: ctx.req.socket.remotePort,
    gone: gone.signal,
    head: (status, headers) => {
      ctx.status = status;
      ctx.set({ ...headers });
      if (status !== 204) ctx.body = body;
      started();
    },
    write: (text) => body.write(text),
    drained: () => new Promise((resolve) => body.once('drain', resolve)),
    end: (text) => void body.end(text),
    breakOff: () => void body.destroy(new Error('broken off, as it should be')),
  };
}
