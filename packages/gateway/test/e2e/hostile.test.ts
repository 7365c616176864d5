import { describe, expect, it } from 'vitest';
import { setup, until } from '../support/harness.js';
import { headerOf, raw, rawClient, refusalIn, statusOf } from '../support/raw.js';

const plain = '{"model":"llama3.2","prompt":"hi","stream":false}';
const json = 'content-type: application/json\r\n';

describe('bodies that two readers read differently', () => {
  it.each([
    ['a look-alike of a field', '{"MODEL":"llama3.2","prompt":"hi"}'],
    ['a look-alike beside the field', '{"model":"llama3.2","Model":"llama3.1:70b","prompt":"hi"}'],
    ['a long s that folds to s', '{"model":"llama3.2","prompt":"hi","\u017ftream":false}'],
    ['a Kelvin sign that folds to k', '{"model":"llama3.2","prompt":"hi","\u212aeep_alive":0}'],
    ['an escaped look-alike', '{"model":"llama3.2","prompt":"hi","\\u017ftream":false}'],
    ['a duplicate key', '{"model":"llama3.2","model":"llama3.1:70b","prompt":"hi"}'],
    ['a second value', '{"model":"llama3.2","prompt":"hi"}{"model":"llama3.1:70b"}'],
    ['a byte order mark', '\ufeff{"model":"llama3.2","prompt":"hi"}'],
    ['a cap of the wrong type', '{"model":"llama3.2","prompt":"hi","options":{"num_predict":"9"}}'],
    ['what looks like a refusal of ours', '{"model":7,"reason":"limit","status":299,"message":"no."}'],
    ['no object', '["llama3.2"]'],
    ['no JSON', 'model=llama3.2'],
  ])('%s is refused, arrives nowhere and costs nothing', async (_, body) => {
    const { gateway, backend } = await setup({ requests: '10/min' });
    const answer = await raw(gateway.port, 'POST', '/api/generate', body, json);
    expect(statusOf(answer)).toBe(400);
    expect(answer).toMatch(/\r\ncontent-type: application\/json\r\n/i);
    expect(backend.seen).toHaveLength(0);
    expect(gateway.limiter.stats()).toMatchObject({ keys: 0, open: 0 });
  });

  it.each([
    ...['/v1/chat/completions', '/v1/completions', '/v1/embeddings', '/v1/responses', '/v1/messages'].map((path) => [
      'zstd',
      path,
    ]),
    ...['gzip', 'identity, zstd', 'br', 'ZSTD'].map((encoding) => [encoding, '/api/generate']),
  ])('a body encoded as %s is refused on %s', async (encoding, path) => {
    const { gateway, backend } = await setup({ requests: '10/min' });
    const answer = await raw(gateway.port, 'POST', path, plain, `content-encoding: ${encoding}\r\n`);
    expect(statusOf(answer)).toBe(415);
    expect(backend.seen).toHaveLength(0);
    expect(gateway.limiter.stats().keys).toBe(0);
  });

  it.each(['text/plain', 'application/x-www-form-urlencoded', ''])(
    'content type "%s" changes nothing: what arrives is our own serialisation',
    async (type) => {
      const { gateway, backend } = await setup({ output: 50 });
      const body = '{ "prompt" : "h\\u0069" ,\n "model":"llama3.2", "stream":false, "options":{"num_gpu":0,"seed":1} }';
      const header = type === '' ? '' : `content-type: ${type}\r\n`;
      expect(statusOf(await raw(gateway.port, 'POST', '/api/generate', body, header))).toBe(200);
      const [seen] = backend.seen;
      expect(seen?.headers['content-type']).toBe('application/json');
      expect(seen?.body.toString()).toBe(JSON.stringify(seen?.json));
      expect(Number(seen?.headers['content-length'])).toBe(seen?.body.length);
      expect(seen?.json).toMatchObject({ prompt: 'hi', options: { num_predict: 50, num_ctx: 8192, seed: 1 } });
      expect(seen?.json).not.toHaveProperty('options.num_gpu');
    },
  );
});

