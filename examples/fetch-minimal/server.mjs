// The smallest `(Request) => Response` behind Headgate, for any runtime: a chat endpoint that answers by itself, six requests a minute for each client.
//
//   npm start
//   curl -i http://127.0.0.1:3000/api/chat -d '{"model":"parrot","messages":[{"role":"user","content":"hello there"}]}'
//
// Run the second line a few times and see the 429. The answer streams; its tokens are counted as they pass.
import { createLimiter } from '@headgate/core';
import { defaultDialects } from '@headgate/dialects';
import { serve } from '@hono/node-server';

const limiter = createLimiter(
  { requests: '6/min burst 3', tokens: '10k/hour', concurrency: 2 },
  { dialects: defaultDialects },
);

async function chat(request) {
  const { model, messages, stream = true } = await request.json();
  const answer = (content, done) => ({ model, message: { role: 'assistant', content }, done });
  const words = String(messages.at(-1).content).split(' ');
  if (!stream) return Response.json(answer(words.join(' '), true));
  const lines = words.map((word) => answer(`${word} `, false));
  lines.push({ ...answer('', true), done_reason: 'stop', eval_count: words.length });
  const body = lines.map((line) => `${JSON.stringify(line)}\n`).join('');
  return new Response(body, { headers: { 'content-type': 'application/x-ndjson' } });
}

// What stands for a server of your runtime here: Deno.serve(handler), Bun.serve({ fetch: handler }), export default { fetch: handler }.
// Only the runtime knows the client's address; each tells it in its own way.
export const handler = limiter.handler(chat, { address: (_request, env) => env.incoming.socket.remoteAddress });
const options = { fetch: handler, port: Number(process.env.PORT ?? 3000), hostname: '127.0.0.1' };
export const server = serve(options, ({ port }) => console.log(`listening on http://127.0.0.1:${port}`));
