import { describe, expect, it } from 'vitest';
import { fake, gatewayFor, generate, post } from '../support/harness.js';
import { raw, statusOf } from '../support/raw.js';

/** All that a client might say of itself, of others or of its connection. */
const told = {
  authorization: 'Bearer sk-secret',
  'x-api-key': 'sk-secret',
  'api-key': 'sk-secret',
  'x-team': 'sk-team',
  'proxy-authorization': 'Basic sk-secret',
  'x-auth-token': 'sk-secret',
  cookie: 'session=sk-secret',
  origin: 'http://localhost:3000',
  referer: 'https://evil.example/page',
  'x-forwarded-for': '1.2.3.4',
  'x-forwarded-host': 'evil.example',
  forwarded: 'for=1.2.3.4',
  via: '1.1 proxy',
  'x-real-ip': '1.2.3.4',
  'accept-encoding': 'gzip, br',
  te: 'trailers',
  'keep-alive': 'timeout=1',
  'x-private': 'one hop only',
  'x-http-method-override': 'DELETE',
  range: 'bytes=0-1',
  'if-none-match': '"x"',
  'x-kept': 'yes',
};

describe('what of a request reaches a backend', () => {
  it('is neither a key, nor a cookie, nor an origin, nor anything of the connection', async () => {
    const backend = await fake();
    const gateway = await gatewayFor({
      identity: [{ apiKey: { from: ['header:X-Team'], unknown: 'accept' } }],
      backends: [{ url: backend.url, headers: { 'X-Own': 'of the policy', Authorization: 'Bearer of-the-policy' } }],
    });
    const lines = Object.entries(told).map(([name, value]) => `${name}: ${value}\r\n`);
    const headers = `${lines.join('')}connection: x-private\r\n`;
    const answer = await raw(gateway.port, 'POST', '/api/generate?key=sk-secret', JSON.stringify(generate), headers);
    expect(statusOf(answer)).toBe(200);
    const [seen] = backend.seen;
    expect(Object.keys(seen!.headers).sort()).toEqual(
      [
        ...['accept-encoding', 'authorization', 'connection', 'content-length', 'content-type', 'host'],
        ...['x-kept', 'x-own', 'x-request-id'],
      ].sort(),
    );
    expect(seen?.headers).toMatchObject({
      host: `127.0.0.1:${backend.port}`,
      authorization: 'Bearer of-the-policy',
      'accept-encoding': 'identity',
      'x-own': 'of the policy',
      'x-kept': 'yes',
    });
    expect(JSON.stringify(seen?.headers) + seen?.rawUrl).not.toMatch(/sk-|evil|1\.2\.3\.4|localhost:3000/);
  });

  it('carries our request id, the one that the client is told', async () => {
    const backend = await fake();
    const gateway = await gatewayFor({ backends: [backend.url] });
    const answer = await post(`${gateway.url}/api/generate`, generate, { 'x-request-id': 'chosen by the client' });
    await answer.arrayBuffer();
    expect(backend.seen[0]?.headers['x-request-id']).toBe(answer.headers.get('x-request-id'));
  });

  it('goes below the path of the backend', async () => {
    const backend = await fake();
    const gateway = await gatewayFor({ backends: [`${backend.url}/below/here`] });
    await post(`${gateway.url}/api/generate`, generate);
    expect(backend.seen[0]?.rawUrl).toBe('/below/here/api/generate');
  });
});
