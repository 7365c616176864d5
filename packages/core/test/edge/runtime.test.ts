/** What core needs of a runtime is there, and the other tests of this project run where nothing else is. */
import { defaultDialects } from '@headgate/dialects';
import { expect, test } from 'vitest';
import { createLimiter } from '../../src/index.js';

test('there is nothing of Node here', () => {
  expect(Reflect.get(globalThis, 'EdgeRuntime')).toBe('edge-runtime');
  for (const name of ['Buffer', 'setImmediate', 'global', 'require']) expect(name in globalThis, name).toBe(false);
});

const chat = { model: 'llama3.2', messages: [{ role: 'user', content: 'Why is the sky blue?' }] };
const line = (more: object): string => `${JSON.stringify({ model: 'llama3.2', ...more })}\n`;
const streamed =
  line({ message: { role: 'assistant', content: 'Because' }, done: false }) +
  line({ message: { role: 'assistant', content: '' }, done: true, prompt_eval_count: 9, eval_count: 1 });

test('limiter.handler limits, reads and counts on its Request and Response', async () => {
  const limiter = createLimiter({ requests: '1/min', output: 7 }, { dialects: defaultDialects });
  const charged: unknown[] = [];
  limiter.on('reservation-settled', ({ usage }) => charged.push(usage));
  const seen: unknown[] = [];
  const handler = limiter.handler(async (request) => {
    seen.push(await request.json());
    return new Response(streamed, { headers: { 'content-type': 'application/x-ndjson' } });
  });
  const ask = (): Promise<Response> =>
    handler(new Request('http://edge.example/api/chat', { method: 'POST', body: JSON.stringify(chat) }));
  expect(await (await ask()).text()).toBe(streamed);
  expect(seen).toMatchObject([{ ...chat, options: { num_predict: 7 } }]);
  expect(charged).toEqual([{ inputTokens: 9, outputTokens: 1 }]);
  const refused = await ask();
  expect([refused.status, refused.headers.get('x-headgate-reason')]).toEqual([429, 'limit']);
});

test('limiter.fetch limits and counts', async () => {
  const limiter = createLimiter({ requests: '1/min' }, { dialects: defaultDialects });
  const fetched = limiter.fetch(
    async () => new Response(streamed, { headers: { 'content-type': 'application/x-ndjson' } }),
  );
  const ask = (): Promise<Response> =>
    fetched('http://ollama.example/api/chat', { method: 'POST', body: JSON.stringify(chat) });
  expect(await (await ask()).text()).toBe(streamed);
  expect((await ask()).status).toBe(429);
});
