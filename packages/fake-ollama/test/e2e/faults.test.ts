import { expect, test } from 'vitest';
import { ownAddress } from '../../../../test/support/addresses.js';
import { type FakeOllama, startFakeOllama } from '../../src/index.js';
import { ask, call, events, fake, lines, user } from './support.js';

const request = { model: 'llama3.2', messages: user('hello') };
const openai = { ...request, stream: true };
const anthropic = { ...request, max_tokens: 100, stream: true };
const ANY_DIALECT = [
  ['/api/chat', request],
  ['/api/generate', { model: 'llama3.2', prompt: 'hello' }],
  ['/v1/chat/completions', openai],
  ['/v1/completions', { model: 'llama3.2', prompt: 'hello', stream: true }],
  ['/v1/responses', { model: 'llama3.2', input: 'hello', stream: true }],
  ['/v1/messages', anthropic],
] as const;

const free = (server: FakeOllama): boolean => server.stats().running === 0 && server.stats().inFlight === 0;

test.each(ANY_DIALECT)('%s: a client that leaves in mid-stream frees the slot and is recorded', async (path, body) => {
  const server = await fake({ faults: { stallAfterTokens: 3 } });
  const client = call(server, path, body);
  await server.waitFor((fake) => fake.seen[0]?.tokensSent === 3 && fake.stats().running === 1);
  client.leave();
  await server.waitFor((fake) => fake.stats().aborted === 1);
  expect(free(server)).toBe(true);
  expect(server.seen[0]).toMatchObject({ outcome: 'aborted', tokensSent: 3, status: 200, endedAt: expect.any(Number) });
});

test('a client that leaves while waiting for a slot never gets one', async () => {
  const server = await fake({ faults: { hang: true } });
  const first = call(server, '/api/chat', request);
  await server.waitFor((fake) => fake.stats().running === 1);
  const second = call(server, '/api/chat', request);
  await server.waitFor((fake) => fake.stats().waiting === 1);
  second.leave();
  await server.waitFor((fake) => fake.stats().aborted === 1);
  expect(server.stats()).toMatchObject({ waiting: 0, running: 1 });
  server.set({ hang: false });
  await first.reply;
  expect(server.stats()).toMatchObject({ completed: 1, runningMax: 1 });
});

test('an embedding of many inputs stops when its client leaves', async () => {
  const server = await fake({ faults: { hang: true } });
  const client = call(server, '/api/embed', { model: 'nomic-embed-text', input: ['a', 'b', 'c'] });
  await server.waitFor((fake) => fake.stats().running === 1 && fake.stats().waiting === 2);
  client.leave();
  await server.waitFor((fake) => fake.stats().aborted === 1);
  expect(server.stats()).toMatchObject({ running: 0, waiting: 0, inFlight: 0 });
});

test('a runner crash in mid-stream shows on the native API only', async () => {
  const server = await fake({ faults: { crashAfterTokens: 2 } });
  const native = await ask(server, '/api/chat', request);
  expect(native.status).toBe(200);
  expect(lines(native.text)[2]).toEqual({ error: 'an error was encountered while running the model: unexpected EOF' });
  const chat = events((await ask(server, '/v1/chat/completions', openai)).text);
  expect(chat).toHaveLength(3);
  expect(chat[2]).toMatchObject({ model: '', choices: [{ index: 0, delta: { content: '' }, finish_reason: null }] });
  const messages = await ask(server, '/v1/messages', anthropic);
  expect(events(messages.text).at(-1)).toMatchObject({ type: 'content_block_delta' });
  const responses = await ask(server, '/v1/responses', { model: 'llama3.2', input: 'hello', stream: true });
  expect(events(responses.text).at(-1)).toMatchObject({ type: 'response.output_text.delta' });
  expect(server.seen.map((seen) => seen.outcome)).toEqual(['crashed', 'crashed', 'crashed', 'crashed']);
  expect(server.stats()).toMatchObject({ loads: 4, unloads: 4, running: 0, loaded: [] });
});

test('a runner crash before the answer, or without streaming, is a 500', async () => {
  const server = await fake({ faults: { crashAfterTokens: 0 } });
  const early = await ask(server, '/api/chat', request);
  expect([early.status, JSON.parse(early.text).error]).toEqual([
    500,
    expect.stringMatching(/^model runner has unexpectedly stopped, /),
  ]);
  server.set({ crashAfterTokens: 3 });
  const late = await ask(server, '/v1/chat/completions', request);
  expect([late.status, JSON.parse(late.text).error.message]).toEqual([
    500,
    expect.stringMatching(/^an error was encountered/),
  ]);
});

test('a crash takes down everyone on the same runner', async () => {
  const server = await fake({ faults: { hang: true } });
  const running = call(server, '/api/chat', request);
  await server.waitFor((fake) => fake.stats().running === 1);
  const waiting = call(server, '/api/chat', request);
  await server.waitFor((fake) => fake.stats().waiting === 1);
  server.set({ hang: false, crashAfterTokens: 0, times: undefined });
  expect((await running.reply).status).toBe(500);
  expect((await waiting.reply).status).toBe(500);
  server.set({ crashAfterTokens: undefined });
  expect((await ask(server, '/api/chat', request)).status).toBe(200);
  expect(server.stats().loads).toBe(2);
});

test('a connection that dies in mid-stream has no proper end', async () => {
  const server = await fake({ faults: { dieAfterTokens: 2 } });
  await expect(ask(server, '/api/chat', request)).rejects.toThrow('aborted');
  await server.idle();
  expect(server.seen[0]).toMatchObject({ outcome: 'crashed', tokensSent: 2 });
});

