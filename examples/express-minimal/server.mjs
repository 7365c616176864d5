// The smallest application behind Headgate: a chat endpoint that answers by itself, six requests a minute for each client.
//
//   npm start
//   curl -i http://127.0.0.1:3000/api/chat -d '{"model":"parrot","messages":[{"role":"user","content":"hello there"}]}'
//
// Run the second line a few times and see the 429. The answer streams; its tokens are counted as they pass.
import { ollamaLimiter } from '@headgate/express';
import express from 'express';

const app = express();
app.use(ollamaLimiter({ requests: '6/min burst 3', tokens: '10k/hour', concurrency: 2 }));

app.post('/api/chat', express.json(), (req, res) => {
  const { model, messages, stream = true } = req.body;
  const answer = (content, done) => ({ model, message: { role: 'assistant', content }, done });
  const words = String(messages.at(-1).content).split(' ');
  if (!stream) return res.json(answer(words.join(' '), true));
  res.type('application/x-ndjson');
  for (const word of words) res.write(`${JSON.stringify(answer(`${word} `, false))}\n`);
  res.end(`${JSON.stringify({ ...answer('', true), done_reason: 'stop', eval_count: words.length })}\n`);
});

export const server = app.listen(Number(process.env.PORT ?? 3000), '127.0.0.1', () => {
  console.log(`listening on http://127.0.0.1:${server.address().port}`);
});
