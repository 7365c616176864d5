/**
 * Requests with damage over raw sockets: near enough to real ones to get far, and several on one connection, so that a frame
 * that is read in two ways would let one hide in another.
 */
import { connect } from 'node:net';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { holds } from '../../../../test/support/seeds.js';
import { isOurs } from '../support/forwarded.js';
import { chat, generate, post, type Setup, setup, until } from '../support/harness.js';

const bodies = [
  JSON.stringify(generate),
  JSON.stringify({ ...chat, stream: true }),
  '{"model":"llama3.2","prompt":"hi","MODEL":"llama3.1:70b"}',
  '{"model":"llama3.2","prompt":"\ud83d\ude00\\u0000"}',
  'POST /api/pull HTTP/1.1\r\nhost: localhost\r\ncontent-length: 13\r\n\r\n{"model":"m"}',
  '0\r\n\r\nGET /api/ps HTTP/1.1\r\nhost: localhost\r\n\r\n',
  '',
];
const targets = [
  ...['/api/generate', '/api/chat', '/api/tags', '/api/version', '/v1/models', '/api/pull', '/api/%67enerate', '*'],
  ...[
    '//api/generate',
    '/api/../api/pull',
    '/api/generate?x=%00',
    '/k/sk-secret/api/chat',
    'http://y/api/chat',
    '/\u00ff',
  ],
];
const lines = [
  ...[
    'host: y',
    'Host : x',
    'connection: close',
    'connection: content-length',
    'connection: upgrade',
    'expect: 100-continue',
  ],
  ...[
    'transfer-encoding: chunked',
    'Transfer-Encoding: xchunked',
    'transfer-encoding:\tchunked',
    'transfer-encoding: ',
  ],
  ...[
    'content-length: 0',
    'content-length: 5',
    'content-length: +7',
    'content-length: 1e1',
    'content-length: -1',
    'te: trailers',
  ],
  ...[
    'content-encoding: gzip',
    'content-type: text/html',
    'upgrade: h2c',
    'x: \u0000',
    'x: \u007f\u00ff',
    ' folded',
    ':',
    'x',
  ],
  ...[
    'x-forwarded-for: 1.2.3.4',
    'x-run-id: r',
    'x-run-depth: -1',
    'authorization: Bearer a',
    'cookie: a=b',
    '__proto__: x',
  ],
];

/** Mostly the first, so that what is odd is seldom alone and seldom everything. */
const mostly = (usual: string, ...odd: string[]): fc.Arbitrary<string> =>
  fc.oneof({ weight: 4, arbitrary: fc.constant(usual) }, { weight: 1, arbitrary: fc.constantFrom(...odd) });
const request = fc
  .record({
    verb: mostly('POST', 'GET', 'HEAD', 'OPTIONS', 'PUT', 'TRACE', 'post', 'P\u00d6ST'),
    target: mostly(...(targets as [string, ...string[]])),
    version: mostly('HTTP/1.1', 'HTTP/1.0', 'HTTP/2.0', 'HTTP/1.10', 'http/1.1'),
    extra: fc.array(fc.constantFrom(...lines), { maxLength: 2 }),
    body: mostly(...(bodies as [string, ...string[]])),
    framing: mostly('length', 'chunks', 'none'),
    eol: mostly('\r\n', '\n', '\r'),
  })
  .map(({ verb, target, version, extra, body, framing, eol }) => {
    const bytes = Buffer.from(body).toString('latin1');
    const { head, sent } = framed(framing, bytes);
    return `${verb} ${target} ${version}${eol}host: localhost${eol}${[...extra, ...head].map((line) => line + eol).join('')}${eol}${sent}`;
  });

function framed(framing: string, bytes: string): { readonly head: readonly string[]; readonly sent: string } {
  if (framing === 'none') return { head: [], sent: bytes };
  if (framing === 'length') return { head: [`content-length: ${bytes.length}`], sent: bytes };
  const middle = Math.floor(bytes.length / 2);
  const chunks = [bytes.slice(0, middle), bytes.slice(middle), ''].map(
    (one) => `${one.length.toString(16)}\r\n${one}\r\n`,
  );
  return { head: ['transfer-encoding: chunked'], sent: chunks.join('') };
}

