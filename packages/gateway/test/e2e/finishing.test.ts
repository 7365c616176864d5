/** `onClientGone: finish`: the backend ends what it has begun for a client that has left, and all of it is charged. */
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { FakeOllamaOptions } from '@headgate/fake-ollama';
import { describe, expect, it } from 'vitest';
import { atEnd, chat, gatewayFor, generate, isProbe, type Setup, setup, until } from '../support/harness.js';
import { type RawClient, rawClient } from '../support/raw.js';

const policy = { tokens: '100k/hour', onClientGone: 'finish' };
const streamed = { ...chat, stream: true };

function worldOf(backend: FakeOllamaOptions, more: object = {}, slots = 4): Promise<Setup> {
  return setup({ ...policy, ...more }, { backends: [backend], slots });
}

async function ask({ gateway }: Setup, path: string, body: object): Promise<RawClient> {
  const client = await rawClient(gateway.port);
  const text = JSON.stringify(body);
  client.send(`POST ${path} HTTP/1.1\r\nhost: localhost\r\ncontent-length: ${text.length}\r\n\r\n${text}`);
  return client;
}

/** It stands still in the middle of each answer until it is told to go on. */
const stalled: FakeOllamaOptions = { outputTokens: 60, faults: { stallAfterTokens: 20 } };
const goOn = ({ backend }: Setup): void => backend.set({ hang: false, stallAfterTokens: undefined });
/** The backend goes on: the gateway hears that the client has gone long before it has read the rest. */
function leave(world: Setup, client: RawClient): void {
  client.socket.destroy();
  goOn(world);
}

const linesIn = (client: RawClient): number => client.received().split('"done":false').length - 1;
/** What of the budget is gone. */
const charged = ({ gateway }: Setup): number =>
  100_000 - (gateway.limiter.peekNow({ identity: 'address:127.0.0.1' })[0]?.remaining ?? 0);

async function over(world: Setup): Promise<Record<string, unknown>> {
  await until(() => world.log.length === 1, 'the request is logged');
  expect(world.gateway.limiter.stats()).toMatchObject({ inFlight: 0, open: 0 });
  return world.log[0]!;
}

