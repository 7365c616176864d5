// An agent that would go round in circles: its run is an envelope of tool calls, depth and time, and ends it.
//
//   npm start
import { createLimiter, RefusedError } from '@headgate/core';
import { startFakeOllama } from '@headgate/fake-ollama';
import { Ollama } from 'ollama';

const server = await startFakeOllama({ models: ['llama3.2'], outputTokens: 20 });
const ollama = new Ollama({ host: server.url });
const limiter = createLimiter({ run: { toolCalls: 3, depth: 2, time: '60s' }, tokens: '50k/hour' });

const run = limiter.startRun({ identity: 'team-a', id: 'research-1' });
export const steps = [];

/** One step: ask the model, then use a tool, whatever it said. */
async function step(envelope, question) {
  const messages = [{ role: 'user', content: question }];
  const request = { identity: 'team-a', run: envelope, model: 'llama3.2', input: question };
  const answer = await limiter.run(request, () => ollama.chat({ model: 'llama3.2', messages }), {
    usage: ({ prompt_eval_count: inputTokens, eval_count: outputTokens }) => ({ inputTokens, outputTokens }),
  });
  envelope.toolCall('search');
  steps.push(`searched after ${answer.eval_count} tokens`);
}

export let refusal;
try {
  // An agent of its own for the second question, one level deeper in the same envelope.
  await step(run, 'What is known?');
  await step(run.child(), 'And what is not?');
  for (;;) await step(run, 'Go on.');
} catch (error) {
  if (!(error instanceof RefusedError)) throw error;
  refusal = error.refusal;
} finally {
  run.end();
}
console.log(`${steps.length} searches, then: ${refusal.message}`);
await server.close();
