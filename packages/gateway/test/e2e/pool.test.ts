/** Backends that die, stand still, come back: over real sockets, as clients and operators see it. */
import { type FakeOllama, startFakeOllama } from '@headgate/fake-ollama';
import { describe, expect, it } from 'vitest';
import { ownAddress } from '../../../../test/support/addresses.js';
import { startGateway } from '../../src/index.js';
import { atEnd, chat, fake, gatewayFor, generate, post, setup, until } from '../support/harness.js';

/** Quick enough for a test, in the proportions of the defaults. */
const quick = {
  health: { every: '100ms', timeout: '2s', rise: 2, fall: 3 },
  eject: { for: '300ms' },
};

/** The same server again. */
async function again({ port, url }: FakeOllama): Promise<FakeOllama> {
  const server = await startFakeOllama({ port, host: new URL(url).hostname, numParallel: 4 });
  atEnd(() => server.close());
  return server;
}

/** So many requests at once of these servers, each of which is held until as many of them as it can serve are at work. */
async function together(url: string, times: number, servers: readonly FakeOllama[]): Promise<Map<string, number>> {
  for (const server of servers) server.set({ hang: true });
  const answers = answersOf(url, times);
  await until(() => servers.every((server) => server.stats().running === 4), 'all are at work');
  for (const server of servers) server.set({ hang: false });
  return answers;
}

const stateOf = (gateway: Awaited<ReturnType<typeof gatewayFor>>, name: string): string | undefined =>
  gateway.limiter.stats().backends.find((one) => one.name === name)?.state;

async function answersOf(url: string, times: number, body: object = generate): Promise<Map<string, number>> {
  const count = new Map<string, number>();
  const ask = async (): Promise<void> => {
    const answer = await post(`${url}/api/${'prompt' in body ? 'generate' : 'chat'}`, body);
    await answer.arrayBuffer();
    const by = `${answer.status} ${answer.headers.get('x-headgate-backend')}`;
    count.set(by, (count.get(by) ?? 0) + 1);
  };
  await Promise.all(Array.from({ length: times }, ask));
  return count;
}

