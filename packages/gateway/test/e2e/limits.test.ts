import { beforeEach, describe, expect, it } from 'vitest';
import { stillTime } from '../../../../test/support/still-time.js';
import { chat, generate, post, setup, until } from '../support/harness.js';

const perOperation = {
  limits: [
    { name: 'generate', match: { operation: 'generate' }, requests: '10/min burst 3' },
    { name: 'chat', match: { operation: 'chat' }, requests: '20/min burst 5' },
    { name: 'embed', match: { operation: 'embed' }, requests: '60/min burst 8' },
  ],
};
const embed = { model: 'nomic-embed-text', input: 'hi' };

async function statuses(times: number, ask: () => Promise<Response>): Promise<number[]> {
  const answers = await Promise.all(Array.from({ length: times }, ask));
  await Promise.all(answers.map((answer) => answer.arrayBuffer()));
  return answers.map(({ status }) => status);
}

const admitted = (all: readonly number[]): number => all.filter((status) => status === 200).length;
const refused = (all: readonly number[]): number => all.filter((status) => status === 429).length;

describe('limits', () => {
  beforeEach(stillTime);

  it('admits three of fifteen rapid requests under 10/min burst 3 and refuses the rest with 429', async () => {
    const { url, backend } = await setup(perOperation);
    const all = await statuses(15, () => post(`${url}/api/generate`, generate));
    expect([admitted(all), refused(all)]).toEqual([3, 12]);
    expect(backend.seen.filter(({ path }) => path === '/api/generate')).toHaveLength(3);
  });

  it('tells a refused client what, why and when, in headers and in JSON', async () => {
    const { url } = await setup(perOperation);
    await statuses(3, () => post(`${url}/api/generate`, generate));
    const answer = await post(`${url}/api/generate`, generate);
    expect(answer.status).toBe(429);
    expect(answer.headers.get('content-type')).toMatch(/^application\/json/);
    expect(Number(answer.headers.get('retry-after'))).toBeGreaterThanOrEqual(1);
    expect(Number(answer.headers.get('retry-after'))).toBeLessThanOrEqual(6);
    expect(answer.headers.get('x-ratelimit-limit')).toBe('10');
    expect(answer.headers.get('x-ratelimit-remaining')).toBe('0');
    expect(Number(answer.headers.get('x-ratelimit-reset'))).toBeGreaterThan(Date.now() / 1000);
    expect(answer.headers.get('ratelimit-policy')).toContain('"generate";q=10;w=60');
    expect(answer.headers.get('ratelimit')).toContain('"generate";r=0');
    expect(answer.headers.get('x-headgate-reason')).toBe('limit');
    expect(answer.headers.get('x-request-id')).toMatch(/^req_/);
    const { error } = (await answer.json()) as { error: string };
    expect(error).toMatch(/generate.*try again in \d+s/);
  });

  it('shows an admitted client what it has left', async () => {
    const { url } = await setup(perOperation);
    const answer = await post(`${url}/api/generate`, generate);
    await answer.arrayBuffer();
    expect(answer.headers.get('x-ratelimit-remaining')).toBe('2');
    expect(answer.headers.get('x-headgate-backend')).toBe('b1');
  });

  it('counts each operation on the limits of its own', async () => {
    const { url } = await setup(perOperation);
    expect(admitted(await statuses(10, () => post(`${url}/api/generate`, generate)))).toBe(3);
    expect(admitted(await statuses(10, () => post(`${url}/api/chat`, chat)))).toBe(5);
    expect(admitted(await statuses(10, () => post(`${url}/api/embed`, embed)))).toBe(8);
  });

  it('counts the same operation together whatever dialect asks for it', async () => {
    const { url } = await setup(perOperation);
    expect(admitted(await statuses(3, () => post(`${url}/api/chat`, chat)))).toBe(3);
    expect(admitted(await statuses(10, () => post(`${url}/v1/chat/completions`, chat)))).toBe(2);
  });

  it('gives each API key ten a minute and leaves another untouched by the eleventh', async () => {
    const { url } = await setup({ requests: '10/min' });
    const ask = (key: string) => () => post(`${url}/api/generate`, generate, { authorization: `Bearer ${key}` });
    expect(admitted(await statuses(10, ask('key-a')))).toBe(10);
    expect(await statuses(1, ask('key-a'))).toEqual([429]);
    expect(admitted(await statuses(10, ask('key-b')))).toBe(10);
  });

  it('counts clients without a key by their address', async () => {
    const { url } = await setup({ requests: '10/min', identity: [{ apiKey: {} }, { address: { trustProxy: 1 } }] });
    const from = (address: string) => () => post(`${url}/api/generate`, generate, { 'x-forwarded-for': address });
    expect(admitted(await statuses(12, from('10.0.0.1')))).toBe(10);
    expect(admitted(await statuses(12, from('10.0.0.2')))).toBe(10);
  });

  it('does not believe forwarded addresses unless told that a proxy stands in front', async () => {
    const { url } = await setup({ requests: '10/min' });
    let host = 0;
    const forged = (): Promise<Response> =>
      post(`${url}/api/generate`, generate, { 'x-forwarded-for': `10.0.0.${++host}` });
    expect(admitted(await statuses(20, forged))).toBe(10);
  });

  it('takes a key in the path, and does not send it on', async () => {
    const { url, backend, log } = await setup({
      identity: [{ apiKey: { from: ['authorization', 'path'], keys: { 'sk-path-1': { id: 'team-p' } } } }],
    });
    const answer = await post(`${url}/k/sk-path-1/api/generate`, generate);
    expect(answer.status).toBe(200);
    expect(backend.seen.map(({ rawUrl }) => rawUrl)).toEqual(['/api/generate']);
    const wrong = await post(`${url}/k/sk-path-2/api/generate`, generate);
    expect(wrong.status).toBe(401);
    await until(() => log.length === 2, 'both are logged');
    expect(log[0]).toMatchObject({ identity: 'team-p' });
    expect(JSON.stringify(log)).not.toMatch(/sk-path/);
  });

  it('refuses an unknown key with 401 before it reads the body', async () => {
    const { url, backend } = await setup({ identity: [{ apiKey: { keys: { 'sk-good': { id: 'team' } } } }] });
    const answer = await post(`${url}/api/generate`, 'this is no JSON', { authorization: 'Bearer sk-bad' });
    expect(answer.status).toBe(401);
    expect(backend.seen).toHaveLength(0);
  });

  it('denies managing models and cloud models by default, and charges nothing for it', async () => {
    const { url, backend, gateway } = await setup({ requests: '10/min' });
    for (const path of ['/api/pull', '/api/push', '/api/create', '/api/copy', '/api/signout']) {
      expect((await post(`${url}${path}`, { model: 'x' })).status, path).toBe(403);
    }
    expect((await fetch(`${url}/api/delete`, { method: 'DELETE', body: '{"model":"x"}' })).status).toBe(403);
    const unload = { model: 'llama3.2', prompt: '', keep_alive: 0 };
    expect((await post(`${url}/api/generate`, unload)).status).toBe(403);
    expect((await post(`${url}/api/chat`, { ...chat, model: 'gpt-oss:20b-cloud' })).status).toBe(403);
    expect(backend.seen).toHaveLength(0);
    expect(gateway.limiter.stats()).toMatchObject({ keys: 0, open: 0 });
  });

  it('cuts an answer at its output cap with the ending of the protocol, though the backend ignores the cap', async () => {
    const { url, backend, gateway } = await setup(
      { output: 8 },
      { backends: [{ outputTokens: 500, faults: { ignoreNumPredict: true } }] },
    );
    const answer = await post(`${url}/api/chat`, { ...chat, stream: true });
    const lines = (await answer.text()).trim().split('\n');
    expect(JSON.parse(lines.at(-1)!)).toMatchObject({ done: true, done_reason: 'length', eval_count: 8 });
    expect(lines).toHaveLength(9);
    await backend.waitFor(() => backend.stats().aborted === 1);
    await until(() => gateway.limiter.stats().inFlight === 0, 'the permit has ended');
    expect(backend.seen[0]?.json).toMatchObject({ options: { num_predict: 8 } });
  });

  it('F11: small budgets are used up by short answers, and refuse when little is left, not before', async () => {
    const { url } = await setup({ tokens: '300/hour' });
    const remainders: number[] = [];
    for (let i = 0; i < 20; i++) {
      const answer = await post(`${url}/api/chat`, chat);
      await answer.arrayBuffer();
      const remaining = Number(/"tokens[^"]*";r=(\d+)/.exec(answer.headers.get('ratelimit') ?? '')?.[1]);
      if (answer.status === 429) remainders.push(remaining);
    }
    // Of 300 tokens, at 23 an answer, and none that is refused had room for a short one.
    expect(20 - remainders.length).toBeGreaterThanOrEqual(11);
    for (const remaining of remainders) expect(remaining).toBeLessThan(50);
  });
});
