import { expect, test } from 'vitest';
import type { FakeOllama } from '../../src/index.js';
import { ask, call, fake, lines, user } from './support.js';

const chat = (server: FakeOllama, model: string, more: Record<string, unknown> = {}) =>
  call(server, '/api/chat', { model, messages: user('hello'), stream: false, ...more });

test('a loaded model serves NUM_PARALLEL at once and the rest first come, first served', async () => {
  const server = await fake({ numParallel: 2, faults: { hang: true } });
  const calls = [chat(server, 'llama3.2')];
  await server.waitFor((fake) => fake.stats().running === 1);
  for (let count = 2; count <= 5; count++) {
    calls.push(chat(server, 'llama3.2'));
    await server.waitFor((fake) => fake.stats().inFlight === count && fake.seen[count - 1]?.json !== undefined);
  }
  await server.waitFor((fake) => fake.stats().waiting === 3);
  expect(server.stats()).toMatchObject({ running: 2, inFlightMax: 5 });
  server.set({ hang: false });
  await Promise.all(calls.map(({ reply }) => reply));
  const ends = server.seen.map((request) => request.endedAt ?? 0);
  expect([...ends].sort((a, b) => a - b)).toEqual(ends);
  expect(server.stats()).toMatchObject({ running: 0, runningMax: 2, completed: 5, loads: 1 });
});

test('a loaded model never answers 503, however many wait', async () => {
  const server = await fake({ maxQueue: 2, faults: { hang: true } });
  const calls = [chat(server, 'llama3.2')];
  await server.waitFor((fake) => fake.stats().running === 1);
  calls.push(...Array.from({ length: 20 }, () => chat(server, 'llama3.2')));
  await server.waitFor((fake) => fake.stats().waiting === 20);
  server.set({ hang: false });
  const replies = await Promise.all(calls.map(({ reply }) => reply));
  expect(replies.every((reply) => reply.status === 200)).toBe(true);
});

test('beyond MAX_QUEUE a cold start is refused with the words of Ollama and no Retry-After', async () => {
  const server = await fake({ maxQueue: 2, loadMs: 60_000 });
  for (let count = 1; count <= 3; count++) {
    chat(server, 'llama3.2');
    await server.waitFor((fake) => fake.stats().waiting === count);
  }
  const refused = await chat(server, 'mistral:7b').reply;
  expect([refused.status, JSON.parse(refused.text)]).toEqual([
    503,
    { error: 'server busy, please try again.  maximum pending requests exceeded' },
  ]);
  expect(refused.headers).not.toHaveProperty('retry-after');
  const openai = await ask(server, '/v1/chat/completions', { model: 'mistral:7b', messages: user('x') });
  expect(JSON.parse(openai.text).error).toMatchObject({ type: 'api_error', code: null });
  const anthropic = await ask(server, '/v1/messages', { model: 'mistral:7b', messages: user('x'), max_tokens: 1 });
  expect(JSON.parse(anthropic.text).error.type).toBe('overloaded_error');
});

test('cancelled requests keep their place in the pending line until the scheduler reaches them', async () => {
  const server = await fake({ maxQueue: 1, loadMs: 60_000 });
  const first = chat(server, 'llama3.2');
  await server.waitFor((fake) => fake.stats().waiting === 1);
  const second = chat(server, 'llama3.2');
  await server.waitFor((fake) => fake.stats().waiting === 2);
  second.leave();
  await server.waitFor((fake) => fake.stats().aborted === 1);
  expect((await chat(server, 'llama3.2').reply).status).toBe(503);
  first.leave();
  await server.waitFor((fake) => fake.stats().aborted === 2);
  chat(server, 'llama3.2');
  await server.waitFor((fake) => fake.stats().waiting === 1 && fake.stats().loads === 2);
});

test('one load at a time: another model waits, a loaded one does not', async () => {
  const server = await fake({ models: ['a', { name: 'slow', loadMs: 60_000 }, 'b'] });
  await chat(server, 'a').reply;
  chat(server, 'slow');
  await server.waitFor((fake) => fake.stats().loads === 2);
  chat(server, 'b');
  await server.waitFor((fake) => fake.stats().waiting === 2);
  expect((await chat(server, 'a').reply).status).toBe(200);
  expect(server.stats()).toMatchObject({ loads: 2, waiting: 2, loaded: ['a:latest'] });
});

