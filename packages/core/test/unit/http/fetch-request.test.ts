import { expect, test } from 'vitest';
import { withBody } from '../../../src/http/fetch-request.js';

test('a request with our body in place of its own says that it is JSON, and nothing of the bytes that were sent', async () => {
  const headers = { 'content-type': 'application/x-www-form-urlencoded', digest: 'sha-256=abc', 'x-team': 'a' };
  const sent = new Request('http://localhost/api/chat', { method: 'POST', body: '{"theirs":1}', headers });
  const checked = withBody(sent, '{"ours":1}');
  expect(await checked.json()).toEqual({ ours: 1 });
  expect([...checked.headers]).toEqual([
    ['content-type', 'application/json'],
    ['x-team', 'a'],
  ]);
});
