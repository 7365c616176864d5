/** A body that is read by the gate and then again by whoever comes after, over real sockets. */
import { createHash } from 'node:crypto';
import { Agent, createServer, type IncomingMessage, request, type ServerResponse } from 'node:http';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { PassThrough, Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { afterEach, expect, test } from 'vitest';
import type { BodyOutcome } from '../../../src/http/passage.js';
import { systemClock } from '../../../src/kernel/clock.js';
import { nodeGateRequest, restoreBody } from '../../../src/node/index.js';
import { VirtualClock } from '../../../src/testing/virtual-clock.js';

type Consumer = (req: IncomingMessage) => Promise<string>;

interface Running {
  readonly port: number;
  /** What the gate read, in order of the requests. */
  readonly outcomes: BodyOutcome[];
  readonly signals: { readonly aborted: boolean }[];
}

const closers: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0)) await close();
});

const bytesMax = 16 * 1024 * 1024;

async function serve(
  after: (req: IncomingMessage, res: ServerResponse, outcome: BodyOutcome) => Promise<void>,
  { clock = systemClock() as VirtualClock | ReturnType<typeof systemClock>, max = bytesMax, late = false } = {},
): Promise<Running> {
  const outcomes: BodyOutcome[] = [];
  const signals: { readonly aborted: boolean }[] = [];
  const server = createServer(async (req, res) => {
    const gateRequest = nodeGateRequest(req, res, { clock, bodyTimeoutMs: 1_000 });
    signals.push(gateRequest.signal);
    while (late && !req.complete) await turn();
    const outcome = await gateRequest.readBody(max);
    outcomes.push(outcome);
    if (late) await turn();
    await after(req, res, outcome);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  closers.push(
    () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  );
  return { port: (server.address() as AddressInfo).port, outcomes, signals };
}

/** Everything that is due has happened. */
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

const textOf = (outcome: BodyOutcome): string =>
  outcome.ok && 'bytes' in outcome ? new TextDecoder().decode(outcome.bytes) : JSON.stringify(outcome);

const consumers: Readonly<Record<string, Consumer>> = {
  'for await': async (req) => {
    const chunks: Buffer[] = [];
    for await (const chunk of req) chunks.push(chunk);
    return Buffer.concat(chunks).toString();
  },
  'data and end events': (req) =>
    new Promise((resolve, reject) => {
      const chunks: Buffer[] = [];
      req.on('data', (chunk) => chunks.push(chunk));
      req.on('end', () => resolve(Buffer.concat(chunks).toString()));
      req.on('error', reject);
    }),
  pipe: async (req) => {
    const through = new PassThrough();
    req.pipe(through);
    let text = '';
    for await (const chunk of through) text += chunk;
    return text;
  },
  pipeline: async (req) => {
    const chunks: Buffer[] = [];
    await pipeline(
      req,
      new Writable({
        write(chunk, _encoding, done) {
          chunks.push(chunk);
          done();
        },
      }),
    );
    return Buffer.concat(chunks).toString();
  },
  'readable and read': (req) =>
    new Promise((resolve) => {
      const chunks: Buffer[] = [];
      req.on('readable', () => {
        for (let chunk = req.read(); chunk !== null; chunk = req.read()) chunks.push(chunk);
      });
      req.on('end', () => resolve(Buffer.concat(chunks).toString()));
    }),
};

interface Answer {
  readonly status: number;
  readonly text: string;
}

function post(
  port: number,
  parts: readonly string[],
  options: { agent?: Agent; length?: boolean } = {},
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const headers = {
      'content-type': 'application/x-www-form-urlencoded',
      ...(options.length !== false && { 'content-length': Buffer.byteLength(parts.join('')) }),
    };
    const call = request({ host: '127.0.0.1', port, method: 'POST', path: '/api/chat', headers, agent: options.agent });
    call.on('response', async (response) => {
      let text = '';
      for await (const chunk of response) text += chunk;
      resolve({ status: response.statusCode ?? 0, text });
    });
    call.on('error', reject);
    for (const part of parts) call.write(part);
    call.end();
  });
}

for (const [name, consume] of Object.entries(consumers)) {
  test(`${name} finds our body in place of the client's, with its type and length`, async () => {
    const { port, outcomes } = await serve(async (req, res) => {
      restoreBody(req, '{"ours":"ü"}');
      const { 'content-length': length, 'content-type': type, 'transfer-encoding': encoding = 'none' } = req.headers;
      const raw = req.rawHeaders.filter((_, i, all) => i % 2 === 1 && /^content-/i.test(all[i - 1] ?? ''));
      res.end(JSON.stringify({ body: await consume(req), length, type, encoding, raw }));
    });
    for (const length of [true, false]) {
      const { text } = await post(port, ['{"the":', '"client\'s"}'], { length });
      const type = 'application/json';
      const raw = [type, '13'];
      expect(JSON.parse(text)).toEqual({ body: '{"ours":"ü"}', length: '13', type, encoding: 'none', raw });
    }
    expect(outcomes.map(textOf)).toEqual(['{"the":"client\'s"}', '{"the":"client\'s"}']);
  });

  test(`${name} gets 5 MB through, byte for byte`, async () => {
    const big = JSON.stringify({ text: 'héllo '.repeat(800_000) });
    const { port } = await serve(async (req, res, outcome) => {
      restoreBody(req, textOf(outcome));
      res.end(
        createHash('sha256')
          .update(await consume(req))
          .digest('hex'),
      );
    });
    const sent = createHash('sha256').update(big).digest('hex');
    expect((await post(port, [big])).text).toBe(sent);
    expect((await post(port, [big.slice(0, 7), big.slice(7)], { length: false })).text).toBe(sent);
  });
}

