import Router from '@koa/router';
import type Koa from 'koa';
import mount from 'koa-mount';
import { describe, test } from 'vitest';
import { nobody, nobodyPasses } from '../../../express/test/support/spellings.js';
import { ollamaLimiter } from '../../src/index.js';
import { type KoaModule, versions, withApp } from '../support/koa-server.js';

const answer: Koa.Middleware = (ctx) => {
  ctx.body = {};
};

/** Koa has no routes of its own. */
const routed = (path: string, prefix?: string): Koa.Middleware => {
  const router = new Router(prefix === undefined ? {} : { prefix });
  // Without a path the router would compare its prefix with capitals and small letters told apart, and its routes without.
  if (prefix !== undefined) router.use('/{*rest}', ollamaLimiter(nobody));
  return router.all(path, answer).routes() as Koa.Middleware;
};

const setups: [string, string, (app: Koa, Module: KoaModule) => void][] = [
  ['on the application', '/api/chat', (app) => app.use(ollamaLimiter(nobody)).use(routed('/api/chat'))],
  [
    'below a mount',
    '/ai/api/chat',
    (app, Module) => app.use(mount('/ai', new Module().use(ollamaLimiter(nobody)).use(routed('/api/chat')))),
  ],
  [
    'around a mount',
    '/ollama/api/chat',
    (app) => app.use(ollamaLimiter(nobody)).use(mount('/ollama', routed('/api/chat'))),
  ],
  ['in a router', '/ai/api/chat', (app) => app.use(routed('/api/chat', '/ai'))],
  ['below a parameter', '/ai/red/api/chat', (app) => app.use(routed('/api/chat', '/ai/:team'))],
  [
    'behind a rewritten URL',
    '/chat/now',
    (app) => {
      app.use((ctx, next) => {
        if (/^\/chat\/now\/?$/i.test(ctx.path)) ctx.url = '/api/chat';
        return next();
      });
      app.use(ollamaLimiter(nobody)).use(routed('/api/chat'));
    },
  ],
];

for (const { name, Koa: Module } of versions) {
  describe(name, () => {
    test.each(setups)(
      'F13: %s, every spelling of %s that leads to the handler is held to its limits',
      async (_where, path, set) => {
        const app = new Module();
        set(app, Module);
        await withApp(app, ({ url }) => nobodyPasses(url, path));
      },
    );
  });
}
