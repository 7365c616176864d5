import { PassThrough } from 'node:stream';
import {
  type AdapterHarness,
  adapterConformance,
  type ConformanceHandler,
  type Exchange,
} from '@headgate/core/testing';
import { bodyParser } from '@koa/bodyparser';
import type { Context } from 'koa';
import { describe, test } from 'vitest';
import { ollamaLimiter } from '../../src/index.js';
import { listen, textOf, versions } from '../support/koa-server.js';

for (const { name, Koa } of versions) {
  const harness: AdapterHarness = {
    start: ({ limiters, parser, handler }) => {
      const app = new Koa();
      if (parser === 'before') app.use(bodyParser());
      for (const limiter of limiters) app.use(ollamaLimiter(limiter));
      if (parser === 'after') app.use(bodyParser());
      app.use((ctx) => streaming(ctx, handler));
      return listen(app);
    },
  };

  describe(name, () => {
    for (const scenario of adapterConformance(harness)) test(scenario.name, scenario.run);
  });
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