describe('heads and frames that two readers read differently', () => {
  const post = (head: string, body: string): string =>
    `POST /api/generate HTTP/1.1\r\nhost: localhost\r\n${head}\r\n${body}`;
  const chunk = `${plain.length.toString(16)}\r\n${plain}\r\n0\r\n\r\n`;
  const chunked = (body: string): string => post('transfer-encoding: chunked\r\n', body);

  it.each([
    ['a length twice', post(`content-length: ${plain.length}\r\ncontent-length: ${plain.length}\r\n`, plain)],
    ['two lengths', post(`content-length: ${plain.length}\r\ncontent-length: 3\r\n`, plain)],
    ['a list of lengths', post(`content-length: ${plain.length}, ${plain.length}\r\n`, plain)],
    ['a length with a sign', post(`content-length: +${plain.length}\r\n`, plain)],
    ['a length in hex', post(`content-length: 0x${plain.length.toString(16)}\r\n`, plain)],
    ['a length beyond counting', post('content-length: 99999999999999999999\r\n', plain)],
    ['a length beside chunks', post(`content-length: 4\r\ntransfer-encoding: chunked\r\n`, chunk)],
    ['chunks twice', post('transfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n', chunk)],
    ['a coding before the chunks', post('transfer-encoding: gzip, chunked\r\n', chunk)],
    ['a coding that sounds like chunked', post('transfer-encoding: xchunked\r\n', chunk)],
    ['no coding', post('transfer-encoding: identity\r\n', plain)],
    ['a name with a space', post('transfer-encoding : chunked\r\n', chunk)],
    ['a folded line', post('transfer-encoding:\r\n chunked\r\n', chunk)],
    ['lines without a return', post(`content-length: ${plain.length}\r\n`, plain).replaceAll('\r\n', '\n')],
    ['a return without a line', post(`x: a\rcontent-length: 3\r\ncontent-length: ${plain.length}\r\n`, plain)],
    ['a zero in a value', post(`x: a\0b\r\ncontent-length: ${plain.length}\r\n`, plain)],
    ['chunks of HTTP/1.0', post('transfer-encoding: chunked\r\n', chunk).replace('HTTP/1.1', 'HTTP/1.0')],
    ['two hosts', post(`host: y\r\ncontent-length: ${plain.length}\r\n`, plain)],
    ['no host', post(`content-length: ${plain.length}\r\n`, plain).replace('host: localhost\r\n', '')],
    ['a chunk without end', chunked(`ffffffffffffffffff\r\n${plain}\r\n0\r\n\r\n`)],
    ['a chunk of less than nothing', chunked(`-5\r\n${plain}\r\n0\r\n\r\n`)],
    ['a chunk longer than its size', chunked(`5\r\n${plain}\r\n0\r\n\r\n`)],
    ['chunks without returns', chunked(chunk.replaceAll('\r\n', '\n'))],
    [
      'an extension of a chunk without end',
      chunked(`${plain.length.toString(16)};${'a'.repeat(20_000)}\r\n${plain}\r\n`),
    ],
  ])('%s: 400 in JSON, the connection closes, nothing arrives and nothing is charged', async (_, bytes) => {
    const { gateway, backend } = await setup({ requests: '10/min' });
    const client = await rawClient(gateway.port);
    client.send(bytes);
    const answer = await client.closed;
    expect(statusOf(answer)).toBe(400);
    expect(answer).toMatch(/\r\ncontent-type: application\/json\r\n/i);
    expect(answer).toMatch(/\r\nconnection: close\r\n/i);
    expect(JSON.parse(answer.slice(answer.indexOf('\r\n\r\n')))).toEqual({ error: expect.any(String) });
    expect(backend.seen).toHaveLength(0);
    expect(gateway.limiter.stats()).toMatchObject({ inFlight: 0, keys: 0, open: 0 });
  });

  it('are refused in the dialect of the path, and logged with the address', async () => {
    const { gateway, log } = await setup({ requests: '10/min' });
    for (const head of [
      'host: localhost\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n',
      'expect: more\r\nhost: localhost\r\n\r\n',
      '\r\n',
    ]) {
      const client = await rawClient(gateway.port);
      client.send(`POST /v1/messages HTTP/1.1\r\n${head}`);
      expect(await client.closed).toContain('{"type":"error","error":{"type":"invalid_request_error"');
    }
    await until(() => log.length === 3, 'all are in the log');
    expect(log.map(({ status, reason, address }) => [status, reason, address])).toEqual([
      [400, 'bad-request', '127.0.0.1'],
      [417, 'bad-request', '127.0.0.1'],
      [400, 'bad-request', '127.0.0.1'],
    ]);
  });

  it('a body that goes bad while its request is read is refused once, whatever still comes', async () => {
    const { gateway, backend, log } = await setup({ requests: '10/min' });
    const client = await rawClient(gateway.port);
    client.send(chunked('5\r\n{"mod\r\n'));
    await new Promise((resolve) => setImmediate(resolve));
    client.send('zz\r\n');
    await until(() => client.received().includes('not framed'), 'the refusal came');
    for (let times = 0; times < 5; times++) client.send('GET /api/version HTTP/1.1\r\nhost: localhost\r\n\r\n');
    const answer = await client.closed;
    expect(answer.match(/HTTP\/1\.1/g)).toHaveLength(1);
    expect(statusOf(answer)).toBe(400);
    expect(backend.seen).toHaveLength(0);
    await until(() => log.length > 0, 'it is in the log');
    expect(log).toHaveLength(1);
  });

  it('a body that is passed on unread ends its request when it goes bad', async () => {
    const { gateway, backend } = await setup({ guard: { paths: ['/v1/audio/transcriptions'] } });
    const client = await rawClient(gateway.port);
    const head = 'POST /v1/audio/transcriptions HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\n';
    client.send(`${head}5\r\nabcde\r\n`);
    await backend.waitFor(() => backend.seen.length === 1);
    client.send('zz\r\n');
    expect(await client.closed).toBe('');
    await until(() => gateway.limiter.stats().inFlight === 0, 'the permit has ended');
    await backend.idle();
    expect(backend.seen[0]?.outcome).toBe('aborted');
  });
});

