import { expect, test } from 'vitest';
import type { Dialect } from '../../../src/http/dialect.js';
import { mountedMeaning, type NodeRequest } from '../../../src/node/index.js';

/** Knows one path for prompts, one for listings, and refuses every other. */
const dialect = {
  route: (method: string, path: string) => {
    const known = { '/api/chat': 'POST', '/api/tags': 'GET' }[path];
    if (known === method) return { operation: 'chat', path, method, kind: 'chat', body: 'json' };
    return { reason: known === undefined ? 'not-found' : 'bad-method', status: 404, message: '' };
  },
} as unknown as Dialect;

const body = { 'content-length': '2' };
const none = {};

test.each<[string, string, object, string, string]>([
  // method and URL as sent, headers, mount path, what it means
  ['POST /api/chat', '', body, 'POST', '/api/chat'],
  ['POST /ai/api/chat?x=1', '/ai', body, 'POST', '/api/chat?x=1'],
  ['POST /api/chat', '/api', body, 'POST', '/api/chat'],
  ['POST /ai/api/chat', '/ai/api', body, 'POST', '/api/chat'],
  ['POST /ai/api/chat', '/ai/api/chat', body, 'POST', '/api/chat'],
  ['POST /ai/k/key/api/chat', '/ai', body, 'POST', '/k/key/api/chat'],
  ['POST /API/Chat/', '', body, 'POST', '/api/chat'],
  ['POST /AI/API/chat/?Q=A', '/AI', body, 'POST', '/api/chat?Q=A'],
  ['PUT /api/chat', '', body, 'POST', '/api/chat'],
  ['PATCH /api/chat', '', { 'transfer-encoding': 'chunked' }, 'POST', '/api/chat'],
  ['GET /api/chat', '', body, 'POST', '/api/chat'],
  // Without a body there is no prompt, and the path is the application's own.
  ['GET /api/chat', '', none, 'GET', '/api/chat'],
  ['GET /api/tags', '', body, 'GET', '/api/tags'],
  // What is no business of a dialect stays as it was sent, also where a mount path could be cut.
  ['GET /Ai/Page/', '/Ai', none, 'GET', '/Ai/Page/'],
  ['POST /other/api/chat', '', body, 'POST', '/other/api/chat'],
  ['POST /x%2Fapi/chat', '', body, 'POST', '/x%2Fapi/chat'],
])('F13: %s below "%s"', (sent, mount, headers, method, target) => {
  const [sentMethod, originalUrl] = sent.split(' ');
  const req = { method: sentMethod, originalUrl, url: 'rewritten', headers } as unknown as NodeRequest;
  expect(mountedMeaning(req, mount, [dialect])).toEqual({ method, target });
});