describe('a backend whose process is killed', () => {
  it('is done without, no request is lost before its first byte, and it is taken back when it is there again', async () => {
    const options = { host: ownAddress(), numParallel: 4, faults: { hang: true } };
    const { url, gateway, backends, log } = await setup(
      { requests: '1000/s', pool: { ...quick, pick: 'least-busy' } },
      { backends: [options, options] },
    );
    const asked = Array.from({ length: 8 }, () => post(`${url}/api/generate`, generate));
    await until(() => backends[0]!.stats().running === 4 && backends[1]!.stats().running === 4, 'all are at work');
    backends[0]!.crash();
    backends[1]!.set({ hang: false });
    expect((await Promise.all(asked)).map(({ status }) => status)).toEqual(Array(8).fill(200));
    await until(() => stateOf(gateway, 'b1') === 'down', 'it is out');
    expect(await answersOf(url, 12)).toEqual(new Map([['200 b2', 12]]));
    const events = log.filter(({ event }) => event !== undefined);
    expect(events[0]).toMatchObject({ backend: 'b1' });
    expect(['backend-ejected', 'backend-down']).toContain(events[0]!.event);
    const metrics = await (await fetch(`${url}/metrics`)).text();
    expect(metrics).toContain('headgate_backend_up{backend="b1"} 0');
    expect(metrics).toContain('headgate_backend_up{backend="b2"} 1');
    expect(await (await fetch(`${url}/readyz`)).json()).toMatchObject({
      ready: true,
      backends: { b1: false, b2: true },
    });

    const back = await again(backends[0]!);
    await until(() => stateOf(gateway, 'b1') === 'healthy', 'it is back');
    expect(log.filter(({ event }) => event === 'backend-up')).toMatchObject([{ backend: 'b1' }]);
    expect(await together(url, 8, [back, backends[1]!])).toEqual(
      new Map([
        ['200 b1', 4],
        ['200 b2', 4],
      ]),
    );
    expect(gateway.limiter.stats()).toMatchObject({ inFlight: 0, waiting: 0, open: 0 });
  });

  it('and whose clients leave leaves the load even when it is back (F5)', async () => {
    const options = { host: ownAddress(), numParallel: 4, faults: { stallAfterTokens: 5 } };
    const policy = { pool: { ...quick, pick: 'least-busy' } };
    const { url, gateway, backends } = await setup(policy, { backends: [options, options] });
    const body = JSON.stringify({ ...chat, stream: true });
    const clients = Array.from({ length: 24 }, () => new AbortController());
    const gone = clients.map(async ({ signal }) => {
      await fetch(`${url}/api/chat`, { method: 'POST', body, signal })
        .then((answer) => answer.text())
        .catch(() => {});
    });
    await until(() => backends.every((backend) => backend.stats().running === 4), 'all are at work');
    for (const client of clients.filter((_, i) => i % 3 === 0)) client.abort();
    backends[0]!.crash();
    for (const client of clients.filter((_, i) => i % 3 === 1)) client.abort();
    backends[1]!.set({ stallAfterTokens: undefined });
    await Promise.all(gone);
    const back = await again(backends[0]!);
    await until(() => stateOf(gateway, 'b1') === 'healthy', 'it is back');
    await until(() => gateway.limiter.stats().inFlight === 0, 'all have ended');
    expect(gateway.limiter.stats()).toMatchObject({ inFlight: 0, waiting: 0, open: 0 });
    for (const server of [back, backends[1]!]) server.set({ hang: true });
    const after = Array.from({ length: 8 }, () => post(`${url}/api/chat`, chat).then((answer) => answer.text()));
    await until(() => gateway.limiter.stats().inFlight === 8, 'all are at work');
    expect(gateway.limiter.stats().backends.map(({ used }) => used)).toEqual([4, 4]);
    for (const server of [back, backends[1]!]) server.set({ hang: false });
    await Promise.all(after);
  });

  it('costs a storm of requests no slot for good (F6)', async () => {
    const { url, gateway, backends } = await setup(
      { pool: { pick: 'least-busy', eject: { max: '0' }, health: { every: '1h' } } },
      { backends: [{ numParallel: 4 }, { numParallel: 4 }] },
    );
    for (const backend of backends) backend.set({ resetBeforeFirstByte: true });
    const failed = await answersOf(url, 40);
    expect([...failed.keys()].every((by) => by.startsWith('502 '))).toBe(true);
    expect(gateway.limiter.stats()).toMatchObject({ inFlight: 0, waiting: 0, open: 0 });
    for (const backend of backends) backend.set({ resetBeforeFirstByte: false });
    const whole = await together(url, 8, backends);
    expect([...whole.values()].reduce((sum, times) => sum + times)).toBe(8);
    expect(backends.map((backend) => backend.stats().runningMax)).toEqual([4, 4]);
    expect([...whole.keys()].every((by) => by.startsWith('200 '))).toBe(true);
  });
});

describe('a backend that dies in the middle of its answers', () => {
  it('is done without after three of them', async () => {
    const { url, gateway, backends, log } = await setup(
      { pool: { ...quick, eject: { for: '1h' } } },
      { backends: [{}, {}] },
    );
    backends[0]!.set({ dieAfterTokens: 3 });
    for (let tries = 0; tries < 40 && stateOf(gateway, 'b1') !== 'ejected'; tries++) {
      await Promise.all(
        Array.from({ length: 8 }, async () => (await post(`${url}/api/chat`, { ...chat, stream: true })).text()),
      );
    }
    expect(log.filter(({ event }) => event === 'backend-ejected')).toMatchObject([{ backend: 'b1', cause: 'died' }]);
    await until(() => log.filter(({ cut }) => cut === 'died').length >= 3, 'three have died');
    expect(await answersOf(url, 8)).toEqual(new Map([['200 b2', 8]]));
  });
});

