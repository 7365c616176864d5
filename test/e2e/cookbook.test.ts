/** Every recipe of docs/cookbook.md, started as it is written and tried the way its text says. */

import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { parse } from 'yaml';
import { parsePolicy } from '../../packages/core/src/index.js';
import { type FakeOllama, type FakeOllamaOptions, startFakeOllama } from '../../packages/fake-ollama/src/index.js';
import { type Gateway, startGateway } from '../../packages/gateway/src/index.js';
import { until } from '../../packages/gateway/test/support/harness.js';
import { page } from '../support/markdown.js';
import { stillTime } from '../support/still-time.js';

const env = {
  FREE_KEY: 'free-key-0001',
  PRO_KEY: 'pro-key-0001',
  NIGHTLY_KEY: 'nightly-key-0001',
  WEB_KEY: 'web-key-0001',
  BATCH_KEY: 'batch-key-0001',
};

const recipes = new Map(
  page('docs/cookbook.md').blocks.flatMap(({ marks, text }) => {
    const name = marks.find((mark) => mark.startsWith('recipe:'))?.slice('recipe:'.length);
    return name === undefined ? [] : [[name, text] as const];
  }),
);
const tried = new Set<string>();

beforeEach(stillTime);

const closers: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

interface Kitchen {
  readonly gateway: Gateway;
  readonly backends: readonly FakeOllama[];
  readonly log: Record<string, unknown>[];
  ask(
    body?: object,
    more?: { path?: string; headers?: Record<string, string>; signal?: AbortSignal },
  ): Promise<Response>;
}

/** The recipe as written, but for the addresses of its servers. */
async function cook(name: string, fake: FakeOllamaOptions = {}): Promise<Kitchen> {
  tried.add(name);
  const written = parse(recipes.get(name)!) as { backends?: { url: string }[] };
  const backends: FakeOllama[] = [];
  const entries: object[] = [];
  for (const entry of written.backends ?? [{ url: '', slots: 8 }]) {
    const backend = await startFakeOllama({ numParallel: 8, ...fake });
    closers.push(() => backend.close());
    backends.push(backend);
    entries.push({ ...entry, url: backend.url });
  }
  const log: Record<string, unknown>[] = [];
  const write = (text: string): void => void log.push(JSON.parse(text) as Record<string, unknown>);
  const policy = parsePolicy({ ...written, backends: entries }, { env });
  const gateway = await startGateway({ policy, port: 0, log: { write } });
  closers.push(() => gateway.close({ drainMs: 0 }));
  const ask: Kitchen['ask'] = (body = {}, { path = '/api/chat', headers = {}, signal } = {}) =>
    fetch(gateway.url + path, {
      method: 'POST',
      headers,
      body: JSON.stringify({ ...question, ...body }),
      ...(signal === undefined ? {} : { signal }),
    });
  return { gateway, backends, log, ask };
}

const question = { model: 'llama3.2', messages: [{ role: 'user', content: 'hi' }], stream: false };
const prompt = { model: 'llama3.2', prompt: 'hi', stream: false };
const key = (value: string) => ({ headers: { authorization: `Bearer ${value}` } });

/** Answers come when the test says so. */
const held: FakeOllamaOptions = { faults: { hang: true } };

/** What clients asked of a server; the gateway asks by itself whether it is there. */
const askedOf = ({ seen }: FakeOllama) => seen.filter(({ headers }) => headers['user-agent'] !== 'headgate-probe');

async function statuses(count: number, ask: (index: number) => Promise<Response>): Promise<number[]> {
  const answers: number[] = [];
  for (let index = 0; index < count; index++) {
    const answer = await ask(index);
    await answer.arrayBuffer();
    answers.push(answer.status);
  }
  return answers;
}

const times = (status: number, count: number): number[] => Array<number>(count).fill(status);