test('a reset before the first byte is a connection error', async () => {
  const server = await fake({ faults: { resetBeforeFirstByte: true } });
  await expect(ask(server, '/api/chat', request)).rejects.toMatchObject({ code: 'ECONNRESET' });
  await server.idle();
  expect(free(server)).toBe(true);
});

test('a silent end is well-formed but has neither done nor error', async () => {
  const server = await fake({ faults: { silentEndAfterTokens: 2 } });
  expect(lines((await ask(server, '/api/chat', request)).text).map((line) => line.done)).toEqual([false, false]);
  const whole = await ask(server, '/api/chat', { ...request, stream: false });
  expect([whole.status, JSON.parse(whole.text)]).toEqual([200, expect.objectContaining({ done: false })]);
  expect((await ask(server, '/v1/chat/completions', openai)).text).not.toContain('[DONE]');
  expect((await ask(server, '/v1/messages', anthropic)).text).not.toContain('message_stop');
});

test('status faults speak every dialect, only as often and for the model they are set for', async () => {
  const faults = {
    status: 429,
    statusMessage: 'too fast',
    statusHeaders: { 'retry-after': '7' },
    times: 2,
    onlyModel: 'llama3.2:latest',
  };
  const server = await fake({ faults });
  expect((await ask(server, '/api/chat', { ...request, model: 'mistral:7b' })).status).toBe(200);
  const native = await ask(server, '/api/chat', request);
  expect([native.status, native.headers['retry-after'], native.text]).toEqual([429, '7', '{"error":"too fast"}']);
  const messages = await ask(server, '/v1/messages', anthropic);
  expect(JSON.parse(messages.text).error).toEqual({ type: 'rate_limit_error', message: 'too fast' });
  expect((await ask(server, '/api/chat', request)).status).toBe(200);
});

test('while generation hangs the cheap endpoints are fast; health has faults of its own', async () => {
  const server = await fake({ faults: { hang: true } });
  const stuck = call(server, '/api/chat', request);
  await server.waitFor((fake) => fake.stats().running === 1);
  for (const path of ['/', '/api/tags', '/api/ps', '/api/version']) expect((await ask(server, path)).status).toBe(200);
  server.set({ healthStatus: 500 });
  expect((await ask(server, '/api/tags')).status).toBe(500);
  stuck.leave();
  await server.idle();
});

test('a stall ends when the fault is taken away', async () => {
  const server = await fake({ faults: { stallAfterTokens: 5 } });
  const reply = ask(server, '/api/chat', request);
  await server.waitFor((fake) => fake.seen[0]?.tokensSent === 5);
  server.set({ stallAfterTokens: undefined });
  expect(lines((await reply).text)).toHaveLength(19);
});

test('limits and usage can be left out, and writes fragmented', async () => {
  const server = await fake({ faults: { ignoreNumPredict: true, noUsage: true, fragmentBytes: 7 } });
  const all = lines((await ask(server, '/api/chat', { ...request, options: { num_predict: 2 } })).text);
  expect(all).toHaveLength(19);
  expect(Object.keys(all.at(-1) ?? {})).toEqual(['model', 'created_at', 'message', 'done', 'done_reason']);
});

test('a slow reader holds the slot: the server does not run ahead of it', async () => {
  const server = await fake({ outputTokens: 200_000, contextLength: 100_000 });
  const { connect } = await import('node:net');
  const socket = connect(server.port, '127.0.0.1').pause();
  const body = JSON.stringify(request);
  socket.write(`POST /api/chat HTTP/1.1\r\nHost: localhost\r\nContent-Length: ${body.length}\r\n\r\n${body}`);
  // A server that does not care writes a token every turn; this one stands still once the kernel buffers are full.
  await server.waitFor((fake) => (fake.seen[0]?.tokensSent ?? 0) > 1000);
  let before = 0;
  for (let still = 0; still < 1000; still++) {
    await new Promise((resolve) => setImmediate(resolve));
    const sent = server.seen[0]?.tokensSent ?? 0;
    if (sent !== before) still = 0;
    before = sent;
  }
  expect(before).toBeLessThan(200_000);
  expect(server.stats().running).toBe(1);
  socket.destroy();
  await server.waitFor((fake) => fake.stats().aborted === 1);
  expect(server.stats().running).toBe(0);
});

test('a crash of the server breaks every connection and stops listening', async () => {
  const host = ownAddress();
  const server = await fake({ host, faults: { stallAfterTokens: 2 } });
  const reply = ask(server, '/api/chat', request);
  await server.waitFor((fake) => fake.seen[0]?.tokensSent === 2);
  server.crash();
  await expect(reply).rejects.toThrow('aborted');
  await expect(ask(server, '/api/tags')).rejects.toMatchObject({ code: 'ECONNREFUSED' });
  await server.idle();
  expect(server.seen[0]?.outcome).toBe('crashed');
  const again = await startFakeOllama({ port: server.port, host });
  expect((await ask(again, '/api/tags')).status).toBe(200);
  await again.close();
});

test('waitFor gives up with a sentence, and reset forgets', async () => {
  const server = await fake();
  await ask(server, '/api/chat', request);
  await expect(server.waitFor((fake) => fake.stats().aborted > 0, 10)).rejects.toThrow(
    /^waited 10 ms in vain; stats are .*POST \/api\/chat completed/,
  );
  server.reset();
  expect([server.seen, server.stats()]).toMatchObject([
    [],
    { completed: 0, inFlightMax: 0, loaded: ['llama3.2:latest'] },
  ]);
});
