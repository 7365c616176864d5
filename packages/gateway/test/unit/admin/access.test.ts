import type { IncomingMessage } from 'node:http';
import { describe, expect, it } from 'vitest';
import { mayAdminister } from '../../../src/admin/access.js';

function asked(remoteAddress: string, headers: Record<string, string>): IncomingMessage {
  return { headers, socket: { remoteAddress } } as unknown as IncomingMessage;
}

describe('who may read the pages for operators', () => {
  it.each([
    ['127.0.0.1', '127.0.0.1:8080'],
    ['127.0.0.1', 'localhost'],
    ['::1', '[::1]:8080'],
    ['::ffff:127.0.0.1', 'headgate.localhost:80'],
    ['127.4.5.6', 'LOCALHOST:1'],
  ])('%s that asks for %s', (address, host) => {
    expect(mayAdminister(asked(address, { host }), undefined)).toBe('allowed');
  });

  it.each([
    ['10.0.0.1', { host: 'localhost' }],
    ['::ffff:10.0.0.1', { host: 'localhost' }],
    ['127.0.0.1', { host: 'rebound.example' }],
    ['127.0.0.1', {}],
    ['127.0.0.1', { host: 'localhost', 'x-forwarded-for': '127.0.0.1' }],
    ['127.0.0.1', { host: 'localhost', forwarded: 'for=127.0.0.1' }],
    ['', { host: 'localhost' }],
  ])('not %s with %j', (address, headers) => {
    expect(mayAdminister(asked(address, headers), undefined)).toBe('denied');
  });

  it('the bearer of the admin key, and of no other', () => {
    const bearing = (authorization: string) => mayAdminister(asked('10.0.0.1', { authorization }), 'secret');
    expect(bearing('Bearer secret')).toBe('allowed');
    expect(bearing('bearer secret')).toBe('allowed');
    for (const wrong of ['Bearer secre', 'Bearer secret2', 'secret', 'Basic secret', 'Bearers']) {
      expect(bearing(wrong)).toBe('key-wrong');
    }
    for (const none of ['', 'Bearer', 'bearer ']) expect(bearing(none)).toBe('key-needed');
  });

  it('a browser whose password is the admin key, whatever the name', () => {
    const basic = (text: string) =>
      mayAdminister(asked('10.0.0.1', { authorization: `Basic ${Buffer.from(text).toString('base64')}` }), 'se:cret');
    for (const right of ['admin:se:cret', ':se:cret']) expect(basic(right)).toBe('allowed');
    for (const wrong of ['se:cret', 'admin:secret', 'admin:', '', 'se:cret:']) expect(basic(wrong)).toBe('key-wrong');
  });
});
