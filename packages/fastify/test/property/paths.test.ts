import type { IncomingMessage } from 'node:http';
import fastify, { type FastifyInstance } from 'fastify';
import { describe, test } from 'vitest';
import { nobody, nobodyPasses } from '../../../express/test/support/spellings.js';
import { ollamaLimiter } from '../../src/index.js';
import { withApp } from '../support/fastify-server.js';

const route = (app: FastifyInstance, path = '/api/chat'): void => void app.all(path, async () => '');
const limited = async (app: FastifyInstance): Promise<void> => {
  app.register(ollamaLimiter, nobody);
  route(app);
};

const routers: [string, object][] = [
  ['a strict router', {}],
  [
    'a generous one',
    { caseSensitive: false, ignoreTrailingSlash: true, ignoreDuplicateSlashes: true, useSemicolonDelimiter: true },
  ],
];

const setups: [string, string, (app: FastifyInstance) => unknown][] = [
  ['on the instance', '/api/chat', limited],
  ['below a prefix', '/ai/api/chat', (app) => app.register(limited, { prefix: '/ai' })],
  ['below a parameter', '/red/api/chat', (app) => app.register(limited, { prefix: '/:team' })],
  ['below what looks like a key', '/k/red/api/chat', (app) => app.register(limited, { prefix: '/k/:team' })],
  ['below an expression', '/v12/api/chat', (app) => app.register(limited, { prefix: '/v:version(^\\d+)' })],
  [
    'around plugins with prefixes',
    '/ai/v2/api/chat',
    (app) => {
      app.register(async (inner) => void inner.register(async (deeper) => route(deeper), { prefix: '/v2' }), {
        prefix: '/ai',
      });
      app.register(ollamaLimiter, nobody);
    },
  ],
  [
    'around a route',
    '/ollama/api/chat',
    (app) => {
      app.register(ollamaLimiter, nobody);
      route(app, '/ollama/api/chat');
    },
  ],
  [
    'on a route',
    '/of/red/api/chat',
    (app) => {
      app.register(ollamaLimiter, {});
      app.all('/of/:team/api/chat', { config: { headgate: nobody } }, async () => '');
    },
  ],
];

describe.each(routers)('Fastify, %s', (_name, routerOptions) => {
  test.each(setups)(
    'F13: %s, every spelling of %s that leads to the handler is held to its limits',
    async (_where, path, set) => {
      const app = fastify({ forceCloseConnections: true, routerOptions });
      set(app);
      await withApp(app, ({ url }) => nobodyPasses(url, path));
    },
  );

  test('F13: behind rewriteUrl, every spelling that leads to the handler is held to its limits', async () => {
    const rewriteUrl = ({ url = '' }: IncomingMessage): string => url.replace(/^\/ai(?=\/)/i, '');
    const app = fastify({ forceCloseConnections: true, routerOptions, rewriteUrl });
    limited(app);
    await withApp(app, ({ url }) => nobodyPasses(url, '/ai/api/chat'));
  });
});
