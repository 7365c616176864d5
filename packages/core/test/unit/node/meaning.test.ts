import { expect, test } from 'vitest';
import type { Dialect } from '../../../src/http/dialect.js';
import { mountedMeaning, type NodeRequest, type Place } from '../../../src/node/index.js';

/** Knows one path for prompts, one for listings, and refuses every other. */
const dialect = {
  route: (method: string, path: string) => {
    const known = { '/api/chat': 'POST', '/v1/keys': 'POST', '/api/tags': 'GET', '/api/create': 'POST' }[path];
    const body = known === 'GET' ? 'none' : 'json';
    const operation = path === '/api/create' ? 'admin' : 'chat';
    if (known === method) return { operation, path, method, kind: 'chat', body };
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
  // The mount is cut by its segments, whatever they are called and however they are spelt.
  ['POST /%61i/api/chat', '/ai', body, 'POST', '/api/chat'],
  ['POST /%61%69/api/%63hat/', '/ai', body, 'POST', '/api/chat'],
  ['POST /a/api/chat', '/:team', body, 'POST', '/api/chat'],
  ['POST /redteam/api/chat', '/:team', body, 'POST', '/api/chat'],
  ['POST /ai/%C3%A9/api/chat', '/ai/:team', body, 'POST', '/api/chat'],
  ['POST /%ff/api/chat', '/:team', body, 'POST', '/api/chat'],
  ['POST /ai/api/chat', '/ai/:team?', body, 'POST', '/api/chat'],
  ['POST /ai/v2/api/chat', '/:path{.+}', body, 'POST', '/api/chat'],
  ['POST /one/two/three/api/chat', '*', body, 'POST', '/api/chat'],
  // Other things than the path that a target may be.
  ['POST http://x/api/chat', '', body, 'POST', '/api/chat'],
  ['POST HTTP://x:80/ai/api/chat?y', '/ai', body, 'POST', '/api/chat?y'],
  ['POST http:///api/chat', '', body, 'POST', 'http:///api/chat'],
  ['POST /api/chat#/x', '', body, 'POST', '/api/chat#/x'],
  // Of several readings one that takes a prompt counts.
  ['POST /api/chat;x', '', body, 'POST', '/api/chat'],
  ['POST /api/chat/%3bx', '', body, 'POST', '/api/chat'],
  ['POST /a;b/api/chat;c', '/:team', body, 'POST', '/api/chat'],
  ['GET /api/chat;/api/tags', '*', body, 'POST', '/api/chat'],
  ['GET /api/tags/api/chat', '*', body, 'POST', '/api/chat'],
  // A key keeps its case, and what is decoded for a comparison is not decoded twice.
  ['POST /k/Key%2541/API/chat', '', body, 'POST', '/k/Key%2541/api/chat'],
  ['POST /v1/%E2%84%AAeys', '', body, 'POST', '/v1/keys'],
  // Without a body there is no prompt, and the path is the application's own.
  ['GET /api/chat', '', none, 'GET', '/api/chat'],
  ['GET /api/tags', '', body, 'GET', '/api/tags'],
  // What is no business of a dialect stays as it was sent, also where a mount path could be cut.
  ['GET /Ai/Page/', '/Ai', none, 'GET', '/Ai/Page/'],
  ['POST /other/api/chats', '', body, 'POST', '/other/api/chats'],
  ['POST /x%2Fapi/chat', '', body, 'POST', '/x%2Fapi/chat'],
])('F13: %s below "%s"', (sent, mount, headers, method, target) => {
  const [sentMethod, originalUrl] = sent.split(' ');
  const req = { method: sentMethod, originalUrl, url: 'rewritten', headers } as unknown as NodeRequest;
  expect(mountedMeaning(req, { mount }, [dialect])).toEqual({ method, target });
});

test.each<[string, Place, string, string]>([
  // method and URL as sent, where the limiter stands, what it means
  ['POST /chat', { below: '/api/chat' }, 'POST', '/api/chat'],
  ['POST /ai/api/chat', { routed: ['/api/chat?rewritten'] }, 'POST', '/api/chat?rewritten'],
  ['POST /ai/x/api/chat', { mount: ['/', '/ai/v2', '/ai'] }, 'POST', '/api/chat'],
  ['POST /ai/x%2Fy/what', { mount: '/ai/:team', pattern: '/ai/:team/api/chat' }, 'POST', '/api/chat'],
  // Its own mount is certain, whatever is declared deeper.
  ['POST /ai/api/chat', { mount: '/ai' }, 'POST', '/api/chat'],
  ['POST /ai/api/create', { mount: '/ai' }, 'POST', '/api/create'],
  // Behind it are no listings, and nothing that manages models: these are an application's own.
  ['POST /crm/api/create', {}, 'POST', '/crm/api/create'],
  ['POST /crm/api/tags', {}, 'POST', '/crm/api/tags'],
  // A pattern's parameters are no values, and a listing is not what it says.
  ['GET /page', { pattern: '/api/tags' }, 'GET', '/page'],
  // What one of its readers could read in two ways is not passed as something else.
  ['POST /page', { below: '//page' }, 'POST', '//page'],
  ['POST /page', { routed: ['/pa%2fge'] }, 'POST', '/pa%2fge'],
  ['POST //crm/api/chat', {}, 'POST', '//crm/api/chat'],
  ['POST /a/b%2f', { pattern: '/a/api/chat' }, 'POST', '/a/b%2f'],
])('F13: %s where the framework says %j', (sent, place, method, target) => {
  const [sentMethod, url] = sent.split(' ');
  const req = { method: sentMethod, url, headers: body } as unknown as NodeRequest;
  expect(mountedMeaning(req, place, [dialect])).toEqual({ method, target });
});

