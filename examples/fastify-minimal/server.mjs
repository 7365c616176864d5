// The smallest Fastify application behind Headgate: a chat endpoint that answers by itself, six requests a minute for each client.
//
//   npm start
//   curl -i http://127.0.0.1:3000/api/chat -d '{"model":"parrot","messages":[{"role":"user","content":"hello there"}]}'
//
// Run the second line a few times and see the 429. The answer streams; its tokens are counted as they pass.
import { Readable } from 'node:stream';
import { ollamaLimiter } from '@headgate/fastify';
import fastify from 'fastify';

const app = fastify();
app.register(ollamaLimiter, { requests: '6/min burst 3', tokens: '10k/hour', concurrency: 2 });

app.post('/api/chat', async ({ body }, reply) => {
  const { model, messages, stream = true } = body;
  const answer = (content, done) => ({ model, message: { role: 'assistant', content }, done });
  const words = String(messages.at(-1).content).split(' ');
  if (!stream) return answer(words.join(' '), true);
  const lines = words.map((word) => answer(`${word} `, false));
  lines.push({ ...answer('', true), done_reason: 'stop', eval_count: words.length });
  return reply.type('application/x-ndjson').send(Readable.from(lines.map((line) => `${JSON.stringify(line)}\n`)));
});

await app.listen({ port: Number(process.env.PORT ?? 3000), host: '127.0.0.1' });
console.log(`listening on http://127.0.0.1:${app.server.address().port}`);
export const { server } = app;