test('the idle model with the shortest keep-alive makes room', async () => {
  const server = await fake({ models: ['a', 'b', 'c'], maxLoadedModels: 2 });
  await chat(server, 'a', { keep_alive: '10m' }).reply;
  await chat(server, 'b', { keep_alive: '1m' }).reply;
  await chat(server, 'c').reply;
  expect(server.stats()).toMatchObject({ loaded: ['a:latest', 'c:latest'], loads: 3, unloads: 1 });
});

test('a busy model is spared while an idle one can go', async () => {
  const server = await fake({
    models: ['a', 'b', 'c'],
    maxLoadedModels: 2,
    faults: { hang: true, onlyModel: 'a:latest' },
  });
  chat(server, 'a', { keep_alive: '1s' });
  await server.waitFor((fake) => fake.stats().running === 1);
  await chat(server, 'b', { keep_alive: '10m' }).reply;
  expect((await chat(server, 'c').reply).status).toBe(200);
  expect(server.stats()).toMatchObject({ loaded: ['a:latest', 'c:latest'], running: 1 });
});

test('memory limits the number of models too, and one too large loads alone', async () => {
  const sized = (name: string, size: number) => ({ name, size });
  const server = await fake({ models: [sized('a', 6), sized('b', 6), sized('big', 50)], vramBytes: 10 });
  await chat(server, 'a').reply;
  await chat(server, 'b').reply;
  expect(server.stats().loaded).toEqual(['b:latest']);
  await chat(server, 'big').reply;
  const ps = JSON.parse((await ask(server, '/api/ps')).text);
  expect(ps.models).toMatchObject([{ name: 'big:latest', size: 50, size_vram: 10 }]);
});

test('a busy model starves the one that waits to evict it', async () => {
  const server = await fake({ models: ['a', 'b'], maxLoadedModels: 1, faults: { stallAfterTokens: 1 } });
  const first = chat(server, 'a');
  await server.waitFor((fake) => fake.stats().running === 1);
  const starving = chat(server, 'b');
  await server.waitFor((fake) => fake.stats().waiting === 1);
  const second = chat(server, 'a', { keep_alive: '5m' });
  await server.waitFor((fake) => fake.stats().waiting === 2);
  server.set({ stallAfterTokens: undefined });
  await Promise.all([first.reply, second.reply]);
  // The keep-alive of the second request took the eviction mark away, so the model stays although it is idle.
  expect(server.stats()).toMatchObject({ loaded: ['a:latest'], waiting: 1, running: 0 });
  await ask(server, '/api/generate', { model: 'a', keep_alive: 0 });
  expect((await starving.reply).status).toBe(200);
});

test('an eviction that hangs leaves loaded models and the cheap endpoints alive', async () => {
  const server = await fake({ models: ['a', 'b'], maxLoadedModels: 1, faults: { evictionHang: true } });
  await chat(server, 'a').reply;
  const stuck = chat(server, 'b');
  await server.waitFor((fake) => fake.stats().waiting === 1);
  expect((await chat(server, 'a').reply).status).toBe(200);
  expect(JSON.parse((await ask(server, '/api/ps')).text).models).toMatchObject([{ name: 'a:latest' }]);
  expect(server.stats().waiting).toBe(1);
  server.set({ evictionHang: false });
  expect((await stuck.reply).status).toBe(200);
});

test('another num_ctx reloads, its absence matches the automatic size, and shift counts', async () => {
  const server = await fake();
  await chat(server, 'llama3.2').reply;
  await chat(server, 'llama3.2', { options: { num_ctx: 4096, temperature: 1 } }).reply;
  expect(server.stats().loads).toBe(1);
  await chat(server, 'llama3.2', { options: { num_ctx: 8192 } }).reply;
  expect(JSON.parse((await ask(server, '/api/ps')).text).models[0].context_length).toBe(8192);
  await chat(server, 'llama3.2').reply;
  await chat(server, 'llama3.2', { options: { num_gpu: 3 } }).reply;
  await chat(server, 'llama3.2', { options: { num_gpu: 3 }, shift: false }).reply;
  expect(server.stats()).toMatchObject({ loads: 5, unloads: 4 });
});