describe('a backend that stands still while its health page is fine', () => {
  const first = async (url: string): Promise<string | null> => {
    const answer = await post(`${url}/api/chat`, { ...chat, stream: true });
    await answer.text();
    return answer.headers.get('x-headgate-backend');
  };

  it('is found by its first bytes and done without; what waits for it goes elsewhere where the policy says so', async () => {
    const retry = { on: ['connect', 'reset', 'first-byte'] };
    const options = { numParallel: 4, faults: { firstByteDelayMs: 20 } };
    const { url, gateway, backends, log } = await setup(
      { pool: { ...quick, retry } },
      { backends: [options, options] },
    );
    while (new Set(await Promise.all(Array.from({ length: 8 }, () => first(url)))).size < 2);
    backends[0]!.set({ hang: true });
    const answers = await Promise.all(Array.from({ length: 6 }, () => first(url)));
    expect(answers).toEqual(Array(6).fill('b2'));
    expect(log.filter(({ event }) => event === 'backend-ejected')[0]).toMatchObject({ backend: 'b1', cause: 'hung' });
    expect((await fetch(`${backends[0]!.url}/api/tags`)).status).toBe(200);
    expect(await (await fetch(`${url}/metrics`)).text()).toContain(
      'headgate_backend_ejections_total{backend="b1",cause="hung"}',
    );

    backends[0]!.set({ hang: false });
    await until(() => stateOf(gateway, 'b1') === 'probing', 'one request is to try it');
    while (!(await Promise.all(Array.from({ length: 6 }, () => first(url)))).includes('b1'));
    await until(() => stateOf(gateway, 'b1') === 'healthy', 'it is back');
    expect(gateway.limiter.stats()).toMatchObject({ inFlight: 0, waiting: 0, open: 0 });
  });
});

describe('when no backend is left', () => {
  const paths: [path: string, body: object, error: object][] = [
    ['/api/generate', generate, { error: expect.stringMatching(/^no backend/) }],
    ['/api/chat', chat, { error: expect.stringMatching(/^no backend/) }],
    ['/api/embed', { model: 'm', input: 'hi' }, { error: expect.stringMatching(/^no backend/) }],
    ['/v1/chat/completions', chat, { error: { message: expect.stringMatching(/^no backend/) } }],
    ['/v1/completions', { model: 'm', prompt: 'hi' }, { error: { message: expect.stringMatching(/^no backend/) } }],
    ['/v1/embeddings', { model: 'm', input: 'hi' }, { error: { message: expect.stringMatching(/^no backend/) } }],
    ['/v1/responses', { model: 'm', input: 'hi' }, { error: { message: expect.stringMatching(/^no backend/) } }],
    [
      '/v1/messages',
      { ...chat, max_tokens: 5 },
      { type: 'error', error: { message: expect.stringMatching(/^no backend/) } },
    ],
  ];

  it('a request is refused in the dialect of its path, and told when to come back', async () => {
    const pool = { health: { every: '10s', fall: 1, rise: 2 } };
    const { url, gateway } = await setup(
      { requests: '1000/s', pool },
      { backends: [{ faults: { healthStatus: 500 } }] },
    );
    await until(() => stateOf(gateway, 'b1') === 'down', 'it is down');
    for (const [path, body, error] of paths) {
      const answer = await post(url + path, body);
      expect([path, answer.status, answer.headers.get('x-headgate-reason')]).toEqual([path, 503, 'no-backend']);
      expect([path, answer.headers.get('retry-after')]).toEqual([path, '20']);
      expect([path, await answer.json()]).toMatchObject([path, error]);
    }
    expect((await fetch(`${url}/readyz`)).status).toBe(503);
    expect(gateway.limiter.stats()).toMatchObject({ inFlight: 0, open: 0, keys: 0 });
  });

  it('those who wait are sent off', async () => {
    const pool = { health: { every: '50ms', fall: 2 } };
    const { url, backend, gateway } = await setup({ pool }, { backends: [{ faults: { hang: true } }], slots: 1 });
    const running = post(`${url}/api/generate`, generate).catch(() => undefined);
    await until(() => backend.stats().running === 1, 'one is at work');
    const waiting = post(`${url}/api/generate`, generate);
    await until(() => gateway.limiter.stats().waiting === 1, 'another one waits');
    backend.set({ healthStatus: 503 });
    const answer = await waiting;
    expect([answer.status, answer.headers.get('x-headgate-reason')]).toEqual([503, 'no-backend']);
    backend.set({ hang: false });
    await running;
  });
});

