// The smallest Koa application behind Headgate: a chat endpoint that answers by itself, six requests a minute for each client.
//
//   npm start
//   curl -i http://127.0.0.1:3000/api/chat -d '{"model":"parrot","messages":[{"role":"user","content":"hello there"}]}'
//
// Run the second line a few times and see the 429. The answer streams; its tokens are counted as they pass.
import { Readable } from 'node:stream';
import { ollamaLimiter } from '@headgate/koa';
import { bodyParser } from '@koa/bodyparser';
import Koa from 'koa';

const app = new Koa();
app.use(ollamaLimiter({ requests: '6/min burst 3', tokens: '10k/hour', concurrency: 2 }));
app.use(bodyParser());

app.use((ctx) => {
  const { model, messages, stream = true } = ctx.request.body;
  const answer = (content, done) => ({ model, message: { role: 'assistant', content }, done });
  const words = String(messages.at(-1).content).split(' ');
  if (!stream) {
    ctx.body = answer(words.join(' '), true);
    return;
  }
  const lines = words.map((word) => answer(`${word} `, false));
  lines.push({ ...answer('', true), done_reason: 'stop', eval_count: words.length });
  ctx.type = 'application/x-ndjson';
  ctx.body = Readable.from(lines.map((line) => `${JSON.stringify(line)}\n`));
});

export const server = app.listen(Number(process.env.PORT ?? 3000), '127.0.0.1', () => {
  console.log(`listening on http://127.0.0.1:${server.address().port}`);
});