test('a load is thrown away with the client that asked for it, and the next waiter starts it again', async () => {
  // Long enough for the second one to come and the first one to leave meanwhile.
  const server = await fake({ models: [{ name: 'slow', loadMs: 4_000 }] });
  const first = chat(server, 'slow');
  await server.waitFor((fake) => fake.stats().loads === 1);
  const second = chat(server, 'slow');
  await server.waitFor((fake) => fake.stats().waiting === 2);
  first.leave();
  expect((await second.reply).status).toBe(200);
  expect(server.stats()).toMatchObject({ loads: 2, unloads: 1, aborted: 1, completed: 1 });
});

test('with abortLoadOnDisconnect off the load goes through', async () => {
  const server = await fake({ models: [{ name: 'slow', loadMs: 30 }], faults: { abortLoadOnDisconnect: false } });
  const first = chat(server, 'slow');
  await server.waitFor((fake) => fake.stats().loads === 1);
  first.leave();
  await server.waitFor((fake) => fake.stats().loaded.length === 1);
  expect((await chat(server, 'slow', { keep_alive: 0 }).reply).status).toBe(200);
  expect(server.stats()).toMatchObject({ loads: 1, unloads: 1, loaded: [] });
});

test('a load that runs out of memory fails its own request only', async () => {
  const server = await fake({ faults: { loadOom: true } });
  const failed = await chat(server, 'llama3.2').reply;
  expect([failed.status, JSON.parse(failed.text).error]).toEqual([500, expect.stringContaining('out of memory')]);
  server.set({ loadOom: false });
  expect((await chat(server, 'llama3.2').reply).status).toBe(200);
});

test('an idle model leaves after its keep-alive; expires_at is only renewed when it goes idle', async () => {
  const server = await fake({ models: ['a', 'b', 'c'], keepAliveMs: 600_000 });
  await chat(server, 'a', { keep_alive: 0.02 }).reply;
  await server.waitFor((fake) => fake.stats().loaded.length === 0);
  await chat(server, 'b', { keep_alive: -1 }).reply;
  await chat(server, 'c').reply;
  const [forever, later] = JSON.parse((await ask(server, '/api/ps')).text).models;
  expect([forever.name, new Date(forever.expires_at).getUTCFullYear() > 2300]).toEqual(['b:latest', true]);
  server.set({ hang: true });
  chat(server, 'c', { keep_alive: 5 });
  await server.waitFor((fake) => fake.stats().running === 1);
  const [, stale] = JSON.parse((await ask(server, '/api/ps')).text).models;
  expect(stale.expires_at).toBe(later.expires_at);
});

test('the prompt cache spares prefill of a continued conversation, not its count', async () => {
  const shares: number[] = [];
  for (let times = 0; times < 5; times++) {
    const server = await fake({ prefillTokensPerSecond: 2000 });
    const opening = 'word '.repeat(80);
    const first = lines((await chat(server, 'llama3.2', { messages: user(opening) }).reply).text)[0]!;
    const messages = [...user(opening), first.message, ...user('and?')];
    const second = lines((await chat(server, 'llama3.2', { messages }).reply).text)[0] as Record<string, number>;
    expect(second.prompt_eval_count).toBeGreaterThan(first.prompt_eval_count as number);
    expect(first.prompt_eval_duration).toBeGreaterThan(40e6);
    shares.push(second.prompt_eval_duration! / (first.prompt_eval_duration as number));
  }
  // The smallest counts: a busy machine makes a wait longer now and then, and never shorter.
  expect(Math.min(...shares)).toBeLessThan(0.5);
});

test('decode speed paces the stream', async () => {
  const server = await fake({ decodeTokensPerSecond: 200 });
  const reply = lines((await chat(server, 'llama3.2', { options: { num_predict: 10 } }).reply).text)[0];
  expect(reply?.eval_duration).toBeGreaterThanOrEqual(48e6);
});
