import { describe, expect, it } from 'vitest';
import { atEnd, chat, post, setup, until } from '../support/harness.js';

type Message = { role: string; content: string };
const question: Message = { role: 'user', content: 'what is new?' };
const round: readonly Message[] = [
  { role: 'assistant', content: '' },
  { role: 'tool', content: 'something' },
];

/** The conversation after so many tool calls. */
const after = (calls: number) => ({
  ...chat,
  messages: [question, ...Array.from({ length: calls }, () => round).flat()],
});

describe('agent runs over HTTP', () => {
  it('count the tool calls that their conversations show, and end with a refusal that no client retries', async () => {
    const { url, backend } = await setup({ run: { toolCalls: 2 } });
    const ask = async (calls: number) => {
      const answer = await post(`${url}/api/chat`, after(calls), { 'x-run-id': 'r1' });
      return { status: answer.status, headers: answer.headers, body: await answer.json() };
    };
    expect([(await ask(0)).status, (await ask(1)).status, (await ask(1)).status, (await ask(2)).status]).toEqual([
      200, 200, 200, 200,
    ]);
    const refused = await ask(3);
    expect(refused.status).toBe(429);
    expect(refused.body).toEqual({
      error: 'this run has used all it may: 2 tool calls per run (limit run.toolCalls).',
    });
    expect(refused.headers.get('x-headgate-reason')).toBe('run');
    expect(refused.headers.get('x-should-retry')).toBe('false');
    expect(refused.headers.has('retry-after')).toBe(false);
    expect(backend.seen.filter(({ path }) => path === '/api/chat')).toHaveLength(4);
    expect((await post(`${url}/api/chat`, after(3), { 'x-run-id': 'r2' })).status).toBe(200);
  });

  it('go as deep as they may', async () => {
    const { url } = await setup({ run: { depth: 2 } });
    const depths = ['0', '2', '3'];
    const asked = depths.map((depth) => post(`${url}/api/chat`, chat, { 'x-run-id': 'r1', 'x-run-depth': depth }));
    expect((await Promise.all(asked)).map(({ status }) => status)).toEqual([200, 200, 429]);
  });

  it.each([
    [{ 'x-run-depth': '1' }, /needs an x-run-id/],
    [{ 'x-run-id': 'a b' }, /x-run-id must be/],
    [{ 'x-run-id': 'x'.repeat(129) }, /x-run-id must be/],
    [{ 'x-run-id': 'r1', 'x-run-depth': '-1' }, /x-run-depth must be/],
    [{ 'x-run-id': 'r1', 'x-run-depth': '1.5' }, /x-run-depth must be/],
  ])('%j is refused before anything is charged', async (headers, sentence) => {
    const { url, gateway } = await setup({ requests: '1/min' });
    const answer = await post(`${url}/api/chat`, chat, headers as unknown as Record<string, string>);
    expect([answer.status, (await answer.json()) as { error: string }]).toEqual([
      400,
      { error: expect.stringMatching(sentence) },
    ]);
    expect(gateway.limiter.stats()).toMatchObject({ inFlight: 0, keys: 0 });
  });

  it('are cut with an error in the stream when their time is up, and the backend is let go', async () => {
    const { url, backend, gateway, log } = await setup(
      { run: { time: '3s' } },
      { backends: [{ faults: { stallAfterTokens: 5 } }] },
    );
    const controller = new AbortController();
    atEnd(async () => controller.abort());
    const answer = await fetch(`${url}/api/chat`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'x-run-id': 'r1' },
      body: JSON.stringify({ ...chat, stream: true, options: { num_predict: 1_000 } }),
      signal: controller.signal,
    });
    const lines = (await answer.text()).trim().split('\n');
    expect(JSON.parse(lines.at(-1)!)).toEqual({ error: 'run r1 is over: its time of 3s is up.' });
    await until(() => gateway.limiter.stats().inFlight === 0, 'the slot is free');
    await until(
      () => backend.seen.some(({ path, outcome }) => path === '/api/chat' && outcome === 'aborted'),
      'the abort',
    );
    await until(() => log.length === 1, 'the log line');
    expect(log[0]).toMatchObject({ reason: 'run', cut: 'run' });
  });
});
