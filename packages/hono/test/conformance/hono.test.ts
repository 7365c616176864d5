import { type AdapterHarness, adapterConformance } from '@headgate/core/testing';
import { Hono, type MiddlewareHandler } from 'hono';
import { beforeEach, describe, test, vi } from 'vitest';
import { exchangeThrough } from '../../../core/test/support/fetch-exchange.js';
import { ollamaLimiter } from '../../src/index.js';
import { peerOf, runtimes } from '../support/hono-server.js';

/** What a validator does. */
const parsing: MiddlewareHandler = async (c, next) => {
  await c.req.json();
  await next();
};

describe.each(runtimes)('$name', ({ start }) => {
  const harness: AdapterHarness = {
    start: ({ limiters, mount, prefix, parser, handler }) => {
      const app = mount === '' ? new Hono() : new Hono().basePath(mount);
      // Errors are expected here; Hono prints those that it is not told what to do with.
      app.onError((_error, c) => c.text('the handler threw', 500));
      if (parser === 'before') app.use(parsing);
      for (const limiter of limiters) app.use(ollamaLimiter(limiter, { address: (c) => peerOf(c.env).address }));
      if (parser === 'after') app.use(parsing);
      const routes = new Hono().all('*', (c) =>
        exchangeThrough(handler, {
          method: c.req.method,
          body: () => c.req.json(),
          permit: c.get('headgate')!.permit,
          connection: peerOf(c.env).port,
          signal: c.req.raw.signal,
          respond: (body, { status, headers }) => c.body(body!, status as 200, headers as Record<string, string>),
        }),
      );
      return start(app.route(prefix === '' ? '/' : prefix, routes));
    },
  };

  // node-server prints the streams that break, which they are meant to.
  beforeEach(() => void vi.spyOn(console, 'error').mockReturnValue());

  for (const scenario of adapterConformance(harness)) test(scenario.name, scenario.run);
});
