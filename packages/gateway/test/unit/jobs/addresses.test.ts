import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { parsePolicy } from '@headgate/core';
import { describe, expect, test } from 'vitest';
import { isPublicAddress } from '../../../src/jobs/addresses.js';
import { ForbiddenAddressError, sendCallback } from '../../../src/jobs/callback-request.js';
import { callbackProblem } from '../../../src/jobs/hosts.js';

describe('an address is no place for a callback', () => {
  test.each([
    ...['0.0.0.0', '10.1.2.3', '100.64.0.1', '127.0.0.1', '127.255.255.254', '169.254.169.254', '172.16.0.1'],
    ...['172.31.255.255', '192.0.0.1', '192.0.2.1', '192.88.99.1', '192.168.1.1', '198.18.0.1', '198.19.255.255'],
    ...['198.51.100.1', '203.0.113.1', '224.0.0.1', '239.255.255.250', '240.0.0.1', '255.255.255.255'],
    ...['::', '::1', '::ffff:127.0.0.1', '::ffff:7f00:1', '::127.0.0.1', '::ffff:8.8.8.8', '64:ff9b::7f00:1'],
    ...['64:ff9b:1::1', '100::1', '2001::1', '2001:db8::1', '2002:7f00:1::', '3fff::1', 'fc00::1', 'fd12::1'],
    ...['fe80::1', 'fe80::1%lo', 'fec0::1', 'ff02::1', '2606:4700::1%eth0', 'localhost', '', '8.8.8'],
  ])('%j', (address) => expect(isPublicAddress(address)).toBe(false));
});

describe('an address is of the public internet', () => {
  test.each([
    ...['8.8.8.8', '1.1.1.1', '9.255.255.255', '11.0.0.0', '100.63.255.255', '100.128.0.0', '128.0.0.1', '172.15.0.1'],
    ...['172.32.0.1', '192.167.255.255', '192.169.0.0', '198.17.255.255', '198.20.0.0', '223.255.255.255'],
    ...['2606:4700:4700::1111', '2a00:1450:4001::1', '2001:4860:4860::8888'],
  ])('%j', (address) => expect(isPublicAddress(address)).toBe(true));
});

describe('a callback may go', () => {
  const hosts = ['hooks.example', '*.wild.example', 'ports.example:8443', 'http://plain.example', 'http://127.0.0.1:9'];
  const rules = (privately?: 'allow') =>
    parsePolicy({ jobs: { callbacks: { hosts, secret: 's', ...(privately && { private: privately }) } } }).jobs;

  test.each([
    ['https://hooks.example/x?y', 'allowed'],
    ['https://HOOKS.example:443/', 'allowed'],
    ['http://hooks.example/', 'not listed: it is https'],
    ['https://hooks.example:8443/', 'not listed: another port'],
    ['https://hooks.example.evil.example/', 'not listed: a longer name'],
    ['https://evilhooks.example/', 'not listed: a name with the same end'],
    ['https://hooks.example./', 'not listed: a dot at the end'],
    ['https://a.wild.example/', 'allowed'],
    ['https://a.b.wild.example/', 'allowed'],
    ['https://wild.example/', 'not listed: the name itself'],
    ['https://.wild.example/', 'not listed: no name at all'],
    ['https://awild.example/', 'not listed: a name with the same end'],
    ['https://ports.example:8443/', 'allowed'],
    ['https://ports.example/', 'not listed: another port'],
    ['http://plain.example:80/', 'allowed'],
    ['http://127.0.0.1:9/', 'private'],
    ['http://2130706433:9/', 'private: the same address as one number'],
    ['http://0x7f.1:9/', 'private: the same address in hex'],
    ['http://[::1]:9/', 'not listed: another address'],
  ])('to %s: %s', (url, verdict) => {
    const problem = URL.canParse(url) ? callbackProblem(new URL(url), rules())?.message : 'not among';
    if (verdict === 'allowed') expect(problem).toBeUndefined();
    else expect(problem).toContain(verdict.startsWith('private') ? 'private network' : 'not among');
  });

  test('to private addresses where the policy says so', () => {
    expect(callbackProblem(new URL('http://127.0.0.1:9/'), rules('allow'))).toBeUndefined();
    expect(callbackProblem(new URL('http://127.0.0.1:10/'), rules('allow'))?.status).toBe(403);
  });

  test('nowhere, unless the policy names hosts', () => {
    const none = callbackProblem(new URL('https://hooks.example/'), parsePolicy({}).jobs);
    expect(none).toMatchObject({ status: 403, message: expect.stringContaining('jobs.callbacks') });
  });
});

describe('a host that is looked up', () => {
  const told = { headers: {}, body: '{}', timeoutMs: 2_000 };

  async function server(): Promise<{ port: number; hosts: (string | undefined)[]; close: () => void }> {
    const hosts: (string | undefined)[] = [];
    const http = createServer((request, response) => {
      hosts.push(request.headers.host);
      response.end();
    });
    await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve));
    return { port: (http.address() as AddressInfo).port, hosts, close: () => void http.close() };
  }

  test('is connected to at the address that was checked, though its name says another one the next time', async () => {
    const { port, hosts, close } = await server();
    let asked = 0;
    const resolve = async () => [++asked === 1 ? '127.0.0.1' : '127.0.0.2'];
    const url = new URL(`http://hooks.example:${port}/`);
    expect(await sendCallback({ ...told, url, allowPrivate: true, resolve })).toBe(200);
    expect([asked, hosts]).toEqual([1, [`hooks.example:${port}`]]);
    close();
  });

  test.each([
    ['a private address', ['10.0.0.1']],
    ['a private address among others', ['93.184.216.34', '127.0.0.1']],
    ['an address that IPv6 maps to this machine', ['::ffff:127.0.0.1']],
  ])('to %s is not connected to', async (_, addresses) => {
    const { port, hosts, close } = await server();
    const url = new URL(`http://hooks.example:${port}/`);
    const send = sendCallback({ ...told, url, allowPrivate: false, resolve: async () => addresses });
    await expect(send).rejects.toThrow(ForbiddenAddressError);
    expect(hosts).toEqual([]);
    close();
  });

  test('is given up where its name, or its answer, takes too long', async () => {
    const url = new URL('http://hooks.example/');
    const never = (): Promise<string[]> => new Promise(() => {});
    const send = sendCallback({ ...told, timeoutMs: 20, url, allowPrivate: false, resolve: never });
    await expect(send).rejects.toThrow(/timeout/i);
    const silent = createServer(() => {});
    await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve));
    const { port } = silent.address() as AddressInfo;
    const hung = new URL(`http://127.0.0.1:${port}/`);
    await expect(sendCallback({ ...told, timeoutMs: 50, url: hung, allowPrivate: true })).rejects.toThrow(
      /timeout|abort/i,
    );
    silent.closeAllConnections();
    silent.close();
  });
});
