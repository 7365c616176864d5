import { createServer, type RequestListener, type Server } from 'node:http';
import { type AddressInfo, createServer as createTcpServer } from 'node:net';
import { describe, expect, it } from 'vitest';
import { atEnd, chat, deadUrl, fake, gatewayFor, generate, isProbe, post, setup, until } from '../support/harness.js';

/** A backend that answers as told. */
async function serving(listener: RequestListener): Promise<string> {
  const server = createServer(listener);
  return listening(server);
}

async function listening(server: Server | ReturnType<typeof createTcpServer>): Promise<string> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  atEnd(async () => {
    if ('closeAllConnections' in server) server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

describe('a backend that fails before the first byte', () => {
  it('that refuses the connection is passed over for another, and the client notices nothing', async () => {
    const live = await fake();
    const log: Record<string, unknown>[] = [];
    const gateway = await gatewayFor(
      {
        requests: '100/min',
        pool: { pick: 'round-robin' },
        backends: [
          { url: deadUrl(), name: 'dead' },
          { url: live.url, name: 'live' },
        ],
      },
      log,
    );
    for (let times = 0; times < 4; times++) {
      const answer = await post(`${gateway.url}/api/generate`, generate);
      expect(answer.status).toBe(200);
      expect(answer.headers.get('x-headgate-backend')).toBe('live');
      await answer.arrayBuffer();
    }
    await until(() => log.length === 4, 'all are logged');
    expect(log.map(({ tries }) => tries)).toContain(2);
    expect(gateway.limiter.stats()).toMatchObject({ inFlight: 0, open: 0 });
    expect(gateway.limiter.stats().backends.map(({ used }) => used)).toEqual([0, 0]);
  });

  it('with no other one is 502 in the dialect of the path, and nothing is charged', async () => {
    const gateway = await gatewayFor({ requests: '10/min', backends: [deadUrl()] });
    const native = await post(`${gateway.url}/api/generate`, generate);
    expect(native.status).toBe(502);
    expect(native.headers.get('x-headgate-reason')).toBe('backend-error');
    expect(((await native.json()) as { error: string }).error).toMatch(/^the backend could not be reached/);
    const openai = await post(`${gateway.url}/v1/chat/completions`, chat);
    expect(openai.status).toBe(502);
    expect(await openai.json()).toMatchObject({ error: { message: expect.stringMatching(/^the backend could not/) } });
    expect(gateway.limiter.stats()).toMatchObject({ inFlight: 0, open: 0 });
    expect(gateway.limiter.peekNow({ identity: 'address:127.0.0.1' })[0]?.remaining).toBe(10);
  });

  it('that never accepts a connection is given up after the time to connect', async () => {
    // Nothing answers there, by definition of the block (TEST-NET-1).
    const policy = { backends: ['http://192.0.2.1:9'], pool: { timeout: { connect: '100ms' } } };
    const gateway = await gatewayFor(policy);
    const answer = await post(`${gateway.url}/api/generate`, generate);
    expect(answer.status).toBe(502);
  });

  it('that resets is passed over too, since nothing was answered', async () => {
    const { url, backends } = await setup({}, { backends: [{ faults: { resetBeforeFirstByte: true } }, {}] });
    for (let times = 0; times < 2; times++) expect((await post(`${url}/api/generate`, generate)).status).toBe(200);
    expect(backends[1]!.stats().completed).toBe(2);
  });

  it('that is busy is passed over, and its answer passes unchanged when all are', async () => {
    const busy = {
      faults: { status: 503, statusMessage: 'server busy, please try again.', statusHeaders: { 'retry-after': '7' } },
    };
    const { url, backends } = await setup({ requests: '100/min' }, { backends: [busy, {}] });
    expect((await post(`${url}/api/generate`, generate)).status).toBe(200);
    backends[1]!.set({
      status: 503,
      statusMessage: 'server busy, please try again.',
      statusHeaders: { 'retry-after': '7' },
    });
    const answer = await post(`${url}/api/generate`, generate);
    expect(answer.status).toBe(503);
    expect(answer.headers.get('retry-after')).toBe('7');
    expect(await answer.json()).toEqual({ error: 'server busy, please try again.' });
  });

  it('that gives no first byte in time is 504, and is told to stop', async () => {
    const policy = { pool: { timeout: { firstByte: '10s', embed: { firstByte: '3s' } } } };
    const { url, backend, gateway } = await setup(policy, { backends: [{ faults: { hang: true } }] });
    const answer = await post(`${url}/api/embed`, { model: 'nomic-embed-text', input: 'hi' });
    expect(answer.status).toBe(504);
    expect(answer.headers.get('x-headgate-reason')).toBe('backend-timeout');
    await backend.waitFor(() => backend.stats().aborted === 1);
    expect(gateway.limiter.stats().inFlight).toBe(0);
  });

  it('whose kept connection had closed meanwhile is asked again on a new one', async () => {
    let asked = 0;
    const server = createServer((request, response) => {
      if (isProbe(request)) return void response.end();
      asked += 1;
      request.resume();
      // The second request finds its connection cut the moment it arrives.
      if (asked === 2) request.socket.destroy();
      else response.end('{"done":true}');
    });
    const gateway = await gatewayFor({ backends: [await listening(server)] });
    for (let times = 0; times < 2; times++)
      expect((await post(`${gateway.url}/api/generate`, generate)).status).toBe(200);
    expect(asked).toBe(3);
  });
});

describe('a backend whose process dies', () => {
  it('is passed over at once, though connections to it were kept', async () => {
    const { url, backends } = await setup({}, { backends: [{}, {}] });
    const ask = async (): Promise<number> => {
      const answer = await post(`${url}/api/generate`, generate);
      await answer.arrayBuffer();
      return answer.status;
    };
    expect(await Promise.all(Array.from({ length: 8 }, ask))).toEqual(Array(8).fill(200));
    backends[0]!.crash();
    expect(await Promise.all(Array.from({ length: 4 }, ask))).toEqual(Array(4).fill(200));
  });
});

describe('a backend that answers', () => {
  it('an error of its own has it passed on with its body, and no tokens are charged', async () => {
    const { url, log } = await setup({ tokens: '100k/hour' });
    const answer = await post(`${url}/api/chat`, { ...chat, model: 'nope' });
    expect(answer.status).toBe(404);
    expect(await answer.json()).toEqual({ error: "model 'nope' not found" });
    await until(() => log.length === 1, 'the request is logged');
    expect(log[0]).toMatchObject({ status: 404, inputTokens: 0, outputTokens: 0 });
  });

  it('with a redirect is 502: a redirect is never followed', async () => {
    const elsewhere = await fake();
    const url = await serving((_, response) => {
      response.writeHead(307, { location: `${elsewhere.url}/api/generate` }).end();
    });
    const gateway = await gatewayFor({ backends: [url] });
    const answer = await post(`${gateway.url}/api/generate`, generate);
    expect(answer.status).toBe(502);
    expect(answer.headers.get('location')).toBeNull();
    expect(elsewhere.seen).toHaveLength(0);
  });

  it.each([
    ['a status below all', 'HTTP/1.1 099 Odd\r\ncontent-length: 2\r\n\r\n{}', 'a status that HTTP does not have'],
    ['a status above all', 'HTTP/1.1 999 Odd\r\ncontent-length: 2\r\n\r\n{}', 'a status that HTTP does not have'],
    ['another protocol', 'HTTP/1.1 101 Odd\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n', 'broke off'],
    ['compression', 'HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: 2\r\n\r\n{}', 'compressed'],
    ['two lengths', 'HTTP/1.1 200 OK\r\ncontent-length: 2\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n', 'broke off'],
    ['no HTTP', 'hello\r\n\r\n', 'broke off'],
    ['headers without end', `HTTP/1.1 200 OK\r\nx: ${'a'.repeat(100_000)}`, 'broke off'],
  ])('with %s is 502, and its slot is free again', async (_, bytes, sentence) => {
    const server = createTcpServer((socket) => {
      socket.on('error', () => {});
      socket.once('data', () => socket.write(bytes));
    });
    const gateway = await gatewayFor({ requests: '5/min', backends: [await listening(server)] });
    const answer = await post(`${gateway.url}/api/generate`, generate);
    expect(answer.status).toBe(502);
    expect((await answer.json()) as object).toEqual({ error: expect.stringContaining(sentence) });
    await until(() => gateway.limiter.stats().inFlight === 0, 'the permit has ended');
    expect(gateway.limiter.stats().backends[0]?.used).toBe(0);
    expect(gateway.limiter.peekNow({ identity: 'address:127.0.0.1' })[0]?.remaining).toBeCloseTo(5, 1);
  });

  it('that the host must sign in does not tell the client where', async () => {
    const { url } = await setup({ guard: { cloud: 'allow' } }, { backends: [{ faults: { cloud: 'signed-out' } }] });
    const answer = await post(`${url}/api/chat`, { ...chat, model: 'gpt-oss:20b-cloud' });
    expect(answer.status).toBe(401);
    expect(await answer.json()).toEqual({ error: 'unauthorized' });
  });

  it('sets no cookies and none of our headers', async () => {
    const url = await serving((_, response) => {
      response.writeHead(200, {
        'set-cookie': 'a=b',
        'x-headgate-backend': 'forged',
        ratelimit: 'forged',
        'x-own': '1',
      });
      response.end('{"done":true}');
    });
    const gateway = await gatewayFor({ backends: [{ url, name: 'named' }] });
    const answer = await post(`${gateway.url}/api/generate`, generate);
    expect(answer.headers.get('set-cookie')).toBeNull();
    expect(answer.headers.get('ratelimit')).toBeNull();
    expect(answer.headers.get('x-headgate-backend')).toBe('named');
    expect(answer.headers.get('x-own')).toBe('1');
  });

  it('listings that cannot be read shows none of them', async () => {
    const url = await serving((_, response) => void response.end('not JSON'));
    const gateway = await gatewayFor({ backends: [url] });
    expect((await fetch(`${gateway.url}/api/tags`)).status).toBe(502);
  });

  it('HEAD and the word that it is alive pass as they are', async () => {
    const { url } = await setup({});
    expect((await fetch(`${url}/api/tags`, { method: 'HEAD' })).status).toBe(200);
    expect(await (await fetch(url)).text()).toBe('Ollama is running');
    expect(await (await fetch(`${url}/api/version`)).json()).toEqual({ version: '0.33.0' });
  });
});

describe('a backend that fails in the middle', () => {
  it('of a body that is no stream breaks the connection, since nothing else tells the truth', async () => {
    const url = await serving((_, response) => {
      response.writeHead(200, { 'content-type': 'application/json', 'content-length': 100 });
      response.write('{"response":"half');
      setImmediate(() => response.destroy());
    });
    const gateway = await gatewayFor({ backends: [url] });
    const answer = await post(`${gateway.url}/api/generate`, generate);
    await expect(answer.text()).rejects.toThrow('terminated');
    await until(() => gateway.limiter.stats().inFlight === 0, 'the permit has ended');
  });

  it('of a chunked body that is no stream breaks the connection too', async () => {
    const url = await serving((_, response) => {
      response.writeHead(200, { 'content-type': 'application/json' });
      response.write('{"response":"half');
      setImmediate(() => response.destroy());
    });
    const gateway = await gatewayFor({ backends: [url] });
    const answer = await post(`${gateway.url}/api/generate`, generate);
    await expect(answer.text()).rejects.toThrow('terminated');
  });

  it('by standing still ends the stream with an error once it was idle too long', async () => {
    const policy = { pool: { timeout: { idle: '3s' } } };
    const { url, backend } = await setup(policy, { backends: [{ faults: { stallAfterTokens: 3 } }] });
    const answer = await post(`${url}/api/chat`, { ...chat, stream: true });
    const lines = (await answer.text()).trim().split('\n');
    expect(JSON.parse(lines.at(-1)!)).toEqual({ error: 'the backend stopped sending in the middle of its answer.' });
    expect(lines).toHaveLength(4);
    await backend.waitFor(() => backend.stats().aborted === 1);
  });

  it('by taking too long in all ends the stream with an error', async () => {
    const policy = { pool: { timeout: { total: '3s' } } };
    const { url } = await setup(policy, { backends: [{ decodeTokensPerSecond: 50, outputTokens: 1000 }] });
    const answer = await post(`${url}/api/chat`, { ...chat, stream: true });
    const lines = (await answer.text()).trim().split('\n');
    expect(JSON.parse(lines.at(-1)!)).toEqual({ error: 'the answer took longer than answers may take here.' });
  });

  it('keeps what it produced charged, and gives its slot back', async () => {
    const { url, gateway, log } = await setup(
      { tokens: '100k/hour' },
      { backends: [{ decodeTokensPerSecond: 100, faults: { dieAfterTokens: 10 } }] },
    );
    await (await post(`${url}/api/chat`, { ...chat, stream: true })).text();
    await until(() => log.length === 1, 'the request is logged');
    expect(log[0]).toMatchObject({ status: 200, cut: 'died', reason: 'backend-error' });
    expect(log[0]?.outputTokens).toBeGreaterThanOrEqual(8);
    await until(() => gateway.limiter.stats().inFlight === 0, 'the permit has ended');
  });
});

describe('a path that the policy lets through', () => {
  it('passes its body unread, with its type and its query', async () => {
    let seen: { url?: string | undefined; type?: string | undefined; bytes: number } = { bytes: 0 };
    const url = await serving((request, response) => {
      seen = { url: request.url, type: request.headers['content-type'], bytes: 0 };
      request.on('data', (chunk: Buffer) => {
        seen.bytes += chunk.length;
      });
      request.on('end', () => response.end('{"text":"hello"}'));
    });
    const gateway = await gatewayFor({ guard: { paths: ['/v1/files'], body: '300KiB' }, backends: [url] });
    const headers = { 'content-type': 'audio/wav' };
    const sent = await post(`${gateway.url}/v1/files?language=en`, 'x'.repeat(200_000), headers);
    expect([sent.status, await sent.json()]).toEqual([200, { text: 'hello' }]);
    expect(seen).toEqual({ url: '/v1/files?language=en', type: 'audio/wav', bytes: 200_000 });
    const large = await post(`${gateway.url}/v1/files`, 'x'.repeat(310_000), headers);
    expect(large.status).toBe(413);
    expect(await large.text()).toContain('request body too large (max 300 KiB)');
    expect(gateway.limiter.stats().inFlight).toBe(0);
  });
});
