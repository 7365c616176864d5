import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type FakeOllama, startFakeOllama } from '@headgate/fake-ollama';
import { afterAll, beforeAll, expect, test } from 'vitest';

let server: Server;
let ollamas: FakeOllama[];
let url: string;

beforeAll(async () => {
  ollamas = [await startFakeOllama({ outputTokens: 8 }), await startFakeOllama({ outputTokens: 8 })];
  process.env.PORT = '0';
  process.env.BACKENDS = ollamas.map((ollama) => ollama.url).join(',');
  ({ server } = await import('../../server.mjs'));
  if (!server.listening) await new Promise((resolve) => server.once('listening', resolve));
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});

afterAll(async () => {
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
  for (const ollama of ollamas) await ollama.close();
});

const ask = (key: string, more: object = {}, init: RequestInit = {}): Promise<Response> =>
  fetch(`${url}/api/chat`, {
    method: 'POST',
    headers: { authorization: `Bearer ${key}` },
    body: JSON.stringify({ model: 'llama3.2', messages: [{ role: 'user', content: 'Why is the sky blue?' }], ...more }),
    ...init,
  });

test('an answer comes from a backend, which sees neither key nor more requests at once than its slots', async () => {
  const answers = await Promise.all(Array.from({ length: 6 }, () => ask('one', { stream: false })));
  for (const answer of answers) {
    expect(answer.status).toBe(200);
    expect(answer.headers.get('x-headgate-backend')).toMatch(/^127\.0\.0\.1:\d+$/);
    expect(await answer.json()).toMatchObject({ done: true, eval_count: 8 });
  }
  for (const ollama of ollamas) {
    expect(ollama.stats().inFlightMax).toBe(1);
    expect(ollama.seen.length).toBeGreaterThan(0);
    expect(ollama.seen[0]!.headers).not.toHaveProperty('authorization');
    expect(JSON.parse(ollama.seen[0]!.body.toString())).toMatchObject({ options: { num_predict: 4096 } });
  }
});

test('a stream passes, ends whole, and reports its usage', async () => {
  const lines = (await (await ask('two')).text()).trim().split('\n');
  expect(lines).toHaveLength(9);
  expect(JSON.parse(lines.at(-1)!)).toMatchObject({ done: true, done_reason: 'stop', eval_count: 8 });
});

test('the eleventh request at once is refused, and no backend sees it', async () => {
  const answers = await Promise.all(Array.from({ length: 11 }, () => ask('three', { stream: false })));
  expect(answers.map(({ status }) => status).sort()).toEqual([...Array(10).fill(200), 429]);
  const refused = answers.find(({ status }) => status === 429)!;
  expect(refused.headers.get('x-headgate-reason')).toBe('limit');
  await Promise.all(answers.map((answer) => answer.text()));
});

test('F33: a backend that dies mid-stream breaks the answer off, and its slot is free again', async () => {
  for (const ollama of ollamas) ollama.set({ dieAfterTokens: 3 });
  await expect(ask('four').then((answer) => answer.text())).rejects.toThrow();
  for (const ollama of ollamas) ollama.set({ dieAfterTokens: undefined });
  const answers = await Promise.all([ask('four', { stream: false }), ask('four', { stream: false })]);
  expect(answers.map(({ status }) => status)).toEqual([200, 200]);
  await Promise.all(answers.map((answer) => answer.text()));
});

test('F3: a client that leaves mid-stream stops its backend, and its slot is free again', async () => {
  for (const ollama of ollamas) ollama.set({ stallAfterTokens: 2 });
  const leaving = new AbortController();
  const streams = await Promise.all([1, 2].map(() => ask('five', {}, { signal: leaving.signal })));
  for (const stream of streams) await stream.body!.getReader().read();
  leaving.abort();
  for (const ollama of ollamas) await ollama.waitFor(({ stats }) => stats().inFlight === 0);
  for (const ollama of ollamas) ollama.set({ stallAfterTokens: undefined });
  const answer = await ask('five', { stream: false });
  expect(answer.status).toBe(200);
  await answer.text();
});
