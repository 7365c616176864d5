import { expect, test } from 'vitest';
import { hostAllowed, originAllowed } from '../../src/access.js';
import { Router } from '../../src/router.js';
import { routes } from '../../src/routes/routes.js';

const router = new Router(routes);
const match = (method: string, url: string) => router.match(method, url);

test('paths are matched after percent-decoding, and their case counts', () => {
  expect(match('POST', '/api/%63hat?x=1')).toMatchObject({ kind: 'route', path: '/api/chat', query: '?x=1' });
  expect(match('POST', '/api/Chat').kind).toBe('not-found');
  expect(match('GET', '/%zz').kind).toBe('bad-request');
});

test('a parameter is one segment', () => {
  expect(match('GET', '/v1/models/llama3.2:latest')).toMatchObject({ kind: 'route', rest: 'llama3.2:latest' });
  expect(match('GET', '/v1/models/library%2Fllama3.2').kind).toBe('not-found');
  expect(match('GET', '/v1/models').kind).toBe('route');
});

test.each([
  ['GET', '/api//tags?a=b', 301, '/api/tags?a=b'],
  ['POST', '/api/x/../chat', 301, '/api/chat'],
  ['POST', '/api/%2e%2e/api/chat', 301, '/api/chat'],
  ['POST', '/api/chat/', 307, '/api/chat'],
  ['GET', '/api/tags/', 301, '/api/tags'],
])('%s %s is redirected', (method, url, status, location) => {
  expect(match(method, url)).toMatchObject({ kind: 'redirect', status, location });
});

test('a known path with another method names the allowed ones', () => {
  expect(match('GET', '/api/chat')).toMatchObject({ kind: 'method-not-allowed', allow: 'POST' });
  expect(match('HEAD', '/api/ps')).toMatchObject({ kind: 'method-not-allowed', allow: 'GET' });
  expect(match('POST', '/api/tags')).toMatchObject({ kind: 'method-not-allowed', allow: 'GET, HEAD' });
});

test('what Ollama does not serve is not found', () => {
  for (const path of ['/v1/messages/count_tokens', '/v1/images/generations', '/api/tokenize', '/metrics', '/health']) {
    expect(match('POST', path).kind).toBe('not-found');
  }
});

test.each([
  ['localhost:11434', true],
  ['127.0.0.1:11434', true],
  ['[::1]:11434', true],
  ['192.168.1.4', true],
  ['10.1.2.3:80', true],
  ['172.20.0.2', true],
  ['gateway.internal', true],
  ['box.local:1', true],
  ['', true],
  ['example.com', false],
  ['8.8.8.8', false],
  ['172.32.0.1', false],
  ['localhost.example.com', false],
])('host %j allowed: %s', (host, allowed) => {
  expect(hostAllowed(host)).toBe(allowed);
});

test.each([
  ['http://localhost', true],
  ['http://localhost:5173', true],
  ['https://127.0.0.1:3000', true],
  ['app://anything', true],
  ['http://me:1', true],
  ['https://evil.example', false],
  ['http://localhost.evil.example', false],
  ['http://localhost:80@evil', false],
  ['https://app.good.example', true],
])('origin %j allowed: %s', (origin, allowed) => {
  expect(originAllowed(origin, 'me:1', ['https://*.good.example'])).toBe(allowed);
});
