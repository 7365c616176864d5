import { type Handler, Hono, type MiddlewareHandler } from 'hono';
import { describe, test } from 'vitest';
import { methodsWithBody, nobody, nobodyPasses } from '../../../express/test/support/spellings.js';
import { ollamaLimiter } from '../../src/index.js';
import { runtimes, withApp } from '../support/hono-server.js';

const answer: Handler = (c) => c.text('');
const limiter = (): MiddlewareHandler => ollamaLimiter(nobody);

const setups: [string, string, () => Hono][] = [
  ['on the application', '/api/chat', () => new Hono({ strict: false }).use('*', limiter()).all('/api/chat', answer)],
  ['below a base path', '/ai/api/chat', () => new Hono().basePath('/ai').use(limiter()).all('/api/chat', answer)],
  [
    'below a parameter',
    '/ai/red/api/chat',
    () => new Hono().use('/ai/:team/*', limiter()).all('/ai/:team/api/chat', answer),
  ],
  [
    'below an expression',
    '/a/b/api/chat',
    () => new Hono().use('/:path{.+}/api/*', limiter()).all('/:path{.+}/api/chat', answer),
  ],
  [
    'around an application',
    '/ai/api/chat',
    () => new Hono().use(limiter()).route('/ai', new Hono().all('/api/chat', answer)),
  ],
  [
    'around a mount',
    '/ollama/api/chat',
    () => new Hono().use(limiter()).mount('/ollama', new Hono().all('/api/chat', answer).fetch),
  ],
  ['on a route', '/of/red/api/chat', () => new Hono().all('/of/:team/api/chat', limiter(), answer)],
  [
    'where the path is the host and the path',
    '/api/chat',
    () =>
      new Hono({ getPath: ({ url }) => `/host${new URL(url).pathname}` })
        .use('/host/*', limiter())
        .all('/host/api/chat', answer),
  ],
];

describe.each(runtimes)('$name', ({ start }) => {
  test.each(setups)(
    'F13: %s, every spelling of %s that leads to the handler is held to its limits',
    async (_where, path, make) => {
      await withApp(start, make(), ({ url }) => nobodyPasses(url, path, methodsWithBody));
    },
  );
});