describe('which backend holds a model', () => {
  it('is asked of the backends, so that a request goes where its model is', async () => {
    const models = [{ name: 'llama3.2' }, { name: 'mistral' }];
    const options = { numParallel: 2, models, loadMs: 50 };
    const { url, gateway, backends } = await setup({ pool: quick }, { backends: [options, options], slots: 2 });
    await (
      await post(`${backends[1]!.url}/api/generate`, { ...generate, model: 'mistral', options: { num_ctx: 8192 } })
    ).arrayBuffer();
    await until(() => gateway.limiter.stats().backends[1]!.models.includes('mistral'), 'it is listed');
    for (let times = 0; times < 4; times++) {
      const answer = await post(`${url}/api/generate`, { ...generate, model: 'mistral:latest' });
      await answer.arrayBuffer();
      expect(answer.headers.get('x-headgate-backend')).toBe('b2');
    }
    expect(backends.map((backend) => backend.stats().loads)).toEqual([0, 1]);
  });
});

describe('backends that are added, drained and taken out while requests run and wait', () => {
  it('lose none of them', async () => {
    const servers = await Promise.all(
      Array.from({ length: 3 }, () => fake({ numParallel: 4, faults: { hang: true } })),
    );
    const [first, second, third] = servers.map(({ url }, index) => ({ url, name: `b${index + 1}`, slots: 4 }));
    const rest = { requests: '1000/s', pool: { ...quick, pick: 'least-busy' } };
    const gateway = await gatewayFor({ ...rest, backends: [first, second] });
    const drained: string[] = [];
    gateway.limiter.on('backend-drained', ({ backend }) => drained.push(backend));
    const asked = answersOf(gateway.url, 20);
    await until(() => gateway.limiter.stats().waiting === 12, 'eight are at work, and twelve wait');
    await gateway.reload({ ...rest, backends: [{ ...second, drain: true }, third] });
    await until(() => servers[2]!.stats().running === 4, 'those who wait go to the new one');
    expect(servers.map((server) => server.stats().running)).toEqual([4, 4, 4]);
    for (const server of servers) server.set({ hang: false });
    expect(await asked).toEqual(
      new Map([
        ['200 b1', 4],
        ['200 b2', 4],
        ['200 b3', 12],
      ]),
    );
    expect(drained.toSorted()).toEqual(['b1', 'b2']);
    expect(gateway.limiter.stats().backends.map(({ name, state }) => [name, state])).toEqual([
      ['b2', 'draining'],
      ['b3', 'healthy'],
    ]);
    await gateway.reload({ ...rest, backends: [second] });
    expect(await answersOf(gateway.url, 4)).toEqual(new Map([['200 b2', 4]]));
    expect(gateway.limiter.stats()).toMatchObject({ inFlight: 0, waiting: 0, open: 0 });
  });
});

describe('a gateway that cannot listen', () => {
  it('does not go on probing', async () => {
    const backend = await startFakeOllama();
    atEnd(() => backend.close());
    const policy = (name: string): object => ({
      backends: [{ url: backend.url, headers: { 'x-from': name } }],
      pool: { health: { every: '20ms' } },
    });
    const probesOf = (name: string): number => backend.seen.filter(({ headers }) => headers['x-from'] === name).length;
    const { port } = await gatewayFor(policy('listens'));
    const { code } = await startGateway({ policy: policy('cannot'), port, log: false }).catch((error) => error);
    expect(code).toBe('EADDRINUSE');
    // What was asked before it was known may still arrive.
    await until(() => probesOf('listens') >= 5, 'the other one probes');
    const before = probesOf('cannot');
    await until(() => probesOf('listens') >= 30, 'the other one goes on');
    expect(probesOf('cannot')).toBe(before);
  });
});
