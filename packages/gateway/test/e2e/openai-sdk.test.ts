import OpenAI from 'openai';
import { describe, expect, it } from 'vitest';
import { stillTime } from '../../../../test/support/still-time.js';
import { setup, until } from '../support/harness.js';

const messages = [{ role: 'user' as const, content: 'Why is the sky blue?' }];
const model = 'llama3.2';

function clientOf(url: string): OpenAI {
  return new OpenAI({ baseURL: `${url}/v1`, apiKey: 'team-a', maxRetries: 0 });
}

async function drain(stream: AsyncIterable<unknown>): Promise<number> {
  let events = 0;
  for await (const _ of stream) events += 1;
  return events;
}

describe('the openai client through the gateway', () => {
  it('gets a whole answer', async () => {
    const { url } = await setup({ requests: '100/min' });
    const answer = await clientOf(url).chat.completions.create({ model, messages });
    expect(answer.choices[0]?.message.content?.length).toBeGreaterThan(0);
    expect(answer.usage?.completion_tokens).toBe(18);
  });

  it('gets a stream without the usage event that it did not ask for, which is metered all the same', async () => {
    const { url, log } = await setup({ tokens: '100k/hour' });
    const events = [];
    for await (const event of await clientOf(url).chat.completions.create({ model, messages, stream: true })) {
      events.push(event);
    }
    expect(events.every(({ choices }) => choices.length === 1)).toBe(true);
    expect(events.at(-1)?.choices[0]?.finish_reason).toBe('stop');
    await until(() => log.length === 1, 'the request is logged');
    expect(log[0]).toMatchObject({ dialect: 'openai', outputTokens: 18 });
  });

  it('gets the usage event that it asked for', async () => {
    const { url } = await setup({});
    const usages = [];
    const stream_options = { include_usage: true };
    for await (const { usage } of await clientOf(url).chat.completions.create({
      model,
      messages,
      stream: true,
      stream_options,
    })) {
      if (usage) usages.push(usage.completion_tokens);
    }
    expect(usages).toEqual([18]);
  });

  it('gets embeddings', async () => {
    const { url } = await setup({});
    const answer = await clientOf(url).embeddings.create({
      model: 'nomic-embed-text',
      input: 'hi',
      encoding_format: 'float',
    });
    expect(answer.data[0]?.embedding).toHaveLength(768);
  });

  it('shows its user the sentence of a refusal, with its code', async () => {
    stillTime();
    const { url } = await setup({ requests: '10/min burst 1' });
    const client = clientOf(url);
    await client.chat.completions.create({ model, messages });
    const refused = client.chat.completions.create({ model, messages });
    await expect(refused).rejects.toMatchObject({ status: 429, code: 'rate_limit_exceeded' });
    await expect(refused).rejects.toThrow(/429 rate limit exceeded for key:[0-9a-f]+: 10 requests per minute, burst 1/);
  });

  it('comes back by itself after a refusal, and then succeeds', async () => {
    const { url, log } = await setup({ requests: '10/min burst 1' });
    const client = new OpenAI({ baseURL: `${url}/v1`, apiKey: 'team-a', maxRetries: 2 });
    await client.chat.completions.create({ model, messages });
    await client.chat.completions.create({ model, messages });
    await until(() => log.length === 3, 'three requests are logged');
    expect(log.map(({ status }) => status)).toEqual([200, 429, 200]);
  });

  it('stops the backend at once when it aborts', async () => {
    const { url, backend, gateway } = await setup(
      {},
      { backends: [{ decodeTokensPerSecond: 20, outputTokens: 1000 }] },
    );
    const stream = await clientOf(url).chat.completions.create({ model, messages, stream: true });
    for await (const _ of stream) break;
    await backend.waitFor(() => backend.stats().aborted === 1);
    await until(() => gateway.limiter.stats().inFlight === 0, 'the permit has ended');
  });

  it.each([
    ['the connection breaks', { dieAfterTokens: 5 }, 'the backend broke off in the middle of its answer.'],
    ['the runner crashes', { crashAfterTokens: 5 }, 'the backend ended its answer before it was whole.'],
    ['the stream just ends', { silentEndAfterTokens: 5 }, 'the backend ended its answer before it was whole.'],
  ])('reports an error when %s in the middle', async (_, faults, message) => {
    const { url } = await setup({}, { backends: [{ faults }] });
    const stream = await clientOf(url).chat.completions.create({ model, messages, stream: true });
    await expect(drain(stream)).rejects.toThrow(message);
  });

  it('lists only the models that its tier allows', async () => {
    const { url } = await setup({ models: ['llama3.2'] });
    const { data } = await clientOf(url).models.list();
    expect(data.map(({ id }) => id)).toEqual(['llama3.2:latest']);
  });
});