const good = `POST /api/generate HTTP/1.1\r\nhost: localhost\r\ncontent-length: ${bodies[0]!.length}\r\n\r\n${bodies[0]}`;
const visit = fc
  .record({
    requests: fc.array(fc.oneof({ weight: 3, arbitrary: request }, { weight: 1, arbitrary: fc.constant(good) }), {
      minLength: 1,
      maxLength: 3,
    }),
    damage: fc.array(
      fc.record({ at: fc.nat(), removed: fc.nat(3), byte: fc.string({ unit: latin(), maxLength: 2 }) }),
      { maxLength: 2 },
    ),
    cut: fc.nat(),
  })
  .map(({ requests, damage, cut }) => {
    let text = requests.join('');
    for (const { at, removed, byte } of damage) {
      const from = at % (text.length + 1);
      text = text.slice(0, from) + byte + text.slice(from + removed);
    }
    const middle = cut % (text.length + 1);
    return [text.slice(0, middle), text.slice(middle)] as const;
  });
type Visit = readonly [first: string, second: string];

function latin(): fc.Arbitrary<string> {
  return fc.integer({ min: 0, max: 255 }).map((code) => String.fromCharCode(code));
}

/**
 * Turns of the event loop, in which gateway, backend and clients all live, without a byte for the client: then no more comes, or only
 * after a timeout. Nothing is asserted of clients that did not wait for their answer.
 */
const quietTurns = 200;
/** In which what was written has been read. */
const readingTurns = 5;

async function turns(count: number): Promise<void> {
  for (let turn = 0; turn < count; turn++) await new Promise((resolve) => setImmediate(resolve));
}

function answersTo(port: number, [first, second]: Visit): Promise<string> {
  return new Promise((resolve) => {
    const socket = connect({ port, host: '127.0.0.1' });
    let text = '';
    let quiet = 0;
    socket.on('data', (chunk: Buffer) => {
      text += chunk.toString('latin1');
      quiet = 0;
    });
    socket.on('error', () => {});
    socket.once('close', () => resolve(text));
    socket.once('connect', async () => {
      socket.setNoDelay(true);
      socket.write(first, 'latin1');
      await turns(readingTurns);
      if (socket.writable) socket.write(second, 'latin1');
      for (; quiet < quietTurns; quiet++) await turns(1);
      socket.end();
    });
  });
}

const statusesServed = new Set([100, 200, 400, 401, 403, 404, 405, 408, 413, 415, 417, 431, 501]);

function expectAnswers(answers: readonly string[]): void {
  for (const answer of answers) {
    if (answer !== '') expect(answer).toMatch(/^HTTP\/1\.1 \d{3} /);
    for (const [, status] of answer.matchAll(/HTTP\/1\.1 (\d{3}) /g)) {
      expect(statusesServed.has(Number(status)), `a status of ${status}: ${answer}`).toBe(true);
    }
  }
}

async function expectInOrder({ gateway, url, backend, log }: Setup): Promise<void> {
  await until(() => gateway.limiter.stats().inFlight === 0, 'nothing is in flight');
  await backend.idle();
  expect(gateway.limiter.stats()).toMatchObject({ inFlight: 0, waiting: 0, open: 0 });
  for (const seen of backend.seen) expect(isOurs(seen), JSON.stringify(seen)).toBe(true);
  expect(log.filter(({ level }) => level === 'error')).toEqual([]);
  expect((await post(`${url}/api/generate`, generate)).status).toBe(200);
}

test('whatever comes is answered or cut, and only what was checked and written anew arrives at a backend', async () => {
  const world = await setup({ client: { headers: '400ms', body: '400ms', connections: 1000 } }, { slots: 50 });
  const { gateway, backend, log } = world;
  let arrived = 0;
  await holds(
    fc.asyncProperty(fc.array(visit, { minLength: 20, maxLength: 30 }), async (visits) => {
      backend.reset();
      log.length = 0;
      expectAnswers(await Promise.all(visits.map((one) => answersTo(gateway.port, one))));
      arrived += backend.seen.length;
      await expectInOrder(world);
    }),
    { runs: 12 },
  );
  expect(arrived).toBeGreaterThan(50);
});