describe('how often', () => {
  test('per-address', async () => {
    const { ask } = await cook('per-address');
    const from = (address: string) => ({ headers: { 'x-forwarded-for': address } });
    expect(await statuses(4, () => ask({}, from('192.0.2.1')))).toEqual([200, 200, 200, 429]);
    expect(await statuses(1, () => ask({}, from('192.0.2.2')))).toEqual([200]);
    const refused = await ask({}, from('192.0.2.1'));
    expect(Number(refused.headers.get('retry-after'))).toBeGreaterThanOrEqual(1);
    expect(refused.headers.get('x-ratelimit-limit')).toBe('10');
    expect(refused.headers.get('ratelimit')).toContain('r=0');
    expect(await refused.text()).toMatch(/^\{"error":"rate limit exceeded for address:192\.0\.2\.1: [^\n]*"\}$/);
    const openai = await ask({}, { path: '/v1/chat/completions', ...from('192.0.2.1') });
    expect(await openai.json()).toMatchObject({ error: { type: 'rate_limit_error', code: 'rate_limit_exceeded' } });
  });

  test('per-key', async () => {
    const { ask } = await cook('per-key');
    expect(await statuses(11, () => ask({}, key('ann')))).toEqual([...times(200, 10), 429]);
    expect(await statuses(1, () => ask({}, key('bob')))).toEqual([200]);
    expect(await statuses(11, () => ask())).toEqual([...times(200, 10), 429]);
  });

  test('by-endpoint', async () => {
    const { ask, gateway } = await cook('by-endpoint');
    expect(await statuses(4, () => ask(prompt, { path: '/api/generate' }))).toEqual([200, 200, 200, 429]);
    const chats = [...times(200, 5), 429];
    expect(await statuses(6, (i) => ask({}, { path: i % 2 ? '/api/chat' : '/v1/chat/completions' }))).toEqual(chats);
    const embed = { model: 'nomic-embed-text', input: 'hi' };
    expect(await statuses(21, () => ask(embed, { path: '/api/embed' }))).toEqual([...times(200, 20), 429]);
    expect((await fetch(`${gateway.url}/api/tags`)).status).toBe(200);
  });

  test('throttle', async () => {
    vi.restoreAllMocks();
    const { ask, log } = await cook('throttle');
    const answers = await Promise.all(Array.from({ length: 40 }, () => ask()));
    const found = answers.map(({ status }) => status).sort();
    expect(found.filter((status) => status === 429).length).toBeGreaterThanOrEqual(2);
    expect(found.filter((status) => status === 200).length).toBeGreaterThanOrEqual(6);
    await until(() => log.length === 40, 'all are in the log');
    expect(log.filter(({ status, waitedMs }) => status === 200 && Number(waitedMs) > 50).length).toBeGreaterThanOrEqual(
      3,
    );
  });

  test('dry-run', async () => {
    const { ask, log } = await cook('dry-run');
    expect(await statuses(5, () => ask())).toEqual(times(200, 5));
    const shadows = log.filter(({ mode }) => mode === 'shadow');
    expect(shadows).toHaveLength(3);
    expect(shadows[0]).toMatchObject({ level: 'warn', limit: 'trial', reason: 'limit' });
  });
});

