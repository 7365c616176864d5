import { createServer } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { atEnd, chat, gatewayFor, generate, isProbe, setup, until } from '../support/harness.js';
import { raw, rawClient, refusalIn, statusOf } from '../support/raw.js';

const body = JSON.stringify(generate);

describe('clients that take their time', () => {
  it('with their headers are cut off', async () => {
    const { gateway } = await setup({ client: { headers: '200ms' } });
    const client = await rawClient(gateway.port);
    client.send('POST /api/generate HTTP/1.1\r\nhost: localhost\r\nx-slow: ');
    const answer = await client.closed;
    expect(statusOf(answer)).toBe(408);
    expect(refusalIn(answer)).toEqual({
      ...{ reason: 'bad-request', retryAfter: undefined },
      error: 'the request took too long to arrive',
    });
  });

  it('with their body are refused, and cost nothing', async () => {
    const { gateway, backend } = await setup({ client: { body: '150ms' }, requests: '10/min' });
    const client = await rawClient(gateway.port);
    client.send(
      `POST /api/generate HTTP/1.1\r\nhost: localhost\r\ncontent-length: ${body.length}\r\n\r\n${body.slice(0, 10)}`,
    );
    await until(() => client.received() !== '', 'it is answered');
    expect(statusOf(client.received())).toBe(400);
    expect(client.received()).toContain('too long to arrive');
    expect(backend.seen).toHaveLength(0);
    expect(gateway.limiter.stats()).toMatchObject({ keys: 0, inFlight: 0 });
  });

  it('with a body that nobody reads are cut off in the end', async () => {
    const { gateway } = await setup({ client: { headers: '200ms', body: '200ms' } });
    const client = await rawClient(gateway.port);
    client.send('POST /nowhere HTTP/1.1\r\nhost: localhost\r\ncontent-length: 1000\r\n\r\nx');
    expect((await client.closed).match(/HTTP\/1\.1 \d+/g)).toEqual(['HTTP/1.1 404']);
  });

  it('with the rest of a body that was refused are cut off without a second answer', async () => {
    const { gateway } = await setup({ client: { headers: '200ms', body: '200ms' } });
    const client = await rawClient(gateway.port);
    client.send(
      `POST /api/generate HTTP/1.1\r\nhost: localhost\r\ncontent-length: ${body.length}\r\n\r\n${body.slice(0, 10)}`,
    );
    expect((await client.closed).match(/HTTP\/1\.1 \d+/g)).toEqual(['HTTP/1.1 400']);
  });

  it('with reading slow the backend down and cost no memory; one that stops reading is dropped', async () => {
    const text = 'x'.repeat(64 * 1024);
    let sent = 0;
    const server = createServer((request, response) => {
      if (isProbe(request)) return void response.end();
      response.writeHead(200, { 'content-type': 'application/x-ndjson' });
      const more = (): void => {
        while (!response.destroyed) {
          sent += text.length;
          if (!response.write(`${JSON.stringify({ model: 'm', response: text, done: false })}\n`)) break;
        }
      };
      response.on('drain', more);
      more();
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    atEnd(async () => {
      server.closeAllConnections();
      server.close();
    });
    const { port } = server.address() as { port: number };
    const log: Record<string, unknown>[] = [];
    const policy = { client: { idleRead: '300ms' }, backends: [`http://127.0.0.1:${port}`] };
    const gateway = await gatewayFor(policy, log);
    const client = await rawClient(gateway.port);
    client.socket.pause();
    client.send(`POST /api/generate HTTP/1.1\r\nhost: localhost\r\ncontent-length: ${body.length}\r\n\r\n${body}`);
    let before = -1;
    while (before !== sent || sent === 0) {
      before = sent;
      await sleep(60);
    }
    // What the buffers of three sockets hold, and not the rest of an endless answer.
    expect(sent).toBeLessThan(40 * 1024 * 1024);
    await until(() => gateway.limiter.stats().inFlight === 0, 'the client is dropped');
    await until(() => log.length === 1, 'the request is logged');
    expect(log[0]).toMatchObject({ cut: 'client gone' });
  });

  it('with reading, but do read, get everything', async () => {
    const { gateway } = await setup(
      { client: { idleRead: '200ms' } },
      { backends: [{ outputTokens: 300, decodeTokensPerSecond: 400 }] },
    );
    const client = await rawClient(gateway.port);
    const streamed = JSON.stringify({ ...chat, stream: true });
    client.send(`POST /api/chat HTTP/1.1\r\nhost: localhost\r\ncontent-length: ${streamed.length}\r\n\r\n${streamed}`);
    await until(() => client.received().includes('"done":true'), 'the last object came');
  });
});

describe('clients that ask first', () => {
  it('whether to send the body are told to, once it is known that it will be read', async () => {
    const { gateway } = await setup({});
    const client = await rawClient(gateway.port);
    const head = `POST /api/generate HTTP/1.1\r\nhost: localhost\r\nexpect: 100-continue\r\ncontent-length: ${body.length}\r\n\r\n`;
    client.send(head);
    await until(() => client.received().includes('100 Continue'), 'it may go on');
    client.send(body);
    await until(() => client.received().includes('200 OK'), 'it is answered');
  });

  it('are refused without being told to when the body is not wanted', async () => {
    const { gateway } = await setup({ identity: [{ apiKey: { keys: { 'sk-good': { id: 'team' } } } }] });
    const client = await rawClient(gateway.port);
    client.send('POST /api/generate HTTP/1.1\r\nhost: localhost\r\nexpect: 100-continue\r\ncontent-length: 9\r\n\r\n');
    const answer = await client.closed;
    expect(statusOf(answer)).toBe(401);
    expect(answer).not.toContain('100 Continue');
  });

  it('with too large a body are refused before they send it', async () => {
    const { gateway } = await setup({ guard: { body: '1KiB' } });
    const expects = 'expect: 100-continue\r\ncontent-length: 2000\r\n';
    const client = await rawClient(gateway.port);
    client.send(`POST /api/generate HTTP/1.1\r\nhost: localhost\r\n${expects}\r\n`);
    const answer = await client.closed;
    expect(statusOf(answer)).toBe(413);
    expect(answer).not.toContain('100 Continue');
  });
});

describe('clients with many connections', () => {
  it('get no more than the policy gives an address', async () => {
    const { gateway } = await setup({ client: { connections: 3 } });
    const three = [await rawClient(gateway.port), await rawClient(gateway.port), await rawClient(gateway.port)];
    const fourth = await rawClient(gateway.port);
    const answer = await fourth.closed;
    expect(statusOf(answer)).toBe(429);
    expect(refusalIn(answer)).toEqual({
      ...{ reason: 'concurrency', retryAfter: '1' },
      error: 'more than 3 connections from 127.0.0.1; try again in 1 second',
    });
    three[0]!.socket.destroy();
    await three[0]!.closed;
    let status = 429;
    // The server may learn of the closed connection after the client does.
    while (status === 429) status = statusOf(await raw(gateway.port, 'GET', '/api/version'));
    expect(status).toBe(200);
  });

  it.each([
    { identity: [{ address: { trustProxy: 1 } }] },
    { identity: [{ header: { name: 'x-user', trustProxy: '127.0.0.1' } }] },
    { identity: [{ header: { name: 'x-user', trustProxy: 1 } }] },
    { client: { trustProxy: 1 } },
  ])('are not counted where they come through a trusted proxy: %j', async ({ client, ...policy }) => {
    const { gateway } = await setup({ ...policy, client: { ...client, connections: 1 } });
    await rawClient(gateway.port);
    await rawClient(gateway.port);
    expect(statusOf(await raw(gateway.port, 'GET', '/healthz'))).toBe(200);
  });

  it('are counted where the proxy that is trusted is another one', async () => {
    const source = { header: { name: 'x-user', trustProxy: '192.0.2.1' } };
    const { gateway } = await setup({ client: { connections: 1 }, identity: [source] });
    await rawClient(gateway.port);
    expect(statusOf(await (await rawClient(gateway.port)).closed)).toBe(429);
  });
});
