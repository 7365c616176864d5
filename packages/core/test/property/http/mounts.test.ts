import { defaultDialects } from '@headgate/dialects';
import { test } from 'vitest';
import { methodsWithBody, nobody, nobodyPasses } from '../../../../express/test/support/spellings.js';
import { createLimiter } from '../../../src/index.js';
import { serveFetch } from '../../support/fetch-server.js';

/** A router that is as generous as one can be. */
const isChat = (url: string, pattern: RegExp): boolean => {
  try {
    return pattern.test(decodeURIComponent(new URL(url).pathname).split(';', 1)[0]!);
  } catch {
    return false;
  }
};

test.each([
  ['', '/api/chat', /^\/api\/chat\/?$/i],
  ['/ai', '/ai/api/chat', /^\/ai\/api\/chat\/?$/i],
  ['/ai/', '/ai/api/chat', /^\/ai\/api\/chat\/?$/i],
  ['/ai/:team', '/ai/red/api/chat', /^\/ai\/[^/]+\/api\/chat\/?$/i],
  ['/*', '/a/b/api/chat', /^(?:\/[^/]+)*\/api\/chat\/?$/i],
])(
  'F13: limiter.handler with the mount "%s" holds every spelling of %s to its limits',
  async (mount, path, pattern) => {
    const limiter = createLimiter(nobody, { dialects: defaultDialects });
    const handler = limiter.handler(({ url }) => new Response(null, { status: isChat(url, pattern) ? 200 : 404 }), {
      mount,
    });
    const server = await serveFetch(handler);
    try {
      await nobodyPasses(server.url, path, methodsWithBody);
    } finally {
      await server.close();
    }
  },
);