describe('who', () => {
  test('tiers', async () => {
    const { ask, gateway, backends } = await cook('tiers', { models: ['llama3.2', 'qwen3'] });
    expect(await statuses(1, () => ask({}, key('nobody')))).toEqual([401]);
    expect(await statuses(1, () => ask({ model: 'qwen3' }, key(env.FREE_KEY)))).toEqual([403]);
    expect(await statuses(3, () => ask({}, key(env.FREE_KEY)))).toEqual([200, 200, 429]);
    expect(await statuses(1, () => ask({ model: 'qwen3' }, key(env.PRO_KEY)))).toEqual([200]);
    const listed = await fetch(`${gateway.url}/api/tags`, key(env.FREE_KEY));
    const { models } = (await listed.json()) as { models: { name: string }[] };
    expect(models.map(({ name }) => name)).toEqual(['llama3.2:latest']);
    const caps = askedOf(backends[0]!)
      .filter(({ path }) => path === '/api/chat')
      .map(({ json }) => json);
    expect(caps.map((body) => (body as { options: { num_predict: number } }).options.num_predict)).toEqual([
      512, 512, 4096,
    ]);
  });

  test('ten-developers', async () => {
    const { ask, gateway, backends } = await cook('ten-developers');
    const asked = Array.from({ length: 30 }, (_, i) => ask({}, key(i % 11 === 10 ? env.NIGHTLY_KEY : `dev-${i % 11}`)));
    expect((await Promise.all(asked)).map(({ status }) => status)).toEqual(times(200, 30));
    expect(backends[0]!.stats().runningMax).toBeLessThanOrEqual(2);
    await until(() => gateway.limiter.stats().inFlight === 0, 'nothing runs');
  });

  test('guessing', async () => {
    const { ask } = await cook('guessing');
    const wrong = (index: number) => key(`sk-guess-${index}`);
    expect(await statuses(7, (index) => ask({}, wrong(index)))).toEqual([...times(401, 5), 429, 429]);
    const blocked = await ask({}, wrong(8));
    expect(Number(blocked.headers.get('retry-after'))).toBeGreaterThan(14 * 60);
    expect(await statuses(2, () => ask({}, key(env.WEB_KEY)))).toEqual([200, 200]);
  });

  test('chat-server', async () => {
    const { ask, backends } = await cook('chat-server');
    const user = (name: string) => ({ headers: { 'x-openwebui-user-id': name } });
    expect(await statuses(3, () => ask({}, user('ann')))).toEqual([200, 200, 429]);
    expect(await statuses(1, () => ask({}, user('bob')))).toEqual([200]);
    expect(await statuses(1, () => ask())).toEqual([401]);
    expect(await statuses(1, () => ask({}, key(env.WEB_KEY)))).toEqual([200]);
    for (const { headers } of askedOf(backends[0]!)) expect(headers['x-openwebui-user-id']).toBeUndefined();
  });
});

describe('how many at once', () => {
  test('one-at-a-time', async () => {
    const { ask, gateway, backends } = await cook('one-at-a-time', held);
    const first = [ask(), ask(), ask()];
    await until(() => gateway.limiter.stats().waiting === 2, 'two wait');
    const refused = await ask();
    backends[0]!.set({ hang: false });
    expect([refused.status, refused.headers.get('x-headgate-reason')]).toEqual([503, 'queue-full']);
    expect(Number(refused.headers.get('retry-after'))).toBeGreaterThanOrEqual(1);
    expect((await Promise.all(first)).map(({ status }) => status).sort()).toContain(200);
    expect(backends[0]!.stats().runningMax).toBe(1);
  });

  test('connections', async () => {
    const { ask, gateway, backends } = await cook('connections', held);
    const running = [ask(), ask()];
    await until(() => gateway.limiter.stats().inFlight === 2, 'two run');
    expect(await statuses(1, () => ask())).toEqual([429]);
    backends[0]!.set({ hang: false });
    expect((await Promise.all(running)).map(({ status }) => status)).toEqual([200, 200]);
  });

  test('long-generations', async () => {
    const { ask, gateway, backends } = await cook('long-generations', { faults: { stallAfterTokens: 5 } });
    const client = new AbortController();
    const answer = ask({ stream: true }, { signal: client.signal });
    const reader = (await answer).body!.getReader();
    await reader.read();
    client.abort();
    await until(() => askedOf(backends[0]!)[0]?.outcome === 'aborted', 'the backend was told to stop');
    await until(() => gateway.limiter.stats().inFlight === 0, 'nothing runs');
    expect(askedOf(backends[0]!)[0]!.json).toMatchObject({ options: { num_predict: 8192 } });
  });

  test('priorities', async () => {
    const { ask, gateway, backends, log } = await cook('priorities', held);
    const all = [ask({}, key(env.BATCH_KEY))];
    await until(() => gateway.limiter.stats().inFlight === 1, 'one runs');
    for (let i = 0; i < 3; i++) all.push(ask({}, key(env.BATCH_KEY)));
    await until(() => gateway.limiter.stats().waiting === 3, 'three wait');
    for (let i = 0; i < 3; i++) all.push(ask({}, key(env.WEB_KEY)));
    await until(() => gateway.limiter.stats().waiting === 6, 'and three more');
    backends[0]!.set({ hang: false });
    expect((await Promise.all(all)).map(({ status }) => status)).toEqual(times(200, 7));
    await until(() => log.length === 7, 'all are in the log');
    expect(log.map(({ identity }) => identity)).toEqual(['batch', 'web', 'web', 'web', 'batch', 'batch', 'batch']);
  });
});

