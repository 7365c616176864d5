/** One path in all the ways that a hostile client may write it, sent as they are. */
import { request } from 'node:http';
import fc from 'fast-check';
import { expect } from 'vitest';
import { holds } from '../../../../test/support/seeds.js';
import { question } from './ask.js';

/** Nobody may ask `question` of its model, so whoever gets to the handler has gone around the limits. */
export const nobody = { models: ['mistral'] };

const hexOf = (char: string): string => `%${char.charCodeAt(0).toString(16)}`;

/** A letter as it is, in the other case, or encoded; `plain` says how often as it is, of ten. */
const written = (char: string, plain: number): fc.Arbitrary<string> => {
  const asIs = fc.constant(char);
  const slashes = fc.constantFrom('//', '%2f', '/./', '\\');
  if (char === '/') return fc.oneof({ weight: 60, arbitrary: asIs }, { weight: 1, arbitrary: slashes });
  const codes = fc.constantFrom(hexOf(char), hexOf(char).toUpperCase());
  const others = fc.constantFrom(char.toUpperCase(), char.toUpperCase(), hexOf(char.toUpperCase()));
  return fc.oneof(
    { weight: plain, arbitrary: asIs },
    { weight: 10 - plain, arbitrary: codes },
    { weight: plain === 10 ? 3 : 0, arbitrary: others },
  );
};

const before = fc.oneof(
  { weight: 4, arbitrary: fc.constant('') },
  fc.constantFrom(
    'http://x',
    'HTTP://x:80',
    'https://[::1]',
    'http://',
    'http://a@b',
    'ftp://x',
    'http://x;y',
    'http://x?y',
    '/',
  ),
);
const after = fc.oneof(
  { weight: 4, arbitrary: fc.constant('') },
  fc.constantFrom(
    '/',
    '//',
    '?x=/api/tags',
    '?;',
    '#x',
    '#/',
    ';x',
    ';/api/tags',
    ';?',
    '%20',
    '%00',
    '%3b',
    '%3fx',
    '/%2e',
  ),
);

const everyMethod = ['POST', 'POST', 'POST', 'PUT', 'PATCH', 'DELETE', 'GET'];
/** A `Request` with `GET` has no body, and so no prompt. */
export const methodsWithBody = everyMethod.slice(0, -1);

function spellingsOf(path: string): fc.Arbitrary<string> {
  const way = (plain: number): fc.Arbitrary<string> =>
    fc.tuple(...[...path].map((char) => written(char, plain))).map((chars) => chars.join(''));
  // Some routers know nothing of codes, some nothing of capitals.
  const ways = fc.oneof(fc.constant(path), way(5), way(9), way(10));
  return fc.tuple(before, ways, after).map((parts) => parts.join(''));
}

/** The status of the answer to a chat. */
export function statusOf(url: string, method: string, path: string, body: object = question): Promise<number> {
  const { hostname: host, port } = new URL(url);
  const text = JSON.stringify(body);
  const headers = { 'content-type': 'application/json', 'content-length': text.length, host: 'x' };
  return new Promise((resolve, reject) => {
    const req = request({ host, port, path, method, headers, agent: false }, (res) => {
      res.resume();
      res.once('end', () => resolve(res.statusCode ?? 0));
    });
    req.once('error', reject);
    req.end(text);
  });
}

/**
 * Holds a server to it whose one route, for every method and at `path`, stands behind a limiter of `nobody`: the router finds
 * it by some of the spellings, and by each of those the request is refused as by the plain one.
 */
export async function nobodyPasses(url: string, path: string, methods = everyMethod): Promise<void> {
  expect(await statusOf(url, 'POST', path, { ...question, model: 'mistral' }), 'the route').toBe(200);
  expect(await statusOf(url, 'POST', path), 'the plain path').toBe(403);
  let found = 0;
  await holds(
    fc.asyncProperty(spellingsOf(path), fc.constantFrom(...methods), async (spelling, method) => {
      const status = await statusOf(url, method, spelling);
      // 403 is of the limiter. The others are of Node's parser, of the router or of the limiter, and come before the handler.
      expect([400, 403, 404, 405], `${method} ${spelling}`).toContain(status);
      if (status === 403) found++;
    }),
    { runs: 200, examples: [[`/${hexOf(path[1]!)}${path.slice(2)}`, 'POST']] },
  );
  expect(found, 'spellings that were understood').toBeGreaterThan(20);
}