test.each<[string, Place, object]>([
  ['POST /crm/api/chat?x', {}, { method: 'POST', target: '/crm/api/chat?x' }],
  ['PUT /ai/b%61/API/chat/', { mount: '/ai' }, { method: 'PUT', target: '/ai/b%61/API/chat/' }],
  ['POST /ai/x/y/api/chat', { mount: '/ai', below: '/x/y/api/chat' }, { method: 'POST', target: '/ai/x/y/api/chat' }],
  ['POST /a/b', { pattern: '/a/api/chat' }, { method: 'POST', target: '/a/b' }],
  ['GET /api/tags/api/chat', {}, { method: 'GET', target: '/api/tags/api/chat' }],
  ['GET /api/tags', { pattern: '/x/api/chat' }, { method: 'GET', target: '/api/tags' }],
])('F13: %s, which only ends as a prompt does, may be one where the framework says %j', (sent, place, otherwise) => {
  const [sentMethod, url] = sent.split(' ');
  const req = { method: sentMethod, url, headers: body } as unknown as NodeRequest;
  const target = url!.endsWith('?x') ? '/api/chat?x' : '/api/chat';
  expect(mountedMeaning(req, place, [dialect])).toEqual({ method: 'POST', target, otherwise });
});

test.each([
  ['/k/Key%25/ollama/api/chat', '/k/Key%25/api/chat'],
  ['/k/one/ollama/k/two/api/chat', '/k/two/api/chat'],
])('F13: a key in front of %s, which only ends as a prompt does, stays in front', (url, target) => {
  const req = { method: 'POST', url, headers: body } as unknown as NodeRequest;
  expect(mountedMeaning(req, {}, [dialect])).toEqual({
    method: 'POST',
    target,
    otherwise: { method: 'POST', target: url },
  });
});

/** Counts what it is asked, of paths of any length. */
function counted(): { readonly counting: Dialect; readonly asked: () => number } {
  let calls = 0;
  const route = (method: string, path: string) => {
    calls++;
    return dialect.route(method, path);
  };
  return { counting: { route } as unknown as Dialect, asked: () => calls };
}

const places: readonly Place[] = [
  {},
  { mount: '/ai/:team' },
  { mount: '*' },
  { mount: '*', below: '/x' },
  { mount: ['/ai', '*'], pattern: '*' },
  { mount: '/ai', pattern: '/x' },
];
test.each(places)('F13: a dialect is asked as often about a long path as about a short one: %j', (place) => {
  const asked = (path: string): number => {
    const { counting, asked } = counted();
    mountedMeaning({ method: 'PUT', url: path, headers: body } as unknown as NodeRequest, place, [counting]);
    return asked();
  };
  for (const segment of ['/a', '/A', '/a;', '/;', ';/a', '/%41', '/api/chats', '/k/a', '/%3b']) {
    const [long, longer] = [segment.repeat(200), segment.repeat(4_000)].map(asked);
    expect(longer, segment).toBe(long);
    expect(long, segment).toBeLessThan(200);
  }
});

test.each([
  ['/a'.repeat(3_000), '/api/chat'],
  ['/a'.repeat(3_000), '/API/chat/'],
  ['/a'.repeat(3_000), '/api/chat;x'],
  ['/a'.repeat(3_000), '/k/key/api/chat'],
])('F13: and its end is found however long it is', (before, end) => {
  const known = end.replace(/[/;]x?$/, '').toLowerCase();
  const req = { method: 'POST', url: before + end, headers: body } as unknown as NodeRequest;
  expect(mountedMeaning(req, { mount: '*' }, [dialect])).toEqual({ method: 'POST', target: known });
  const cut = { ...req, url: `${before}/api/chat;${'/b'.repeat(3_000)}` } as NodeRequest;
  expect(mountedMeaning(cut, { mount: '*' }, [dialect])).toEqual({ method: 'POST', target: '/api/chat' });
});