describe('several servers', () => {
  test('several-gpus', async () => {
    const { ask, backends } = await cook('several-gpus', held);
    const asked = Array.from({ length: 4 }, () => ask());
    await until(() => backends.every((backend) => backend.stats().running === 2), 'four run');
    for (const backend of backends) backend.set({ hang: false });
    const answers = await Promise.all(asked);
    const by = answers.map(({ headers }) => headers.get('x-headgate-backend')).sort();
    expect(by).toEqual(['gpu0', 'gpu0', 'gpu1', 'gpu1']);
    expect(backends.map((backend) => backend.stats().runningMax)).toEqual([2, 2]);
  });

  test('specialised', async () => {
    const { ask } = await cook('specialised', { models: ['llama3.2', 'codellama:7b'] });
    const by = async (model: string) => (await ask({ model })).headers.get('x-headgate-backend');
    expect(await Promise.all(Array.from({ length: 6 }, () => by('llama3.2')))).toEqual(Array(6).fill('general'));
    const coded = await Promise.all(Array.from({ length: 6 }, () => by('codellama:7b')));
    expect(new Set(coded)).toEqual(new Set(['general', 'code']));
  });

  test('failover', async () => {
    const { ask, backends } = await cook('failover');
    await backends[0]!.close();
    expect(await statuses(6, () => ask())).toEqual(times(200, 6));
    await backends[1]!.close();
    const refused = await ask();
    expect([502, 503]).toContain(refused.status);
    expect(await refused.json()).toEqual({ error: expect.any(String) });
  });

  test('open-server', async () => {
    const { ask, backends } = await cook('open-server');
    expect(await statuses(1, () => ask({ model: 'x' }, { path: '/api/pull' }))).toEqual([403]);
    expect(await statuses(1, () => ask({ messages: [], keep_alive: 0 }))).toEqual([403]);
    expect(await statuses(1, () => ask({ model: 'gpt-oss:20b-cloud' }))).toEqual([403]);
    expect(await statuses(1, () => ask({ messages: [{ role: 'user', content: 'x'.repeat(100_000) }] }))).toEqual([413]);
    expect(askedOf(backends[0]!)).toEqual([]);
    expect(await statuses(1, () => ask({ options: { num_ctx: 262_144 } }))).toEqual([200]);
    expect(askedOf(backends[0]!)[0]!.json).toMatchObject({ options: { num_ctx: 8192, num_predict: 2048 } });
  });
});

describe('budgets', () => {
  test('tokens', async () => {
    const { ask } = await cook('tokens');
    const long = { messages: [{ role: 'user', content: 'word '.repeat(12_000) }] };
    const found = await statuses(3, () => ask(long));
    expect([found[0], found.at(-1)]).toEqual([200, 429]);
    const refused = await ask(long);
    expect(refused.headers.get('x-headgate-reason')).toBe('limit');
    expect(await refused.json()).toEqual({ error: expect.stringContaining('tokens.hour') });
  });

  test('money', async () => {
    const { ask } = await cook('money');
    const found = await statuses(40, () => ask());
    expect(found[0]).toBe(200);
    expect(found.at(-1)).toBe(429);
    expect(await (await ask()).json()).toEqual({ error: expect.stringContaining('cost.day') });
  });

  test('agents', async () => {
    const { ask } = await cook('agents');
    const deep = { headers: { 'x-run-id': 'r1', 'x-run-depth': '6' } };
    expect(await statuses(1, () => ask({}, deep))).toEqual([429]);
    expect(await statuses(1, () => ask({}, { headers: { 'x-run-id': 'r1', 'x-run-depth': '5' } }))).toEqual([200]);
  });
});

test('every recipe was tried', () => {
  expect([...recipes.keys()].filter((name) => !tried.has(name))).toEqual([]);
});
