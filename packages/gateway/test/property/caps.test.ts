import fc from 'fast-check';
import { expect, test } from 'vitest';
import { holds } from '../../../../test/support/seeds.js';
import { chat, generate, post, setup } from '../support/harness.js';

const cap = 20;

/** What every API and server calls a cap, a number of answers, or both together. */
const caps = ['max_tokens', 'max_completion_tokens', 'max_output_tokens', 'num_predict', 'n_predict'];
const counts = ['n', 'best_of', 'n_cmpl'];
const value = fc.oneof(
  { weight: 6, arbitrary: fc.integer({ min: -3, max: 400 }) },
  { weight: 2, arbitrary: fc.constantFrom(0, -1, -2, 1e9, 2 ** 53, 1e300, 0.5) },
  { weight: 1, arbitrary: fc.constantFrom<unknown>('400', '', null, true, [], [400], {}, { max: 400 }) },
);
const declared = fc.record({
  top: fc.dictionary(fc.constantFrom(...caps, ...counts), value, { maxKeys: 4 }),
  options: fc.option(fc.dictionary(fc.constantFrom(...caps, 'NUM_PREDICT', 'num_ctx'), value, { maxKeys: 3 })),
});
const requests: Readonly<Record<string, object>> = {
  '/api/chat': { ...chat, stream: true },
  '/api/generate': { ...generate, stream: false },
  '/v1/chat/completions': chat,
  '/v1/completions': { model: 'llama3.2', prompt: 'hi', stream: true },
  '/v1/responses': { model: 'llama3.2', input: 'hi' },
  '/v1/messages': { ...chat, max_tokens: 500 },
};

/** How many answers a server gives that knows any of the names; Ollama knows none, and Anthropic's API has none. */
function answersOf(path: string, body: Readonly<Record<string, unknown>>): number {
  if (!path.startsWith('/v1/') || path === '/v1/messages') return 1;
  return Math.max(1, ...counts.map((name) => (typeof body[name] === 'number' ? body[name] : 1)));
}

/** The most that a server writes into one answer which takes the largest cap it finds, and none above zero for no end. */
function capOf(path: string, body: Readonly<Record<string, unknown>>): number {
  // Only Ollama's own API has options in an object of theirs.
  const options = (path.startsWith('/api/') ? (body.options ?? {}) : {}) as Readonly<Record<string, unknown>>;
  const found = [...caps.map((name) => body[name]), ...caps.map((name) => options[name])].filter(
    (limit) => typeof limit === 'number',
  );
  return found.length === 0 || found.some((limit) => limit <= 0) ? Number.POSITIVE_INFINITY : Math.max(...found);
}

test('F10: no field, and no two of them, get more out of a backend than the cap of the tier', async () => {
  const { url, backend } = await setup({ output: cap }, { backends: [{ outputTokens: 5_000 }], slots: 8 });
  let answered = 0;
  const path = fc.constantFrom(...Object.keys(requests));
  await holds(
    fc.asyncProperty(path, declared, async (to, { top, options }) => {
      const seenBefore = backend.seen.length;
      const answer = await post(`${url}${to}`, { ...requests[to], ...top, ...(options !== null && { options }) });
      await answer.arrayBuffer();
      if (answer.status === 400) {
        expect(backend.seen).toHaveLength(seenBefore);
        return;
      }
      answered += 1;
      expect(answer.status).toBe(200);
      const { tokensSent, json } = backend.seen.at(-1)!;
      expect(tokensSent).toBeLessThanOrEqual(cap);
      const body = json as Record<string, unknown>;
      const answers = answersOf(to, body);
      // More answers than tokens are granted get one token each, and the meter cuts the rest.
      expect(capOf(to, body) * answers).toBeLessThanOrEqual(Math.max(cap, answers));
    }),
    { runs: 250 },
  );
  expect(answered).toBeGreaterThan(100);
});
