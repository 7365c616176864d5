import Anthropic from '@anthropic-ai/sdk';
import { describe, expect, it } from 'vitest';
import { stillTime } from '../../../../test/support/still-time.js';
import { setup, until } from '../support/harness.js';

const question = {
  model: 'llama3.2',
  max_tokens: 100,
  messages: [{ role: 'user' as const, content: 'Why is the sky blue?' }],
};

function clientOf(url: string): Anthropic {
  return new Anthropic({ baseURL: url, apiKey: 'team-a', maxRetries: 0 });
}

async function drain(stream: AsyncIterable<unknown>): Promise<void> {
  for await (const _ of stream);
}

describe('the Anthropic client through the gateway', () => {
  it('gets a whole answer', async () => {
    const { url } = await setup({ requests: '100/min' });
    const answer = await clientOf(url).messages.create(question);
    expect(answer.content[0]).toMatchObject({ type: 'text' });
    expect(answer.usage.output_tokens).toBe(18);
  });

  it('gets a stream to its last event', async () => {
    const { url, log } = await setup({ tokens: '100k/hour' });
    const message = await clientOf(url).messages.stream(question).finalMessage();
    expect(message.stop_reason).toBe('end_turn');
    await until(() => log.length === 1, 'the request is logged');
    expect(log[0]).toMatchObject({ dialect: 'anthropic', operation: 'chat', outputTokens: 18 });
  });

  it('shows its user the sentence of a refusal', async () => {
    stillTime();
    const { url } = await setup({ requests: '10/min burst 1' });
    const client = clientOf(url);
    await client.messages.create(question);
    const refused = client.messages.create(question);
    await expect(refused).rejects.toMatchObject({ status: 429, type: 'rate_limit_error' });
    await expect(refused).rejects.toThrow(/rate limit exceeded for key:[0-9a-f]+: 10 requests per minute, burst 1/);
  });

  it('stops the backend at once when it aborts', async () => {
    const { url, backend, gateway } = await setup(
      {},
      { backends: [{ decodeTokensPerSecond: 20, outputTokens: 1000 }] },
    );
    const stream = await clientOf(url).messages.create({ ...question, stream: true });
    for await (const event of stream) if (event.type === 'content_block_delta') break;
    await backend.waitFor(() => backend.stats().aborted === 1);
    await until(() => gateway.limiter.stats().inFlight === 0, 'the permit has ended');
  });

  it.each([
    ['the connection breaks', { dieAfterTokens: 5 }, 'the backend broke off in the middle of its answer.'],
    ['the stream just ends', { crashAfterTokens: 5 }, 'the backend ended its answer before it was whole.'],
  ])('reports an error when %s in the middle', async (_, faults, message) => {
    const { url } = await setup({}, { backends: [{ faults }] });
    const stream = await clientOf(url).messages.create({ ...question, stream: true });
    await expect(drain(stream)).rejects.toThrow(message);
  });
});