describe('paths that two readers read differently', () => {
  it.each([
    '/api//generate',
    '//api/generate',
    '/api/../api/generate',
    '/api/./generate',
    '/api/%2e%2e/api/generate',
    '/api%2fgenerate',
    '/api%5cgenerate',
    '/api/generate%00',
    '/api/generate%',
    '/api/generate/',
    '/API/generate',
    '/api/generate;x=1',
    '/api/tags/../pull',
    '/v1/models/..%2f..%2fapi%2fpull',
  ])('%s is refused in JSON and arrives nowhere', async (target) => {
    const { gateway, backend } = await setup({ requests: '10/min' });
    const answer = await raw(gateway.port, 'POST', target, plain, json);
    expect(statusOf(answer)).toBeGreaterThanOrEqual(404);
    expect(statusOf(answer)).toBeLessThanOrEqual(405);
    expect(answer).toMatch(/\r\ncontent-type: application\/json\r\n/i);
    expect(backend.seen).toHaveLength(0);
    expect(gateway.limiter.stats().keys).toBe(0);
  });

  it.each(['/api/%67enerate', '/api/generate?x=1', 'http://elsewhere.example/api/generate', '/api/generate#x'])(
    '%s arrives as the canonical path, and counts',
    async (target) => {
      const { gateway, backend } = await setup({ requests: '10/min' });
      expect(statusOf(await raw(gateway.port, 'POST', target, plain, json))).toBe(200);
      expect(backend.seen.map(({ rawUrl }) => rawUrl)).toEqual(['/api/generate']);
      expect(gateway.limiter.stats().keys).toBe(1);
    },
  );

  it('a model in the path is encoded anew', async () => {
    const { gateway, backend } = await setup({});
    expect(statusOf(await raw(gateway.port, 'GET', '/v1/models/llama3.1:8b'))).toBe(200);
    expect(statusOf(await raw(gateway.port, 'GET', '/v1/models/llama3.1%3a8b'))).toBe(200);
    expect(backend.seen.map(({ rawUrl }) => rawUrl)).toEqual(Array(2).fill('/v1/models/llama3.1:8b'));
  });

  it('a known path with another method is 405 with what it allows', async () => {
    const { gateway } = await setup({});
    const answer = await raw(gateway.port, 'GET', '/api/generate');
    expect(statusOf(answer)).toBe(405);
    expect(answer).toMatch(/\r\nallow: POST\r\n/i);
  });
});

