// The smallest Hono application behind Headgate: a chat endpoint that answers by itself, six requests a minute for each client.
//
//   npm start
//   curl -i http://127.0.0.1:3000/api/chat -d '{"model":"parrot","messages":[{"role":"user","content":"hello there"}]}'
//
// Run the second line a few times and see the 429. The answer streams; its tokens are counted as they pass.
import { ollamaLimiter } from '@headgate/hono';
import { serve } from '@hono/node-server';
import { Hono } from 'hono';
import { stream as streaming } from 'hono/streaming';

const app = new Hono();
app.use('*', ollamaLimiter({ requests: '6/min burst 3', tokens: '10k/hour', concurrency: 2 }));

app.post('/api/chat', async (c) => {
  const { model, messages, stream = true } = await c.req.json();
  const answer = (content, done) => ({ model, message: { role: 'assistant', content }, done });
  const words = String(messages.at(-1).content).split(' ');
  if (!stream) return c.json(answer(words.join(' '), true));
  c.header('content-type', 'application/x-ndjson');
  return streaming(c, async (body) => {
    for (const word of words) await body.writeln(JSON.stringify(answer(`${word} `, false)));
    await body.writeln(JSON.stringify({ ...answer('', true), done_reason: 'stop', eval_count: words.length }));
  });
});

const options = { fetch: app.fetch, port: Number(process.env.PORT ?? 3000), hostname: '127.0.0.1' };
export const server = serve(options, ({ port }) => console.log(`listening on http://127.0.0.1:${port}`));
