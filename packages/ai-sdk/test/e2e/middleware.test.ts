/** The AI SDK against a simulated Ollama, behind a limiter. */
import { createOpenAICompatible } from '@ai-sdk/openai-compatible';
import { APICallError } from '@ai-sdk/provider';
import { createLimiter, type Limiter, type Usage } from '@headgate/core';
import { type FakeOllama, startFakeOllama } from '@headgate/fake-ollama';
import { generateText, type LanguageModel, streamText, wrapLanguageModel } from 'ai';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type HeadgateMiddlewareOptions, headgateMiddleware } from '../../src/index.js';

let server: FakeOllama;

beforeAll(async () => {
  server = await startFakeOllama({ models: ['llama3.2'], outputTokens: 30 });
});
afterAll(() => server.close());

const prompt = 'Why is the sky blue?';

interface World {
  readonly limiter: Limiter;
  readonly model: LanguageModel;
  readonly identities: string[];
  charged(permits: number): Promise<readonly Usage[]>;
}

function world(
  policy: object = { tokens: '100k/hour' },
  options: HeadgateMiddlewareOptions = { identity: 'batch' },
): World {
  const limiter = createLimiter(policy);
  const charged: Usage[] = [];
  const identities: string[] = [];
  limiter.on('reservation-settled', ({ usage, identity }) => {
    charged.push(usage);
    identities.push(identity.id);
  });
  const provider = createOpenAICompatible({ name: 'ollama', baseURL: `${server.url}/v1`, includeUsage: true });
  return {
    limiter,
    identities,
    model: wrapLanguageModel({ model: provider('llama3.2'), middleware: headgateMiddleware(limiter, options) }),
    charged: async (permits) => {
      await expect.poll(() => charged.length).toBe(permits);
      expect(limiter.stats()).toMatchObject({ inFlight: 0, waiting: 0, open: 0 });
      return charged;
    },
  };
}

test('generateText is charged what its provider reports', async () => {
  const { model, charged, identities } = world();
  const { text, usage } = await generateText({ model, prompt });
  expect(text).toBeTruthy();
  expect(await charged(1)).toEqual([{ inputTokens: usage.inputTokens, outputTokens: usage.outputTokens }]);
  expect(identities).toEqual(['batch']);
});

test('streamText is charged at the end of its stream', async () => {
  const { limiter, model, charged } = world();
  const result = streamText({ model, prompt });
  let words = 0;
  for await (const _ of result.textStream) {
    words++;
    expect(limiter.stats().inFlight).toBe(1);
  }
  expect([words > 10, await result.finishReason]).toEqual([true, 'stop']);
  const usage = await result.usage;
  expect(await charged(1)).toEqual([{ inputTokens: usage.inputTokens, outputTokens: usage.outputTokens }]);
});

test("a call's own identity goes before, and one may be found from the call", async () => {
  const { model, identities } = world(undefined, { identity: (params) => `length-${params.prompt.length}` });
  await generateText({ model, prompt });
  await generateText({ model, prompt, providerOptions: { headgate: { identity: 'red' } } });
  expect(identities).toEqual(['length-1', 'red']);
});

test('the output cap of the policy is sent', async () => {
  const { model } = world({ output: 5 });
  const { usage, finishReason } = await generateText({ model, prompt, maxOutputTokens: 500 });
  expect([usage.outputTokens, finishReason]).toEqual([5, 'length']);
});

test('answers in one piece may altogether use what the budget holds, and no more, though they are longer than any before', async () => {
  const { limiter, model } = world({ outputTokens: '100/hour' });
  for (let i = 0; i < 30; i++) {
    const decision = limiter.admitNow({ identity: `other-${i}`, model: 'llama3.2' });
    if (decision.admitted) decision.permit.settle({ outputTokens: 2 });
  }
  const all = Array.from({ length: 8 }, () => generateText({ model, prompt, maxOutputTokens: 60, maxRetries: 0 }));
  const answers = (await Promise.allSettled(all)).flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []));
  expect(answers.length).toBeGreaterThan(1);
  expect(answers.some(({ finishReason }) => finishReason === 'length')).toBe(true);
  expect(limiter.peekNow({ identity: 'batch', model: 'llama3.2' })[0]?.remaining).toBeGreaterThanOrEqual(0);
});

test('a refusal is an APICallError with our sentence; what waiting does not cure is not tried again', async () => {
  const { model } = world({ requests: '1/min', models: ['llama3.2:*'] });
  await generateText({ model, prompt });
  const error = await generateText({ model, prompt, maxRetries: 0 }).catch((thrown: unknown) => thrown);
  expect(APICallError.isInstance(error)).toBe(true);
  expect(error).toMatchObject({ statusCode: 429, isRetryable: true, data: { reason: 'limit' } });
  expect((error as Error).message).toContain('1 request per minute');

  const other = world({ models: ['mistral'] });
  await expect(generateText({ model: other.model, prompt })).rejects.toMatchObject({
    statusCode: 403,
    isRetryable: false,
  });
});

test('the SDK waits as it was told, and passes', async () => {
  const { model, charged } = world({ requests: '1/s' });
  const answers = await Promise.all([generateText({ model, prompt }), generateText({ model, prompt })]);
  expect(answers.every(({ text }) => text !== '')).toBe(true);
  await charged(2);
});

test('a budget that ends mid-stream ends the answer with its length for the reason', async () => {
  const { model, charged } = world({ tokens: '25/hour' });
  const result = streamText({ model, prompt });
  let words = 0;
  for await (const _ of result.textStream) words++;
  expect(await result.finishReason).toBe('length');
  expect(words).toBeLessThan(25);
  expect(await charged(1)).toMatchObject([{ outputTokens: words }]);
});

test('a reader that leaves pays for what it read, and the backend is told', async () => {
  const { limiter, model, charged } = world();
  const leaving = new AbortController();
  const slow = await startFakeOllama({ models: ['llama3.2'], faults: { stallAfterTokens: 5 } });
  const provider = createOpenAICompatible({ name: 'ollama', baseURL: `${slow.url}/v1` });
  const slowModel = wrapLanguageModel({ model: provider('llama3.2'), middleware: headgateMiddleware(limiter) });
  try {
    const result = streamText({ model: slowModel, prompt, abortSignal: leaving.signal, onError: () => {} });
    let words = 0;
    for await (const _ of result.textStream) if (++words === 3) leaving.abort();
    expect((await charged(1))[0]!.outputTokens).toBeLessThanOrEqual(5);
    await slow.idle();
  } finally {
    await slow.close();
  }
  await generateText({ model, prompt });
  await charged(2);
});

test('a provider that reports no usage at all, against its type, is charged what was set aside, and its permit ends', async () => {
  const { limiter, charged } = world({ tokens: '100k/hour', concurrency: 1 });
  const provider = createOpenAICompatible({ name: 'ollama', baseURL: `${server.url}/v1`, includeUsage: true });
  const { wrapGenerate } = headgateMiddleware(limiter, { identity: 'batch' });
  const model = provider('llama3.2');
  const result = { content: [], finishReason: { unified: 'stop', raw: undefined }, warnings: [], usage: undefined };
  const params = { prompt: [] };
  await wrapGenerate!({
    params,
    model: Object.assign(Object.create(model), { doGenerate: async () => result }),
    doGenerate: async () => result as never,
    doStream: async () => ({}) as never,
  });
  expect((await charged(1))[0]!.outputTokens).toBeGreaterThan(0);
});
