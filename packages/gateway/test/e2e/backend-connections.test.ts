/** What travels on the connections to backends, byte for byte, and when they carry the next request. */
import { type AddressInfo, createServer, Socket } from 'node:net';
import { describe, expect, it, vi } from 'vitest';
import { atEnd, chat, fake, gatewayFor, generate, post, until } from '../support/harness.js';
import { raw, rawClient } from '../support/raw.js';

interface RawBackend {
  readonly url: string;
  /** Requests, without probes, each with the number of the connection that it came on. */
  readonly requests: { readonly connection: number; readonly text: string }[];
  connections: number;
}

/** Answers each request with these bytes; a function may look at how many came before. */
async function rawBackend(answer: string | ((before: number) => string)): Promise<RawBackend> {
  const backend: RawBackend = { url: '', requests: [], connections: 0 };
  const server = createServer((socket) => {
    let connection: number | undefined;
    socket.on('error', () => {});
    socket.on('data', (chunk) => {
      const text = chunk.toString('latin1');
      if (text.includes('headgate-probe')) {
        socket.end('HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}');
        return;
      }
      connection ??= ++backend.connections;
      const before = backend.requests.length;
      backend.requests.push({ connection, text });
      socket.write(typeof answer === 'string' ? answer : answer(before));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  atEnd(async () => void server.close());
  return Object.assign(backend, { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` });
}

const whole = 'HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 13\r\n\r\n{"done":true}';

describe('a connection to a backend', () => {
  it('is used again when its answer was read to the end', async () => {
    const backend = await rawBackend(whole);
    const gateway = await gatewayFor({ backends: [backend.url] });
    for (let times = 0; times < 3; times++) {
      expect(await (await post(`${gateway.url}/api/generate`, generate)).json()).toEqual({ done: true });
    }
    expect(backend.requests.map(({ connection }) => connection)).toEqual([1, 1, 1]);
  });

  it('that stands is seen to, also by a gateway that was held up until its time was over', async () => {
    const backend = await rawBackend(whole);
    const timeout = { connect: '20ms' };
    const gateway = await gatewayFor({ backends: [backend.url], pool: { timeout, retry: { tries: 1 } } });
    // Once what the request sets off is done, and before anything of its connection is seen.
    const holdUp = (): void => {
      const until = performance.now() + 200;
      while (performance.now() < until);
    };
    gateway.limiter.on('request-admitted', () => setImmediate(holdUp));
    expect((await post(`${gateway.url}/api/generate`, generate)).status).toBe(200);
  });

  it('is not when the backend says that it closes it', async () => {
    const backend = await rawBackend(whole.replace('200 OK\r\n', '200 OK\r\nconnection: close\r\n'));
    const gateway = await gatewayFor({ backends: [backend.url] });
    for (let times = 0; times < 2; times++) {
      expect((await post(`${gateway.url}/api/generate`, generate)).status).toBe(200);
    }
    expect(backend.requests.map(({ connection }) => connection)).toEqual([1, 2]);
  });

  it('carries early hints before the answer, which are not the answer', async () => {
    const backend = await rawBackend(`HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n${whole}`);
    const gateway = await gatewayFor({ backends: [backend.url] });
    for (let times = 0; times < 2; times++) {
      const answer = await post(`${gateway.url}/api/generate`, generate);
      expect([answer.status, await answer.json(), answer.headers.get('link')]).toEqual([200, { done: true }, null]);
    }
  });

  it('keeps its own headers and trailers to itself', async () => {
    const head = [
      'HTTP/1.1 200 OK',
      'content-type: application/json',
      'transfer-encoding: chunked',
      'connection: keep-alive, x-own',
      'keep-alive: timeout=20',
      'x-own: 1',
      'x-other: 2',
      'trailer: x-sum',
    ];
    const backend = await rawBackend(`${head.join('\r\n')}\r\n\r\nd\r\n{"done":true}\r\n0\r\nx-sum: 3\r\n\r\n`);
    const gateway = await gatewayFor({
      backends: [{ url: backend.url, headers: { 'keep-alive': 'x', 'x-mine': 'y' } }],
    });
    const answer = await raw(gateway.port, 'POST', '/api/generate', JSON.stringify(generate), 'te: trailers\r\n');
    expect(answer).toMatch(/^HTTP\/1\.1 200 /);
    expect(answer).toContain('x-other: 2');
    expect(answer).toContain('{"done":true}');
    expect(answer).not.toMatch(/x-own|x-sum|timeout=20/i);
    expect(backend.requests[0]!.text).toContain('x-mine: y');
    expect(backend.requests[0]!.text).not.toMatch(/^(te|keep-alive):/im);
  });

  it('carries answers without a body', async () => {
    const backend = await rawBackend((before) =>
      before === 1 ? 'HTTP/1.1 304 Not Modified\r\n\r\n' : 'HTTP/1.1 204 No Content\r\n\r\n',
    );
    const gateway = await gatewayFor({ backends: [backend.url] });
    const statuses: number[] = [];
    for (let times = 0; times < 3; times++) statuses.push((await post(`${gateway.url}/api/generate`, generate)).status);
    // We never ask whether something was modified.
    expect(statuses).toEqual([204, 502, 204]);
    await until(() => gateway.limiter.stats().inFlight === 0, 'all permits have ended');
  });
});

describe('the slot of a request whose client left', () => {
  it('is given on only when the connection to the backend is closed', async () => {
    const backend = await fake({ decodeTokensPerSecond: 50, outputTokens: 1_000 });
    const gateway = await gatewayFor({ backends: [{ url: backend.url, slots: 1 }] });
    const closing = slowToClose(Number(new URL(backend.url).port));
    const body = JSON.stringify({ ...chat, stream: true });
    const ask = `POST /api/chat HTTP/1.1\r\nhost: localhost\r\ncontent-length: ${body.length}\r\n\r\n${body}`;
    const first = await rawClient(gateway.port);
    first.send(ask);
    await until(() => first.received().includes('"content"'), 'the first one is answered');
    const second = await rawClient(gateway.port);
    second.send(ask);
    await until(() => gateway.limiter.stats().waiting === 1, 'the second one waits');
    first.socket.destroy();
    await until(() => closing.asked.length > 0, 'the gateway wants to close the connection');
    // As many turns as a request would take to arrive.
    for (let turns = 0; turns < 50; turns++) await new Promise((resolve) => setImmediate(resolve));
    expect(backend.seen).toHaveLength(1);
    expect(gateway.limiter.stats().backends[0]!.used).toBe(1);
    closing.close();
    await backend.waitFor(() => backend.seen.length === 2);
    expect(backend.stats().inFlightMax).toBe(1);
  });
});

/** Connections to this port stay open until `close` is called, whatever is asked of them. */
function slowToClose(port: number): { readonly asked: Socket[]; close(): void } {
  const asked: Socket[] = [];
  const later: (() => void)[] = [];
  for (const way of ['destroy', 'resetAndDestroy'] as const) {
    const original = Socket.prototype[way];
    vi.spyOn(Socket.prototype, way).mockImplementation(function (this: Socket, ...given: []) {
      if (this.remotePort !== port) return original.apply(this, given);
      asked.push(this);
      later.push(() => original.apply(this, given));
      return this;
    });
  }
  return {
    asked,
    close: () => {
      vi.restoreAllMocks();
      for (const act of later) act();
    },
  };
}
