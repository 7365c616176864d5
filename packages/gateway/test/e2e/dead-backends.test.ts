/** What the users of real client libraries see of a backend that dies, and of what we add to a request for ourselves. */
import { createOpenAICompatible } from '@ai-sdk/openai-compatible';
import { streamText } from 'ai';
import OpenAI from 'openai';
import { describe, expect, it, vi } from 'vitest';
import { clients, type Heard } from '../support/clients.js';
import { chat, post, setup, until } from '../support/harness.js';

describe.each(clients)('F27: $name', ({ stream, swallowsErrors }) => {
  it.each([
    ['breaks its connection', { dieAfterTokens: 6 }, 'the backend broke off in the middle of its answer.'],
    ['crashes', { crashAfterTokens: 6 }, 'the backend ended its answer before it was whole.'],
    ['just ends', { silentEndAfterTokens: 6 }, 'the backend ended its answer before it was whole.'],
  ])('never takes the answer of a backend that %s for a whole one', async (_, faults, message) => {
    const { url, log, gateway } = await setup({ tokens: '100k/hour' }, { backends: [{ faults }] });
    const heard: Heard = { text: '', finish: undefined };
    vi.spyOn(console, 'warn').mockImplementation(() => {});
    const read = stream(url, heard);
    if (swallowsErrors) {
      await read;
      expect(['other', 'unknown', 'error']).toContain(heard.finish);
    } else {
      // Ollama itself tells of a crash in its own API, and we pass on what it says.
      const own = /an error was encountered while running the model|the backend ended its answer/;
      await expect(read).rejects.toThrow('crashAfterTokens' in faults ? own : message);
    }
    await until(() => log.length === 1, 'the request is logged');
    expect(gateway.limiter.stats()).toMatchObject({ inFlight: 0, open: 0 });
    // The last token may be lost with the connection.
    expect(log[0]?.outputTokens).toBeGreaterThanOrEqual(5);
    expect(log[0]?.outputTokens).toBeLessThanOrEqual(6);
  });
});

describe('F30: usage that we asked for and the client did not', () => {
  const model = 'llama3.2';
  const asked = { model, messages: [{ role: 'user' as const, content: 'hi' }], stream: true as const };

  it('never shows in a chunk, so that code which reads the first choice of each one works', async () => {
    const { url, backend } = await setup({});
    const client = new OpenAI({ baseURL: `${url}/v1`, apiKey: 'team-a', maxRetries: 0 });
    let text = '';
    for await (const chunk of await client.chat.completions.create(asked)) {
      text += chunk.choices[0]!.delta.content ?? '';
      expect(chunk).not.toHaveProperty('usage');
    }
    for await (const chunk of await client.completions.create({ model, prompt: 'hi', stream: true })) {
      text += chunk.choices[0]!.text;
      expect(chunk).not.toHaveProperty('usage');
    }
    expect(text.length).toBeGreaterThan(20);
    expect(backend.seen.map(({ json }) => (json as { stream_options?: unknown }).stream_options)).toEqual([
      { include_usage: true },
      { include_usage: true },
    ]);
  });

  it('is not there for the AI SDK either, and is where it asked', async () => {
    const { url, log } = await setup({});
    const usageOf = async (includeUsage: boolean): Promise<number | undefined> => {
      const provider = createOpenAICompatible({ name: 'gateway', baseURL: `${url}/v1`, includeUsage });
      const result = streamText({ model: provider.chatModel(model), prompt: 'hi' });
      await result.consumeStream();
      return (await result.totalUsage).outputTokens;
    };
    expect([await usageOf(false), await usageOf(true)]).toEqual([undefined, 18]);
    await until(() => log.length === 2, 'both are logged');
    expect(log.map(({ outputTokens }) => outputTokens)).toEqual([18, 18]);
  });

  it('leaves a stream of which every line is an event, a blank or the end', async () => {
    const { url } = await setup({});
    const lines = (await (await post(`${url}/v1/chat/completions`, asked)).text()).split('\n');
    const events = lines.filter((line) => line !== '');
    expect(events.at(-1)).toBe('data: [DONE]');
    for (const event of events.slice(0, -1)) {
      expect((JSON.parse(event.replace(/^data: /, '')) as { choices: unknown[] }).choices).toHaveLength(1);
    }
  });

  it('and nothing else: no line of NDJSON is blank, which some clients cannot read', async () => {
    const { url } = await setup({ tokens: '100k/hour' });
    const text = await (await post(`${url}/api/chat`, { ...chat, stream: true })).text();
    expect(text.endsWith('}\n')).toBe(true);
    for (const line of text.slice(0, -1).split('\n')) expect(() => JSON.parse(line)).not.toThrow();
  });
});
