// Two tenants, one server with one slot. Greedy sends twelve requests at once; patient comes later with two. Each waits its turn
// by what its tenant has used, so patient is not behind all of greedy.
//
//   npm start
import { createLimiter } from '@headgate/core';
import { defaultDialects } from '@headgate/dialects';
import { startFakeOllama } from '@headgate/fake-ollama';

const server = await startFakeOllama({ models: ['llama3.2'], outputTokens: 30, decodeTokensPerSecond: 3000 });
const limiter = createLimiter(
  { limits: [{ name: 'house', per: 'all', concurrency: 1 }], queue: { depth: 50, wait: '30s' } },
  { dialects: defaultDialects },
);

/** The order in which requests were let through, by tenant. */
export const order = [];
limiter.on('request-admitted', ({ identity }) => order.push(identity.id));

const tenant = (identity) => {
  const limited = limiter.fetch(fetch, { identity });
  return async () => {
    const messages = [{ role: 'user', content: 'Why is the sky blue?' }];
    const response = await limited(`${server.url}/api/chat`, {
      method: 'POST',
      body: JSON.stringify({ model: 'llama3.2', messages }),
    });
    await response.text();
    return response.status;
  };
};

const [greedy, patient] = [tenant('greedy'), tenant('patient')];
const all = Array.from({ length: 12 }, greedy);
while (limiter.stats().waiting < 11) await new Promise((resolve) => setImmediate(resolve));
all.push(patient(), patient());
export const statuses = await Promise.all(all);
console.log(order.join(' '));
await server.close();
