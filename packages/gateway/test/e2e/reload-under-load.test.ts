/** Twenty reloads, good and bad, under two thousand requests in flight; and what of a policy follows without a restart. */
import { Agent, createServer, request } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, it } from 'vitest';
import { patienceMs } from '../../../../test/support/patience.js';
import { atEnd, fake, gatewayFor, generate, isProbe, post, until } from '../support/harness.js';
import { rawClient, statusOf } from '../support/raw.js';

const requests = 2_000;
const identities = 20;
const each = requests / identities;
const outputTokens = 12;

interface Outcome {
  readonly status: number;
  readonly tokens: number;
  readonly done: boolean;
}

/** One streamed generation, read to its end. */
function generation(port: number, identity: number, agent: Agent): Promise<Outcome> {
  return new Promise((resolve, reject) => {
    const headers = { 'content-type': 'application/json', authorization: `Bearer key-${identity}` };
    const call = request({ port, host: '127.0.0.1', agent, method: 'POST', path: '/api/generate', headers });
    call.on('error', reject);
    call.on('response', (response) => {
      let text = '';
      response.on('data', (chunk: Buffer) => {
        text += chunk.toString();
      });
      response.on('error', reject);
      response.on('end', () => {
        const last = JSON.parse(text.trim().split('\n').at(-1)!) as { done?: boolean; eval_count?: number };
        resolve({ status: response.statusCode ?? 0, tokens: last.eval_count ?? 0, done: last.done === true });
      });
    });
    call.end(JSON.stringify({ model: 'llama3.2', prompt: 'hi' }));
  });
}