describe('what is no request for a language model', () => {
  it('CONNECT is refused', async () => {
    const { gateway, backend } = await setup({});
    const answer = await raw(gateway.port, 'CONNECT', '127.0.0.1:22');
    expect(statusOf(answer)).toBe(405);
    expect(refusalIn(answer)).toMatchObject({ reason: 'bad-method', error: 'CONNECT is not served here' });
    expect(backend.seen).toHaveLength(0);
  });

  it('CONNECT from who is gone before its answer harms nobody', async () => {
    const { gateway } = await setup({});
    for (let i = 0; i < 50; i++) {
      const { socket, send, closed } = await rawClient(gateway.port);
      send('CONNECT 127.0.0.1:22 HTTP/1.1\r\nhost: x\r\n\r\n');
      socket.resetAndDestroy();
      await closed;
    }
    // An error of a connection that nobody listens for would end the process: here, the run of the tests.
    expect(statusOf(await raw(gateway.port, 'GET', '/api/version'))).toBe(200);
  });

  it.each([
    ['/api/version', (error: string) => error],
    ['/v1/models', (message: string) => expect.objectContaining({ message, type: 'invalid_request_error' })],
    ['/v1/messages', (message: string) => ({ type: 'invalid_request_error', message })],
    ['/metrics', (error: string) => error],
  ])('an upgrade of %s to WebSocket is refused in the words of its path', async (path, worded) => {
    const { gateway, backend, log } = await setup({});
    const client = await rawClient(gateway.port);
    client.send(`GET ${path} HTTP/1.1\r\nhost: localhost\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n`);
    const answer = await client.closed;
    expect(statusOf(answer)).toBe(501);
    expect(refusalIn(answer)).toMatchObject({
      reason: 'bad-request',
      error: worded('WebSocket is not spoken here.'),
    });
    expect(backend.seen).toHaveLength(0);
    await until(() => log.length > 0, 'it is in the log');
    expect(log).toMatchObject([{ status: 501, reason: 'bad-request' }]);
  });

  it.each(['WebSocket', 'websocket/13, ', 'websocket\r\nupgrade: websocket'])(
    'so is one that says %j',
    async (upgrade) => {
      const { gateway } = await setup({});
      const client = await rawClient(gateway.port);
      client.send(`GET /api/tags HTTP/1.1\r\nhost: localhost\r\nconnection: upgrade\r\nupgrade: ${upgrade}\r\n\r\n`);
      expect(statusOf(await client.closed)).toBe(501);
    },
  );

  it.each([
    ['connection: upgrade, http2-settings', 'upgrade: h2c\r\nhttp2-settings: AAMAAABkAAQAAP__'],
    ['connection: upgrade', 'upgrade: TLS/1.2'],
    ['connection: upgrade', 'upgrade: HTTP/2.0'],
    ['connection: upgrade', 'upgrade: h2c, websocket'],
    ['connection: upgrade', 'upgrade:'],
    ['connection: keep-alive', 'upgrade: TLS/1.2, TLS/1.3'],
  ])('an offer that can be passed over is passed over: %s, %s', async (connection, upgrade) => {
    const { gateway, backend } = await setup({});
    const body = '{"model":"llama3.2","prompt":"hi","stream":false}';
    const client = await rawClient(gateway.port);
    const head = `HTTP/1.1\r\nhost: localhost\r\n${connection}\r\n${upgrade}\r\n`;
    client.send(`GET /api/tags ${head}\r\n`);
    await until(() => client.received().endsWith('}'), 'the answer came');
    expect(statusOf(client.received())).toBe(200);
    // What comes after it on the same connection is HTTP as before, and a body is a body.
    client.send(`POST /api/generate ${head}content-length: ${body.length}\r\n\r\n${body}`);
    // Node drops what comes in one piece with a request that offers an upgrade, so nothing is sent before the answer.
    await until(() => client.received().includes('"done":true'), 'the second answer came');
    client.send('GET /api/version HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n');
    const answers = await client.closed;
    expect(answers.match(/HTTP\/1\.1 \d+/g)).toEqual(Array(3).fill('HTTP/1.1 200'));
    for (const { headers } of backend.seen) expect(headers).not.toHaveProperty('upgrade');
  });

  it('bytes that are no HTTP are answered in JSON and the connection closed, and there is a line in the log', async () => {
    const { gateway, log } = await setup({});
    const client = await rawClient(gateway.port);
    client.send('\x16\x03\x01 hello\r\n\r\n');
    const answer = await client.closed;
    expect(statusOf(answer)).toBe(400);
    expect(refusalIn(answer)).toMatchObject({ reason: 'bad-request', error: 'this is not a request that can be read' });
    await until(() => log.length > 0, 'it is in the log');
    const requestId = headerOf(answer, 'x-request-id');
    expect(log).toMatchObject([{ address: '127.0.0.1', status: 400, reason: 'bad-request', requestId }]);
  });

  it('a connection that says nothing leaves no line in the log', async () => {
    const { gateway, log } = await setup({ client: { headers: '100ms' } });
    expect(statusOf(await (await rawClient(gateway.port)).closed)).toBe(408);
    expect(log).toEqual([]);
  });

  it('what follows a request and is none does not end up inside its answer', async () => {
    const { gateway, backend } = await setup({}, { backends: [{ decodeTokensPerSecond: 50, outputTokens: 1000 }] });
    const client = await rawClient(gateway.port);
    const streamed = '{"model":"llama3.2","prompt":"hi"}';
    client.send(
      `POST /api/generate HTTP/1.1\r\nhost: localhost\r\ncontent-length: ${streamed.length}\r\n\r\n${streamed}`,
    );
    await until(() => client.received().includes('"response"'), 'the answer has begun');
    client.send('\x00 this is no HTTP\r\n\r\n');
    expect(await client.closed).not.toContain('400');
    await backend.waitFor(() => backend.stats().aborted === 1);
  });

  it('a request that hides in the body of another is a body', async () => {
    const { gateway, backend } = await setup({});
    const client = await rawClient(gateway.port);
    const hidden = 'POST /api/pull HTTP/1.1\r\nhost: localhost\r\n\r\n';
    const next = 'GET /api/version HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n';
    client.send(
      `GET /api/tags HTTP/1.1\r\nhost: localhost\r\ncontent-length: ${hidden.length}\r\n\r\n${hidden}${next}`,
    );
    expect((await client.closed).match(/HTTP\/1\.1 \d+/g)).toEqual(['HTTP/1.1 200', 'HTTP/1.1 200']);
    expect(backend.seen.map(({ path, body }) => [path, body.length])).toEqual([
      ['/api/tags', 0],
      ['/api/version', 0],
    ]);
  });

  it('headers beyond the bound are 431', async () => {
    const { gateway } = await setup({});
    const answer = await raw(gateway.port, 'GET', '/api/version', '', `x-large: ${'a'.repeat(20_000)}\r\n`);
    expect(statusOf(answer)).toBe(431);
    expect(refusalIn(answer)).toMatchObject({ reason: 'too-large' });
  });

  it('no header is overlooked because there are many', async () => {
    const { gateway, backend } = await setup({});
    const many = Array.from({ length: 2500 }, () => 'a:\r\n').join('');
    const answer = await raw(gateway.port, 'POST', '/api/generate', plain, `${many}content-encoding: zstd\r\n`);
    expect(statusOf(answer)).toBe(415);
    expect(backend.seen).toHaveLength(0);
  });
});