test.each(Object.entries(consumers))(
  '%s finds our body when it had arrived before it was asked for, and waited in a queue since',
  async (_name, consume) => {
    const after = async (req: IncomingMessage, res: ServerResponse): Promise<void> => {
      restoreBody(req, '{"ours":2}');
      await turn();
      res.end(await consume(req));
    };
    const { port } = await serve(after, { late: true });
    for (let i = 0; i < 2; i++) expect((await post(port, ['{"theirs":1}'])).text).toBe('{"ours":2}');
  },
);

test('a request that begins with no body at all, or an empty one, is read as empty and answered', async () => {
  const { port, outcomes } = await serve(async (_req, res) => void res.end('done'));
  expect((await post(port, [])).text).toBe('done');
  expect((await post(port, [''], { length: false })).text).toBe('done');
  expect(outcomes.map(textOf)).toEqual(['', '']);
});

test('a connection serves the next request whether or not the handler reads what was put in', async () => {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  const ports = new Set<number | undefined>();
  let count = 0;
  const { port } = await serve(async (req, res) => {
    ports.add(req.socket.remotePort);
    restoreBody(req, `{"n":${++count}}`);
    res.end(count % 2 === 0 ? await consumers['for await']!(req) : 'unread');
  });
  const answers: string[] = [];
  for (let i = 0; i < 6; i++) answers.push((await post(port, ['{"n":0}'], { agent })).text);
  expect(answers).toEqual(['unread', '{"n":2}', 'unread', '{"n":4}', 'unread', '{"n":6}']);
  expect(ports.size).toBe(1);
  agent.destroy();
});

test('a body put in twice counts as the second: two limiters in a row', async () => {
  const { port } = await serve(async (req, res) => {
    restoreBody(req, '{"limiter":1}');
    const again = await nodeGateRequest(req, res, { clock: systemClock(), bodyTimeoutMs: 1_000 }).readBody(bytesMax);
    expect(textOf(again)).toBe('{"limiter":1}');
    restoreBody(req, '{"limiter":2}');
    res.end(await consumers['data and end events']!(req));
  });
  expect((await post(port, ['{}'])).text).toBe('{"limiter":2}');
});

test('a body over the bound is refused by its declared length, and else at the first byte too many', async () => {
  const { port, outcomes } = await serve(async (_req, res) => void res.setHeader('connection', 'close').end(), {
    max: 10,
  });
  await post(port, ['12345678901']);
  await post(port, ['123456', '78901'], { length: false });
  await post(port, ['1234567890'], { length: false });
  expect(outcomes).toEqual([
    { ok: false, reason: 'too-large' },
    { ok: false, reason: 'too-large' },
    { ok: true, bytes: Buffer.from('1234567890') },
  ]);
});

function raw(port: number, text: string): Promise<Socket> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => socket.write(text, () => resolve(socket)));
    socket.on('error', () => {});
  });
}

const begun = 'POST /api/chat HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\n{"model"';

test('a body that takes too long is given up, by the clock of the limiter', async () => {
  const clock = new VirtualClock();
  const { port, outcomes } = await serve(async (_req, res) => void res.end(), { clock });
  const socket = await raw(port, begun);
  await expect.poll(() => clock.timers).toBe(1);
  clock.advance(999);
  expect(outcomes).toEqual([]);
  clock.advance(1);
  await expect.poll(() => outcomes).toEqual([{ ok: false, reason: 'timeout' }]);
  socket.destroy();
});

test('a client that leaves in the middle of its body ends the reading, and leaves no timer', async () => {
  const clock = new VirtualClock();
  const { port, outcomes, signals } = await serve(async () => {}, { clock });
  const socket = await raw(port, begun);
  await expect.poll(() => clock.timers).toBe(1);
  socket.destroy();
  await expect.poll(() => outcomes).toEqual([{ ok: false, reason: 'aborted' }]);
  await expect.poll(() => signals[0]?.aborted).toBe(true);
  expect(clock.timers).toBe(0);
});

test('F3: pipelined requests learn that their client has gone, also one whose turn to answer never came', async () => {
  const { port, signals } = await serve(async () => {});
  const whole = 'POST /api/chat HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\n\r\n{}';
  const socket = await raw(port, whole + whole);
  await expect.poll(() => signals.length).toBe(2);
  expect(signals.map((signal) => signal.aborted)).toEqual([false, false]);
  socket.destroy();
  await expect.poll(() => signals.map((signal) => signal.aborted)).toEqual([true, true]);
});

test('an answer that was delivered is no departure', async () => {
  const { port, signals } = await serve(async (_req, res) => void res.end('whole'));
  const agent = new Agent({ keepAlive: true });
  await post(port, ['{}'], { agent });
  agent.destroy();
  await post(port, ['{}']);
  expect(signals[0]?.aborted).toBe(false);
});