/** A server that begins every answer at once and ends it when it is told to. */
async function holding(): Promise<{ readonly url: string; release(count: number): void }> {
  const held: (() => void)[] = [];
  const server = createServer((asked, response) => {
    asked.resume();
    // One that is not well for half a minute is done without.
    if (isProbe(asked)) return void response.end();
    asked.on('end', () => {
      const line = (more: object): string => `${JSON.stringify({ model: 'llama3.2', response: '', ...more })}\n`;
      response.writeHead(200, { 'content-type': 'application/x-ndjson' });
      response.write(line({ response: 'a ', done: false }));
      held.push(() => {
        for (let token = 1; token < outputTokens; token++) response.write(line({ response: 'b ', done: false }));
        response.end(line({ done: true, done_reason: 'stop', prompt_eval_count: 5, eval_count: outputTokens }));
      });
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  atEnd(async () => server.closeAllConnections());
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    release: (count) => {
      for (const end of held.splice(0, count)) end();
    },
  };
}

it('loses none of 2,000 requests in flight over twenty reloads, good and bad, and keeps every counter', {
  timeout: 5 * patienceMs,
}, async () => {
  const backend = await holding();
  const policy = (version: number) => ({
    identity: [
      {
        apiKey: {
          keys: Object.fromEntries(
            Array.from({ length: identities }, (_, i) => [`key-${i}`, { id: `id-${i}`, weight: 1 + (version % 3) }]),
          ),
        },
      },
    ],
    backends: [{ url: backend.url, slots: 1_800 + 10 * (version % 5) }],
    client: { connections: 3_000 + version },
    // Nobody else is there: late probes on a busy machine are no reason to do without it.
    pool: { timeout: { idle: '1h' }, health: { every: '1h' } },
    queue: { depth: requests, wait: '1h', fairness: version % 4 < 2 ? 'tokens' : 'none' },
    // More than are sent, by another amount each time, until the last policy allows no more than were.
    requests: `${version === 10 ? each : 10 * each + version}/hour rolling`,
    tokens: `${1_000_000 + version}/hour`,
    limits: version % 2 === 0 ? [{ name: 'house', per: 'all', concurrency: 1_850 }] : [],
  });
  const wrong = [{ requests: '10/minn' }, { queue: { depth: -1 } }, { identity: [{ apiKey: { keys: {} } }] }];
  const log: Record<string, unknown>[] = [];
  const gateway = await gatewayFor(policy(0), log);
  const agent = new Agent({ keepAlive: true, maxSockets: requests });
  const { limiter } = gateway;
  const underWay = (): number => limiter.stats().waiting + limiter.stats().inFlight;
  const outcomes: Promise<Outcome>[] = [];
  // In portions, since a listening socket holds no more than some hundred connections that were not accepted yet.
  while (outcomes.length < requests) {
    for (let i = 0; i < 100; i++) outcomes.push(generation(gateway.port, outcomes.length % identities, agent));
    await until(() => underWay() === outcomes.length, `${outcomes.length} are in flight`);
  }

  let [good, bad] = [0, 0];
  for (let reload = 1; reload <= 20; reload++) {
    if (reload % 2 === 0) {
      await gateway.reload(policy(reload / 2));
      good++;
    } else {
      const before = gateway.policy;
      await expect(gateway.reload(wrong[reload % wrong.length]!)).rejects.toThrow('in the policy');
      expect(gateway.policy).toBe(before);
      bad++;
    }
    expect(limiter.stats().inFlight).toBeGreaterThan(0);
    backend.release(5);
    await until(() => log.length >= 5 * reload, 'some of them have ended');
  }
  expect([good, bad, limiter.stats().waiting > 0]).toEqual([10, 10, true]);

  const releasing = setInterval(() => backend.release(100), 5);
  const ended = await Promise.all(outcomes).finally(() => clearInterval(releasing));
  agent.destroy();
  expect(ended.filter(({ status, done, tokens }) => status !== 200 || !done || tokens !== outputTokens)).toEqual([]);
  await until(() => log.length === requests, 'all are logged');
  expect(limiter.stats()).toMatchObject({ inFlight: 0, waiting: 0, open: 0 });
  for (let i = 0; i < identities; i++) {
    const states = limiter.peekNow({ identity: `id-${i}` });
    const left = Object.fromEntries(states.map(({ name, remaining, limit }) => [name, limit - remaining]));
    const mine = log.filter(({ identity }) => identity === `id-${i}`) as {
      inputTokens: number;
      outputTokens: number;
    }[];
    const tokens = mine.reduce((sum, { inputTokens, outputTokens }) => sum + inputTokens + outputTokens, 0);
    expect(left).toEqual({ 'requests.hour.rolling': each, 'tokens.hour': tokens, house: 0 });
    const answer = await post(`${gateway.url}/api/generate`, generate, { authorization: `Bearer key-${i}` });
    expect(answer.status).toBe(429);
  }
});

it('follows with everything towards clients and operators: body, headers, connections, the admin key, the guard', async () => {
  const backend = await fake({ numParallel: 9 });
  const policy = { backends: [{ url: backend.url, slots: 9 }] };
  const gateway = await gatewayFor(policy);
  const { url, port } = gateway;
  const elsewhere = (key: string) =>
    fetch(`${url}/metrics`, { headers: { via: '1.1 x', authorization: `Bearer ${key}` } });
  const long = { ...generate, prompt: 'x'.repeat(3_000) };
  expect([(await elsewhere('one')).status, (await post(`${url}/api/generate`, long)).status]).toEqual([403, 200]);
  const idle = [await rawClient(port), await rawClient(port)];

  const pending = await gateway.reload({
    ...policy,
    admin: { key: 'one' },
    guard: { body: '2KiB', options: { num_ctx: 2048 } },
    client: { headers: '250ms', connections: 2 },
    headers: ['legacy'],
    requests: '100/min',
  });
  expect(pending).toEqual([]);
  expect((await post(`${url}/api/generate`, long)).status).toBe(413);
  expect(statusOf(await (await rawClient(port)).closed)).toBe(429);
  for (const client of idle) expect(statusOf(await client.closed)).toBe(408);
  const after = await post(`${url}/api/generate`, generate);
  expect([after.status, after.headers.get('x-ratelimit-limit'), after.headers.get('ratelimit')]).toEqual([
    200,
    '100',
    null,
  ]);
  expect(JSON.parse(backend.seen.at(-1)!.body.toString())).toMatchObject({ options: { num_ctx: 2048 } });
  expect([(await elsewhere('one')).status, (await elsewhere('two')).status]).toEqual([200, 401]);
});
