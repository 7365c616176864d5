import { describe, expect, it } from 'vitest';
import { chat, post, setup, until } from '../support/harness.js';
import { rawClient } from '../support/raw.js';

const streamed = { ...chat, stream: true };

describe('clients that leave', () => {
  it('are charged what they were sent and no more', async () => {
    const { url, gateway, backend, log } = await setup(
      { tokens: '100k/hour' },
      { backends: [{ faults: { stallAfterTokens: 10 } }] },
    );
    const client = await rawClient(gateway.port);
    const body = JSON.stringify(streamed);
    client.send(`POST /api/chat HTTP/1.1\r\nhost: localhost\r\ncontent-length: ${body.length}\r\n\r\n${body}`);
    await until(() => client.received().split('"content"').length > 10, 'ten tokens came');
    client.socket.destroy();
    await backend.waitFor(() => backend.stats().aborted === 1);
    await until(() => log.length === 1, 'the request is logged');
    const [line] = log;
    expect(line).toMatchObject({ cut: 'client gone', status: 200 });
    expect(line?.outputTokens).toBeGreaterThanOrEqual(9);
    expect(line?.outputTokens).toBeLessThanOrEqual(10);
    const after = await post(`${url}/api/chat`, { ...chat, options: { num_predict: 1 } });
    await after.arrayBuffer();
    const remaining = Number(/"tokens[^"]*";r=(\d+)/.exec(after.headers.get('ratelimit') ?? '')?.[1]);
    expect(remaining).toBeGreaterThan(100_000 - 200);
  });

  it('before the first byte are charged for the prompt, which the backend was reading', async () => {
    const { gateway, backend, log } = await setup({ tokens: '100k/hour' }, { backends: [{ faults: { hang: true } }] });
    const client = await rawClient(gateway.port);
    const body = JSON.stringify(streamed);
    client.send(`POST /api/chat HTTP/1.1\r\nhost: localhost\r\ncontent-length: ${body.length}\r\n\r\n${body}`);
    await backend.waitFor(() => backend.stats().running === 1);
    client.socket.destroy();
    await backend.waitFor(() => backend.stats().aborted === 1);
    await until(() => log.length === 1, 'the request is logged');
    expect(log[0]).toMatchObject({ outputTokens: 0, cut: 'client gone' });
    expect(log[0]?.inputTokens).toBeGreaterThan(0);
    expect(log[0]).not.toHaveProperty('status');
    await until(() => gateway.limiter.stats().inFlight === 0, 'the permit has ended');
    expect(gateway.limiter.stats().open).toBe(0);
  });

  it('while their backend loads a model for others too are let go only when it is loaded', async () => {
    const { url, gateway, backend, log } = await setup(
      { tokens: '100k/hour' },
      { backends: [{ loadMs: 400, decodeTokensPerSecond: 100, outputTokens: 1_000 }] },
    );
    const client = await rawClient(gateway.port);
    const body = JSON.stringify(streamed);
    client.send(`POST /api/chat HTTP/1.1\r\nhost: localhost\r\ncontent-length: ${body.length}\r\n\r\n${body}`);
    await backend.waitFor(() => backend.stats().inFlight === 1);
    const other = post(`${url}/api/chat`, { ...chat, options: { num_predict: 3 } });
    await backend.waitFor(() => backend.stats().inFlight === 2);
    client.socket.destroy();
    expect((await other).status).toBe(200);
    await backend.waitFor(() => backend.stats().aborted === 1);
    await until(() => log.length === 2, 'both are logged');
    expect(backend.stats().loads).toBe(1);
    const gone = log.find(({ cut }) => cut === 'client gone');
    expect(gone?.outputTokens).toBeLessThan(100);
    await until(() => gateway.limiter.stats().open === 0, 'all permits have ended');
  });

  it('while their backend loads a model for others are let go at once where nobody could see the load end', async () => {
    const { url, gateway, backend, log } = await setup(
      { tokens: '100k/hour' },
      { backends: [{ loadMs: 400, decodeTokensPerSecond: 100, outputTokens: 1_000 }] },
    );
    const client = await rawClient(gateway.port);
    const body = JSON.stringify(chat);
    client.send(`POST /api/chat HTTP/1.1\r\nhost: localhost\r\ncontent-length: ${body.length}\r\n\r\n${body}`);
    await backend.waitFor(() => backend.stats().inFlight === 1);
    const other = post(`${url}/api/chat`, { ...chat, options: { num_predict: 3 } });
    await backend.waitFor(() => backend.stats().inFlight === 2);
    client.socket.destroy();
    await until(() => log.length === 1, 'the one who left is logged');
    expect(log[0]).toMatchObject({ cut: 'client gone', outputTokens: 0 });
    expect((await other).status).toBe(200);
    expect(backend.stats().aborted).toBe(1);
  });

  it('while they wait never reach a backend, and are charged nothing', async () => {
    const { gateway, backend, log } = await setup(
      { requests: '2/hour' },
      { slots: 1, backends: [{ decodeTokensPerSecond: 50, outputTokens: 1000 }] },
    );
    const body = JSON.stringify(streamed);
    const ask = `POST /api/chat HTTP/1.1\r\nhost: localhost\r\ncontent-length: ${body.length}\r\n\r\n${body}`;
    const first = await rawClient(gateway.port);
    first.send(ask);
    await backend.waitFor(() => backend.stats().running === 1);
    const second = await rawClient(gateway.port);
    second.send(ask);
    await until(() => gateway.limiter.stats().waiting === 1, 'the second waits');
    second.socket.destroy();
    await until(() => gateway.limiter.stats().waiting === 0, 'the second is forgotten');
    expect(gateway.limiter.peekNow({ identity: 'address:127.0.0.1' })[0]?.remaining).toBeCloseTo(1, 0);
    await until(() => log.length === 1, 'the one who left is logged');
    expect(backend.seen).toHaveLength(1);
  });

  it.each([
    ['refused', { status: 503, statusMessage: 'server busy, please try again.' }],
    ['broke off', { resetBeforeFirstByte: true }],
  ])('while they wait for another backend, after one that %s, are charged nothing', async (_, faults) => {
    const { gateway, backends, log } = await setup(
      { tokens: '100k/hour', limits: [{ name: 'counted', requests: '10/day' }] },
      { slots: 1, backends: [{ faults }, { decodeTokensPerSecond: 50, outputTokens: 1000 }] },
    );
    const left = (): number[] => gateway.limiter.peekNow({ identity: 'address:127.0.0.1' }).map((one) => one.remaining);
    const body = JSON.stringify(streamed);
    const ask = `POST /api/chat HTTP/1.1\r\nhost: localhost\r\ncontent-length: ${body.length}\r\n\r\n${body}`;
    const first = await rawClient(gateway.port);
    first.send(ask);
    await until(() => backends[1]!.stats().running === 1, 'the second backend is busy');
    const before = left();
    const second = await rawClient(gateway.port);
    second.send(ask);
    await until(() => gateway.limiter.stats().waiting === 1, 'the second waits');
    second.socket.destroy();
    await until(() => log.length === 1, 'the one who left is logged');
    expect(log[0]).toMatchObject({ cut: 'client gone', backend: 'b1' });
    expect(log[0]).not.toHaveProperty('inputTokens');
    expect(gateway.limiter.stats()).toMatchObject({ waiting: 0, inFlight: 1, open: 1 });
    expect(left()[1]).toBeCloseTo(before[1]!, 2);
    first.socket.destroy();
    await until(() => gateway.limiter.stats().inFlight === 0, 'all permits have ended');
    expect(gateway.limiter.stats().open).toBe(0);
  });

  it('with pipelined requests behind the first one give those back too', async () => {
    const { gateway, backend } = await setup({}, { backends: [{ decodeTokensPerSecond: 50, outputTokens: 1000 }] });
    const client = await rawClient(gateway.port);
    const body = JSON.stringify(streamed);
    const ask = `POST /api/chat HTTP/1.1\r\nhost: localhost\r\ncontent-length: ${body.length}\r\n\r\n${body}`;
    client.send(ask + ask + ask);
    await backend.waitFor(() => backend.stats().inFlight === 3);
    client.socket.destroy();
    await backend.waitFor(() => backend.stats().aborted === 3);
    await until(() => gateway.limiter.stats().inFlight === 0, 'all permits have ended');
  });
});
