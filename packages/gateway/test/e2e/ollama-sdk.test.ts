import { Ollama } from 'ollama';
import { describe, expect, it } from 'vitest';
import { stillTime } from '../../../../test/support/still-time.js';
import { setup, until } from '../support/harness.js';

const messages = [{ role: 'user', content: 'Why is the sky blue?' }];
const model = 'llama3.2';

describe('the ollama client through the gateway', () => {
  it('gets a whole answer, with the usage that the backend reports', async () => {
    const { url, log } = await setup({ requests: '100/min' });
    const answer = await new Ollama({ host: url }).chat({ model, messages });
    expect(answer.message.content.length).toBeGreaterThan(0);
    expect(answer.eval_count).toBe(18);
    await until(() => log.length === 1, 'the request is logged');
    expect(log[0]).toMatchObject({ operation: 'chat', status: 200, backend: 'b1', tries: 1, outputTokens: 18 });
  });

  it('gets a stream, part by part, to its last object', async () => {
    const { url } = await setup({});
    const parts = [];
    for await (const part of await new Ollama({ host: url }).generate({ model, prompt: 'hi', stream: true })) {
      parts.push(part);
    }
    expect(parts.length).toBeGreaterThan(10);
    expect(parts.at(-1)).toMatchObject({ done: true, done_reason: 'stop' });
  });

  it('gets embeddings', async () => {
    const { url } = await setup({});
    const answer = await new Ollama({ host: url }).embed({ model: 'nomic-embed-text', input: ['a', 'b'] });
    expect(answer.embeddings).toHaveLength(2);
  });

  it('shows its user the sentence of a refusal', async () => {
    stillTime();
    const { url } = await setup({ requests: '10/min burst 1' });
    const client = new Ollama({ host: url });
    await client.chat({ model, messages });
    await expect(client.chat({ model, messages })).rejects.toThrow(
      /^rate limit exceeded for address:127\.0\.0\.1: 10 requests per minute, burst 1 .* please try again in \ds\.$/,
    );
  });

  it('stops the backend at once when it aborts', async () => {
    const { url, backend, gateway } = await setup(
      {},
      { backends: [{ decodeTokensPerSecond: 20, outputTokens: 1000 }] },
    );
    const client = new Ollama({ host: url });
    const stream = await client.chat({ model, messages, stream: true });
    const read = async (): Promise<void> => {
      for await (const _ of stream) client.abort();
    };
    await expect(read()).rejects.toThrow(/abort/i);
    await backend.waitFor(() => backend.stats().aborted === 1);
    await until(() => gateway.limiter.stats().inFlight === 0, 'the permit has ended');
  });

  it('reports an error when the backend dies in the middle', async () => {
    const { url, gateway } = await setup({}, { backends: [{ faults: { dieAfterTokens: 5 } }] });
    const stream = await new Ollama({ host: url }).chat({ model, messages, stream: true });
    let parts = 0;
    const read = async (): Promise<void> => {
      for await (const _ of stream) parts += 1;
    };
    await expect(read()).rejects.toThrow('the backend broke off in the middle of its answer.');
    expect(parts).toBeGreaterThan(0);
    expect(gateway.limiter.stats()).toMatchObject({ inFlight: 0, open: 0 });
  });

  it('reports an error when the stream ends well-formed but without its last object', async () => {
    const { url } = await setup({}, { backends: [{ faults: { silentEndAfterTokens: 5 } }] });
    const stream = await new Ollama({ host: url }).chat({ model, messages, stream: true });
    const read = async (): Promise<void> => {
      for await (const _ of stream);
    };
    await expect(read()).rejects.toThrow('the backend ended its answer before it was whole.');
  });

  it('lists only the models that its tier allows', async () => {
    const { url } = await setup({ models: ['llama3.2', 'mistral:*'] });
    const { models } = await new Ollama({ host: url }).list();
    expect(models.map(({ name }) => name).sort()).toEqual(['llama3.2:latest', 'mistral:7b']);
  });

  it('does not see the system prompt and the Modelfile of a model', async () => {
    const { url } = await setup({});
    const shown = await new Ollama({ host: url }).show({ model });
    expect(shown.details.family).toBe('llama');
    expect(shown.modelfile ?? '').toBe('');
    expect(shown.template ?? '').toBe('');
  });

  it('does not see the prompt as the model does, with system prompt and template in it', async () => {
    const { url, backend, gateway } = await setup({ requests: '10/min' });
    const asked = { model, messages: [{ role: 'user', content: 'hi' }], _debug_render_only: true };
    await expect(new Ollama({ host: url }).chat(asked)).rejects.toThrow('_debug_render_only is not allowed here');
    expect(backend.seen).toHaveLength(0);
    expect(gateway.limiter.stats()).toMatchObject({ keys: 0, open: 0 });
  });
});
