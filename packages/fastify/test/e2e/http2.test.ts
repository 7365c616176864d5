/** Over HTTP/2, where requests are streams of one connection and tell neither by a header nor by `complete` whether they bring a body. */
import { type ClientHttp2Session, type ClientHttp2Stream, connect, constants } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { createLimiter } from '@headgate/core';
import fastify, { type FastifyReply } from 'fastify';
import { afterEach, expect, test } from 'vitest';
import { question } from '../../../express/test/support/ask.js';
import { chargesOf } from '../../../express/test/support/charges.js';
import { ollamaLimiter } from '../../src/index.js';

const limits = { models: ['llama3.2'], guard: { body: '1KiB' }, output: 50 };
const ends: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

interface Answer {
  readonly status: number | undefined;
  readonly text: string;
}

/** An application that answers with `answer`, or else with what it was sent. */
async function started(hook: 'onRequest' | 'preHandler', answer?: (reply: FastifyReply) => unknown) {
  const app = fastify({ http2: true });
  const limiter = createLimiter(limits);
  app.register(ollamaLimiter, { limiter, hook });
  app.all('/*', async ({ headgate, body }, reply) =>
    answer === undefined ? { operation: headgate!.about.operation, body: body ?? null } : answer(reply as never),
  );
  await app.listen({ port: 0, host: '127.0.0.1' });
  const session = connect(`http://127.0.0.1:${(app.server.address() as AddressInfo).port}`);
  ends.push(
    () => app.close(),
    () => session.destroy(),
  );
  return { session, limiter, charges: chargesOf(limiter) };
}

function sent(session: ClientHttp2Session, method: string, path: string, body?: string, more = {}): ClientHttp2Stream {
  const headers = {
    ':method': method,
    ':path': path,
    ...(body === undefined ? {} : { 'content-type': 'application/json' }),
  };
  const stream = session.request({ ...headers, ...more }, { endStream: body === undefined });
  stream.on('error', () => {});
  if (body !== undefined) stream.write(body);
  return stream;
}

async function answerTo(stream: ClientHttp2Stream): Promise<Answer> {
  let status: number | undefined;
  let text = '';
  stream.on('response', (headers) => {
    status = headers[':status'];
  });
  stream.on('data', (chunk: Buffer) => {
    text += chunk.toString();
  });
  await new Promise<void>((resolve) => {
    stream.once('end', resolve);
    stream.once('close', resolve);
  });
  return { status, text };
}

async function ask(session: ClientHttp2Session, method: string, path: string, body?: object): Promise<Answer> {
  const stream = sent(session, method, path, body === undefined ? undefined : JSON.stringify(body));
  stream.end();
  return answerTo(stream);
}

test.each(['onRequest', 'preHandler'] as const)(
  'F13: a prompt over HTTP/2 is held to its limits at %s',
  async (hook) => {
    const { session } = await started(hook);
    const { status, text } = await ask(session, 'POST', '/api/chat', question);
    expect(status).toBe(200);
    expect(JSON.parse(text)).toMatchObject({ operation: 'chat', body: { ...question, options: { num_predict: 50 } } });
    for (const method of ['POST', 'PUT', 'PATCH', 'DELETE']) {
      expect((await ask(session, method, '/api/chat', { ...question, model: 'mistral' })).status).toBe(403);
    }
    expect((await ask(session, 'POST', '/api/chat')).status).toBe(400);
    expect(JSON.parse((await ask(session, 'GET', '/api/chat')).text)).toEqual({ operation: 'other', body: null });
    expect(JSON.parse((await ask(session, 'POST', '/mine', { model: 'x' })).text)).toEqual({
      operation: 'other',
      body: { model: 'x' },
    });
  },
);

test('an answer over HTTP/2 is counted once, whether it is written or ended with', async () => {
  const lines = [
    `${JSON.stringify({ model: 'llama3.2', message: { role: 'assistant', content: 'a b c' }, done: false })}\n`,
    `${JSON.stringify({ model: 'llama3.2', message: { role: 'assistant', content: 'd e f' }, done: false })}\n`,
  ];
  const { session, charges } = await started('onRequest', (reply) => {
    reply.hijack();
    reply.raw.setHeader('content-type', 'application/x-ndjson');
    reply.raw.write(lines[0]);
    reply.raw.end(lines[1]);
  });
  const { text } = await ask(session, 'POST', '/api/chat', question);
  expect(text).toBe(lines.join(''));
  const [usage] = await charges.after(1);
  const { session: other, charges: whole } = await started('onRequest', (reply) => {
    reply.hijack();
    reply.raw.setHeader('content-type', 'application/x-ndjson');
    for (const line of lines) reply.raw.write(line);
    reply.raw.end();
  });
  await ask(other, 'POST', '/api/chat', question);
  expect(await whole.after(1)).toEqual([usage]);
});

test('who leaves over HTTP/2 gives everything back, with the body half sent or the answer half read', async () => {
  const { session, charges } = await started('onRequest', (reply) => {
    reply.hijack();
    reply.raw.setHeader('content-type', 'application/x-ndjson');
    reply.raw.write('\n');
  });
  const half = sent(session, 'POST', '/api/chat', JSON.stringify(question).slice(0, 20));
  half.close(8);
  await answerTo(half);
  const reading = sent(session, 'POST', '/api/chat', JSON.stringify(question));
  reading.end();
  await new Promise((resolve) => reading.once('data', resolve));
  reading.close(8);
  expect(await charges.after(1)).toHaveLength(1);
});

test('an upload over HTTP/2 that is too long is answered before it ends, and ended', async () => {
  const { session } = await started('onRequest');
  const { status } = await answerTo(sent(session, 'POST', '/api/chat', 'x'.repeat(300_000)));
  expect(status).toBe(413);
  const declared = sent(session, 'POST', '/api/chat', 'x', { 'content-length': '300000' });
  expect((await answerTo(declared)).status).toBe(413);
  expect((await ask(session, 'POST', '/api/chat', question)).status).toBe(200);
});

test.each(['/api/chat', '/export'])(
  'an answer of %s over HTTP/2 that is broken off does not look whole',
  async (path) => {
    const { session, limiter } = await started('onRequest', (reply) => {
      reply.hijack();
      reply.raw.setHeader('content-type', 'text/csv');
      reply.raw.write('a,b\n');
    });
    const stream = sent(session, 'POST', path, JSON.stringify(question));
    stream.end();
    await new Promise((resolve) => stream.once('data', resolve));
    const closed = new Promise((resolve) => stream.once('close', resolve));
    await limiter.close({ drainMs: 0 });
    await closed;
    expect(stream.rstCode).toBe(constants.NGHTTP2_INTERNAL_ERROR);
    expect(limiter.stats()).toMatchObject({ inFlight: 0, open: 0 });
  },
);
