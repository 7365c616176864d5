import { describe, expect, test } from 'vitest';
import { canonicalAddress, clientAddress } from '../../../src/identity/address.js';

describe('one client, one spelling (F22)', () => {
  test.each([
    ['203.0.113.7', '203.0.113.7'],
    [' 203.0.113.7 ', '203.0.113.7'],
    ['203.0.113.7:4711', '203.0.113.7'],
    ['::ffff:203.0.113.7', '203.0.113.7'],
    ['::FFFF:203.0.113.7', '203.0.113.7'],
    ['::ffff:cb00:7107', '203.0.113.7'],
    ['0:0:0:0:0:ffff:203.0.113.7', '203.0.113.7'],
    ['[::ffff:203.0.113.7]:4711', '203.0.113.7'],
    ['0.0.0.0', '0.0.0.0'],
    ['255.255.255.255', '255.255.255.255'],
    ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
    ['2001:DB8:1:2::', '2001:db8:1:2::/64'],
    ['2001:0db8:0001:0002:ffff:ffff:ffff:ffff', '2001:db8:1:2::/64'],
    ['[2001:db8:1:2::9]:443', '2001:db8:1:2::/64'],
    ['2001:db8:1:2::9%eth0', '2001:db8:1:2::/64'],
    ['fe80::1%en0', 'fe80:0:0:0::/64'],
    ['[fe80::1%25en0]:80', 'fe80:0:0:0::/64'],
    ['::1', '0:0:0:0::/64'],
    ['::', '0:0:0:0::/64'],
    ['1:2:3:4:5:6:7::', '1:2:3:4::/64'],
    ['64:ff9b::203.0.113.7', '64:ff9b:0:0::/64'],
  ])('%s is %s', (text, expected) => {
    expect(canonicalAddress(text, 64)).toBe(expected);
  });

  test('mapped clients are told apart, they are not one bucket', () => {
    const seen = new Set([1, 2, 3, 4].map((last) => canonicalAddress(`::ffff:203.0.113.${last}`, 64)));
    expect(seen.size).toBe(4);
  });

  test.each([
    [48, '2001:db8:aaaa::/48'],
    [56, '2001:db8:aaaa:bb00::/56'],
    [64, '2001:db8:aaaa:bbcc::/64'],
    [68, '2001:db8:aaaa:bbcc:d000::/68'],
    [128, '2001:db8:aaaa:bbcc:ddee:1:2:3'],
  ])('an IPv6 client is cut to its first %i bits', (prefix, expected) => {
    expect(canonicalAddress('2001:db8:aaaa:bbcc:ddee:1:2:3', prefix)).toBe(expected);
  });

  test('a host that walks through its prefix stays one client, its neighbour is another', () => {
    const walk = ['::1', ':ffff::1', ':1:2:3:4'].map((tail) => canonicalAddress(`2001:db8:1:2${tail}`, 64));
    expect(new Set(walk).size).toBe(1);
    expect(canonicalAddress('2001:db8:1:3::1', 64)).not.toBe(walk[0]);
  });

  test.each([
    '',
    'unknown',
    '_hidden',
    'localhost',
    '1.2.3',
    '1.2.3.4.5',
    '256.1.1.1',
    '1.2.3.-4',
    '010.0.0.1',
    '0x7f.0.0.1',
    '1e1.0.0.1',
    '2130706433',
    '::ffff:1.2.3',
    '::ffff:1.2.3.256',
    '1.2.3.4::',
    '1.2.3.4::1',
    '1:2:3:4:5:6:7',
    '1:2:3:4:5:6:7:8:9',
    '1:2:3:4:5:6:7:8::',
    '1::2::3',
    ':::',
    ':',
    ':1:2:3:4:5:6:7:8',
    '12345::',
    'g::',
    '[::1',
    '1.2.3.4, 5.6.7.8',
    '1.2.3.4;drop',
    `${'0'.repeat(10_000)}::`,
  ])('%j is no address', (text) => {
    expect(canonicalAddress(text, 64)).toBeUndefined();
  });
});

describe('X-Forwarded-For', () => {
  const peer = '10.0.0.1';
  const from = (header: string | string[] | undefined, trustProxy: number) =>
    clientAddress(peer, header, trustProxy, 64);

  test('is not believed unless a proxy is trusted', () => {
    expect(from('1.1.1.1', 0)).toBe(peer);
  });

  test.each<[string | string[] | undefined, number, string, string]>([
    ['9.9.9.9', 1, '9.9.9.9', 'the one entry of the one proxy'],
    ['6.6.6.6, 9.9.9.9', 1, '9.9.9.9', 'the last entry, whatever the client forged before it'],
    ['6.6.6.6,7.7.7.7,9.9.9.9', 1, '9.9.9.9', 'however much was forged'],
    ['9.9.9.9, 10.0.0.2', 2, '9.9.9.9', 'the second from the right behind two proxies'],
    ['6.6.6.6, 9.9.9.9, 10.0.0.2', 2, '9.9.9.9', 'and nothing to its left'],
    ['9.9.9.9', 2, '9.9.9.9', 'the oldest, where the chain is shorter than the proxies'],
    [['6.6.6.6', '9.9.9.9'], 1, '9.9.9.9', 'the last of several lines'],
    ['9.9.9.9:5123', 1, '9.9.9.9', 'without its port'],
    ['[2001:db8::1]:443', 1, '2001:db8:0:0::/64', 'IPv6 in brackets'],
    ['::ffff:9.9.9.9', 1, '9.9.9.9', 'mapped'],
    ['  9.9.9.9  ', 1, '9.9.9.9', 'without blanks'],
    [undefined, 1, peer, 'the peer where the header is missing'],
    ['', 1, peer, 'the peer where it is empty'],
    ['6.6.6.6, ', 1, peer, 'the peer where the believed entry is empty'],
    ['6.6.6.6, unknown', 1, peer, 'the peer where the believed entry is no address, never one further left'],
    ['6.6.6.6, 010.0.0.1', 1, peer, 'the peer where it has two readings'],
  ])('%j behind %i proxies: %s (%s)', (header, trustProxy, expected) => {
    expect(from(header, trustProxy)).toBe(expected);
  });

  test('of a peer without an address is one shared name, not an error', () => {
    expect(clientAddress('', undefined, 0, 64)).toBe('unknown');
  });

  test('of 100,000 entries is read in no time to speak of', () => {
    expect(from(`${'6.6.6.6,'.repeat(100_000)}9.9.9.9`, 1)).toBe('9.9.9.9');
  });
});
