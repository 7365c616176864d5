// Your own LLM wrapper behind a limiter, called as before: a stream that is counted as it is read, and a refusal as an error.
//
//   OLLAMA_HOST=http://127.0.0.1:11434 npm start            without one, a simulated server answers
import { createLimiter, RefusedError } from '@headgate/core';
import { startFakeOllama } from '@headgate/fake-ollama';
import { Ollama } from 'ollama';

const simulated = process.env.OLLAMA_HOST
  ? undefined
  : await startFakeOllama({ models: ['llama3.2'], outputTokens: 40 });
const ollama = new Ollama({ host: process.env.OLLAMA_HOST ?? simulated.url });

/** What you have already: yields the pieces of an answer. */
async function* chat({ user: _user, model, prompt }) {
  const answer = await ollama.chat({ model, messages: [{ role: 'user', content: prompt }], stream: true });
  for await (const piece of answer) yield piece;
}

const limiter = createLimiter({ requests: '3/min', tokens: '10k/hour' });
const limited = limiter.wrap(chat, {
  describe: ({ user, model, prompt }) => ({ identity: user, model, input: prompt }),
  // The last piece says what it cost; until then each counts as one token.
  usage: (piece) => (piece.done ? { inputTokens: piece.prompt_eval_count, outputTokens: piece.eval_count } : undefined),
});

export const charged = [];
limiter.on('reservation-settled', ({ identity, usage }) => {
  charged.push(usage);
  console.log(`${identity.id} is charged ${usage.inputTokens} + ${usage.outputTokens} tokens`);
});

const question = { user: 'ann', model: 'llama3.2', prompt: 'Why is the sky blue?' };
let text = '';
for await (const { message } of limited(question)) text += message.content;
console.log(`whole: ${text.slice(0, 60)}...`);

// Leaving early is charged what was read.
let pieces = 0;
for await (const _ of limited(question)) if (++pieces === 5) break;

for await (const _ of limited(question));
export const refusal = await limited(question)
  .next()
  .catch((error) => {
    if (error instanceof RefusedError) return error.refusal;
    throw error;
  });
console.log(`the fourth: ${refusal.message}`);
await simulated?.close();
