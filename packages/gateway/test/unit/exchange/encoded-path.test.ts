import { expect, it } from 'vitest';
import { encodedPath } from '../../../src/exchange/upstream.js';

it.each([
  ['/api/chat', '/api/chat'],
  ['/v1/models/llama3.1:8b', '/v1/models/llama3.1:8b'],
  ['/v1/models/a?b#c', '/v1/models/a%3Fb%23c'],
  ['/v1/models/ü %', '/v1/models/%C3%BC%20%25'],
])('%s is sent as %s', (path, sent) => {
  expect(encodedPath(path)).toBe(sent);
});
