import { afterEach, expect, test, vi } from 'vitest';
import type { Dialect } from '../../../src/http/dialect.js';
import { warnOfPrompts } from '../../../src/http/overlooked.js';

const dialect = {
  route: (method: string, path: string) =>
    (
      ({
        'POST /api/chat': { operation: 'chat', path, method, kind: 'chat', body: 'json' },
        'DELETE /api/delete': { operation: 'admin', path, method, kind: 'delete', body: 'json' },
        'POST /api/blobs': { operation: 'admin', path, method, kind: 'blob', body: 'opaque' },
      }) as Record<string, unknown>
    )[`${method} ${path}`],
} as unknown as Dialect;

/** What is said about these requests, each `METHOD path`, to one limiter. */
function warnings(...requests: string[]): unknown[][] {
  const spy = vi.spyOn(process, 'emitWarning').mockReturnValue();
  spy.mockClear();
  const limiter = {};
  for (const request of requests) {
    const [method, path] = request.split(' ');
    warnOfPrompts(limiter, method!, path!, [dialect]);
  }
  return spy.mock.calls;
}

afterEach(() => void vi.unstubAllGlobals());

test('F13: a path that ends as one for prompts does is told with its remedy', () => {
  const [first, ...more] = warnings('POST /ai/v2/api/chat');
  expect(first).toEqual([expect.any(String), { type: 'HeadgateWarning', code: 'HG_PATH_OTHER' }]);
  expect(first![0]).toMatch(/^POST \/ai\/v2\/api\/chat counts as operation "other".* below \/ai\/v2, by the prefix/);
  expect(more).toEqual([]);
});

test('it is told once for each shape, and at most for sixteen, whatever clients try', () => {
  expect(warnings('POST /a/api/chat', 'PUT /b/api/chat', 'POST /a/API/Chat/')).toHaveLength(1);
  expect(warnings('POST /a/api/chat', 'POST /a/b/api/chat')).toHaveLength(2);
  const deeper = Array.from({ length: 40 }, (_, depth) => `POST ${'/x'.repeat(depth + 1)}/api/chat`);
  expect(warnings(...deeper)).toHaveLength(16);
});

test('F13: what a client sends is looked at from its end, and no more once enough was told', () => {
  const spy = vi.spyOn(process, 'emitWarning').mockReturnValue();
  const route = vi.fn(dialect.route);
  const limiter = {};
  const askedAbout = (path: string): number => {
    route.mockClear();
    warnOfPrompts(limiter, 'POST', path, [{ route } as unknown as Dialect]);
    return route.mock.calls.length;
  };
  expect(askedAbout('/a'.repeat(8_000))).toBe(askedAbout('/a'.repeat(100)));
  expect(askedAbout('/a'.repeat(8_000))).toBeLessThan(50);
  spy.mockClear();
  for (let depth = 1; depth <= 16; depth++) askedAbout(`${'/a'.repeat(depth * 400)}/api/chat`);
  expect(spy.mock.calls).toHaveLength(16);
  expect(askedAbout('/a'.repeat(8_000))).toBe(0);
});

test('F13: so is one that ends as one by which models are managed', () => {
  expect(warnings('DELETE /x/api/delete', 'DELETE /y/api/delete', 'POST /x/api/blobs')).toHaveLength(2);
  expect(warnings('POST /x/api/delete', 'DELETE /x/api/chat')).toEqual([]);
});

test('what asks for nothing, or ends otherwise, is not told', () => {
  expect(warnings('GET /a/api/chat', 'HEAD /a/api/chat', 'POST /a/api/chats', 'POST /a/b', 'POST /')).toEqual([]);
});

test('what a client has written cannot break a line or fill one', () => {
  const [call] = warnings(`POST /\u009b31m\u2028${'y'.repeat(5_000)}/api/chat`);
  expect(call![0]).toMatch(/^[ -~]{1,800}$/);
});

test('where there is no process the console is told', () => {
  const said = vi.spyOn(console, 'warn').mockReturnValue();
  vi.stubGlobal('process', undefined);
  warnOfPrompts({}, 'POST', '/ai/api/chat', [dialect]);
  vi.unstubAllGlobals();
  expect(said.mock.calls).toEqual([[expect.stringMatching(/^HG_PATH_OTHER: POST \/ai\/api\/chat counts/)]]);
});