describe('a client that leaves', () => {
  it.each([
    ['/api/chat', streamed],
    ['/api/generate', { ...generate, stream: true }],
    ['/v1/chat/completions', streamed],
    ['/v1/responses', { model: 'llama3.2', input: 'hi', stream: true }],
    ['/v1/messages', { ...streamed, max_tokens: 500 }],
  ])('in the middle of a stream of %s pays for all that the backend produced', async (path, body) => {
    const world = await worldOf(stalled);
    const client = await ask(world, path, body);
    await until(() => client.received().length > 600, 'some of it came');
    leave(world, client);
    const line = await over(world);
    expect(line).toMatchObject({ cut: 'client gone', status: 200, outputTokens: 60 });
    expect(world.backend.stats()).toMatchObject({ completed: 1, aborted: 0 });
    expect(charged(world)).toBe(60 + Number(line.inputTokens));
  });

  it('before the first byte pays for the answer that then comes', async () => {
    const world = await worldOf({ faults: { hang: true }, outputTokens: 60 });
    const client = await ask(world, '/api/chat', streamed);
    await world.backend.waitFor(() => world.backend.stats().running === 1);
    leave(world, client);
    expect(await over(world)).toMatchObject({ cut: 'client gone', outputTokens: 60 });
    expect(world.backend.stats()).toMatchObject({ completed: 1, aborted: 0 });
  });

  it('before an answer that is no stream pays for it', async () => {
    const world = await worldOf(stalled);
    const client = await ask(world, '/api/chat', chat);
    await world.backend.waitFor(() => world.backend.stats().running === 1);
    leave(world, client);
    expect(await over(world)).toMatchObject({ cut: 'client gone', outputTokens: 60 });
    expect(world.backend.stats()).toMatchObject({ completed: 1, aborted: 0 });
  });

  it('without having read leaves a backend that is not held up any more', async () => {
    const line = `${JSON.stringify({ model: 'm', message: { content: 'x'.repeat(64 * 1024) }, done: false })}\n`;
    const last = `${JSON.stringify({ model: 'm', message: { content: '' }, done: true, prompt_eval_count: 9, eval_count: 777 })}\n`;
    let sent = 0;
    const server = createServer(async (request, response) => {
      if (isProbe(request)) return void response.end();
      response.writeHead(200, { 'content-type': 'application/x-ndjson' });
      for (sent = 0; sent < 600; sent++) if (!response.write(line)) await once(response, 'drain');
      response.end(last);
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    atEnd(async () => server.close());
    const { port } = server.address() as { port: number };
    const log: Record<string, unknown>[] = [];
    const gateway = await gatewayFor({ ...policy, tokens: '99M/hour', backends: [`http://127.0.0.1:${port}`] }, log);
    const client = await rawClient(gateway.port);
    client.socket.pause();
    const text = JSON.stringify(streamed);
    client.send(`POST /api/chat HTTP/1.1\r\nhost: localhost\r\ncontent-length: ${text.length}\r\n\r\n${text}`);
    let [before, still] = [0, 0];
    await until(() => {
      still = sent > 0 && sent === before ? still + 1 : 0;
      before = sent;
      return still === 50;
    }, 'the backend is held up');
    expect(sent).toBeLessThan(600);
    client.socket.destroy();
    await until(() => log.length === 1, 'the request is logged');
    expect(log[0]).toMatchObject({ cut: 'client gone', outputTokens: 777 });
    expect(sent).toBe(600);
  });

  it('keeps its slot until the backend has ended, and hands it on then', async () => {
    const world = await worldOf(stalled, {}, 1);
    const client = await ask(world, '/api/chat', streamed);
    await until(() => linesIn(client) > 3, 'it streams');
    client.socket.destroy();
    const next = await ask(world, '/api/chat', chat);
    await until(() => world.gateway.limiter.stats().waiting === 1, 'the next one waits');
    expect(world.backend.stats().completed).toBe(0);
    goOn(world);
    await until(() => next.received().includes('"done":true'), 'the next one is answered');
    expect(world.backend.stats()).toMatchObject({ completed: 2, aborted: 0 });
  });

  it('while it waits is charged nothing and never reaches a backend', async () => {
    const world = await worldOf(stalled, {}, 1);
    await ask(world, '/api/chat', streamed);
    await world.backend.waitFor(() => world.backend.stats().running === 1);
    const waiting = await ask(world, '/api/chat', streamed);
    await until(() => world.gateway.limiter.stats().waiting === 1, 'the second waits');
    waiting.socket.destroy();
    await until(() => world.gateway.limiter.stats().waiting === 0, 'the second is forgotten');
    goOn(world);
    await until(() => world.log.length === 2, 'both are logged');
    expect(world.backend.seen).toHaveLength(1);
  });
});

describe('a backend that works for nobody', () => {
  it('is stopped where the budget is spent', async () => {
    const world = await worldOf(
      { outputTokens: 10_000, faults: { ignoreNumPredict: true, stallAfterTokens: 20 } },
      { tokens: '400/hour' },
    );
    const client = await ask(world, '/api/chat', streamed);
    await until(() => linesIn(client) > 3, 'it streams');
    leave(world, client);
    const line = await over(world);
    expect(Number(line.inputTokens) + Number(line.outputTokens)).toBe(400);
    expect(world.backend.stats().aborted).toBe(1);
  });

  it('and dies costs what was counted until then', async () => {
    const world = await worldOf({ outputTokens: 200, faults: { stallAfterTokens: 20, dieAfterTokens: 40 } });
    const client = await ask(world, '/api/chat', streamed);
    await until(() => linesIn(client) > 3, 'it streams');
    leave(world, client);
    const line = await over(world);
    expect(line).toMatchObject({ cut: 'died' });
    // The last token may be lost with the connection.
    expect(line.outputTokens).toBeGreaterThanOrEqual(39);
    expect(line.outputTokens).toBeLessThanOrEqual(40);
  });

  it('and fails before its first byte costs nothing, and is not asked again', async () => {
    const world = await setup(
      { ...policy, pool: { retry: { tries: 3 } } },
      { backends: [{ faults: { hang: true } }, {}], slots: 1 },
    );
    const client = await ask(world, '/api/chat', streamed);
    await world.backend.waitFor(() => world.backend.stats().running === 1);
    client.socket.destroy();
    await until(() => client.socket.closed, 'the client is gone');
    await world.backend.crash();
    const line = await over(world);
    expect(line).not.toHaveProperty('outputTokens');
    expect(charged(world)).toBe(0);
    expect(world.backends[1]!.seen).toHaveLength(0);
  });

  it('and stands still is given up after the idle time', async () => {
    const world = await worldOf({ faults: { stallAfterTokens: 10 } }, { pool: { timeout: { idle: '3s' } } });
    const client = await ask(world, '/api/chat', streamed);
    await until(() => linesIn(client) === 10, 'it stands still');
    client.socket.destroy();
    expect(await over(world)).toMatchObject({ cut: 'idle', outputTokens: 10 });
    await world.backend.waitFor(() => world.backend.stats().aborted === 1);
  });

  it('is stopped at the end of a drain', async () => {
    const world = await worldOf({ decodeTokensPerSecond: 20, outputTokens: 10_000 });
    const client = await ask(world, '/api/chat', streamed);
    await until(() => linesIn(client) > 3, 'it streams');
    client.socket.destroy();
    await world.gateway.close({ drainMs: 50 });
    expect(await over(world)).toMatchObject({ cut: 'closing' });
    await world.backend.waitFor(() => world.backend.stats().aborted === 1);
  });
});
