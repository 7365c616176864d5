import Anthropic from '@anthropic-ai/sdk';
import { Ollama } from 'ollama';
import OpenAI from 'openai';
import { expect, test } from 'vitest';
import type { FakeOllama } from '../../src/index.js';
import { fake, user } from './support.js';

const model = 'llama3.2';
const ollamaFor = (server: FakeOllama) => new Ollama({ host: server.url });
const openaiFor = (server: FakeOllama) => new OpenAI({ baseURL: `${server.url}/v1`, apiKey: 'unused', maxRetries: 0 });
const anthropicFor = (server: FakeOllama) => new Anthropic({ baseURL: server.url, apiKey: 'unused', maxRetries: 0 });

async function collect<T>(stream: AsyncIterable<T>): Promise<T[]> {
  const parts: T[] = [];
  for await (const part of stream) parts.push(part);
  return parts;
}

test('ollama: chat, generate, embed, list, show, ps, pull', async () => {
  const server = await fake();
  const ollama = ollamaFor(server);
  const parts = await collect(await ollama.chat({ model, messages: user('hello'), stream: true }));
  expect([parts.length, parts.at(-1)?.eval_count, parts.at(-1)?.done_reason]).toEqual([19, 18, 'stop']);
  expect((await ollama.generate({ model: 'qwen3:8b', prompt: 'hi' })).thinking).toMatch(/\w/);
  expect((await ollama.embed({ model: 'nomic-embed-text', input: ['a', 'b'] })).embeddings).toHaveLength(2);
  expect((await ollama.list()).models).toHaveLength(8);
  expect((await ollama.show({ model })).capabilities).toContain('tools');
  expect((await ollama.ps()).models.map((running) => running.name)).toContain('llama3.2:latest');
  expect((await collect(await ollama.pull({ model: 'phi4', stream: true }))).at(-1)?.status).toBe('success');
});

test('ollama: errors before and in the stream reach the caller', async () => {
  const server = await fake({ faults: { crashAfterTokens: 2 } });
  const ollama = ollamaFor(server);
  await expect(ollama.chat({ model: 'nope', messages: user('x') })).rejects.toThrow("model 'nope' not found");
  await expect(collect(await ollama.chat({ model, messages: user('x'), stream: true }))).rejects.toThrow(
    'an error was encountered',
  );
  server.set({ crashAfterTokens: undefined, silentEndAfterTokens: 2 });
  await expect(collect(await ollama.chat({ model, messages: user('x'), stream: true }))).rejects.toThrow(
    'Did not receive done',
  );
});

test('ollama: abort stops the generation', async () => {
  const server = await fake({ faults: { stallAfterTokens: 2 } });
  const ollama = ollamaFor(server);
  const stream = await ollama.chat({ model, messages: user('x'), stream: true });
  const parts = collect(stream);
  await server.waitFor((fake) => fake.seen[0]?.tokensSent === 2);
  ollama.abort();
  await expect(parts).rejects.toThrow('aborted');
  await server.waitFor((fake) => fake.stats().aborted === 1);
  expect(server.stats().running).toBe(0);
});

test('openai: chat, tools, completions, embeddings, responses, models', async () => {
  const server = await fake();
  const openai = openaiFor(server);
  const chunks = await collect(
    await openai.chat.completions.create({
      model,
      messages: [{ role: 'user', content: 'hello' }],
      stream: true,
      stream_options: { include_usage: true },
    }),
  );
  expect(chunks.at(-1)?.usage).toEqual({ prompt_tokens: 6, completion_tokens: 18, total_tokens: 24 });
  const called = await openai.chat.completions.create({
    model,
    messages: [{ role: 'user', content: 'use a tool' }],
    tools: [{ type: 'function', function: { name: 'f', parameters: { type: 'object', properties: {} } } }],
  });
  expect(called.choices[0]).toMatchObject({
    finish_reason: 'tool_calls',
    message: { tool_calls: [{ function: { name: 'f', arguments: '{}' } }] },
  });
  expect((await openai.completions.create({ model, prompt: 'hi' })).choices[0]?.text).toMatch(/\w/);
  const embedded = await openai.embeddings.create({ model: 'nomic-embed-text', input: 'hi' });
  expect(embedded.data[0]?.embedding).toHaveLength(768);
  const response = await openai.responses.create({ model, input: 'hello' });
  expect([response.output_text.split(' ').length, response.usage?.output_tokens]).toEqual([18, 18]);
  const streamed = await collect(await openai.responses.create({ model, input: 'hello', stream: true }));
  expect(streamed.at(-1)).toMatchObject({ type: 'response.completed', response: { output: response.output } });
  expect((await collect(openai.models.list()))[0]?.id).toBe('llama3.1:8b');
});

test('openai: a refusal is an error, a crash in mid-stream goes unnoticed', async () => {
  const server = await fake({ faults: { crashAfterTokens: 2 } });
  const openai = openaiFor(server);
  const body = { model, messages: [{ role: 'user' as const, content: 'x' }], stream: true as const };
  await expect(openai.chat.completions.create({ ...body, model: 'nope' })).rejects.toMatchObject({
    status: 404,
    type: 'not_found_error',
    message: "404 model 'nope' not found",
  });
  expect(await collect(await openai.chat.completions.create(body))).toHaveLength(3);
});

test('anthropic: messages, streams and tools', async () => {
  const server = await fake();
  const anthropic = anthropicFor(server);
  const body = { model: 'qwen3:8b', max_tokens: 100, messages: [{ role: 'user' as const, content: 'hello' }] };
  const whole = await anthropic.messages.create(body);
  expect(whole).toMatchObject({ stop_reason: 'end_turn', usage: { input_tokens: 6, output_tokens: 18 } });
  const final = await anthropic.messages.stream(body).finalMessage();
  expect(final.content).toMatchObject([{ type: 'thinking' }, { type: 'text' }]);
  expect(final.content.map((block) => ('text' in block ? block.text : ''))).toEqual(
    whole.content.map((block) => ('text' in block ? block.text : '')),
  );
  const tools = [{ name: 'f', input_schema: { type: 'object' as const, properties: { a: { type: 'integer' } } } }];
  const called = await anthropic.messages
    .stream({ ...body, model, tools, messages: [{ role: 'user', content: 'use a tool' }] })
    .finalMessage();
  expect(called).toMatchObject({
    stop_reason: 'tool_use',
    content: [{ type: 'tool_use', name: 'f', input: { a: 42 } }],
  });
});

test('anthropic: refusals and cut streams are errors of the helper', async () => {
  const server = await fake({ faults: { crashAfterTokens: 2 } });
  const anthropic = anthropicFor(server);
  const body = { model, max_tokens: 100, messages: [{ role: 'user' as const, content: 'hello' }] };
  await expect(anthropic.messages.create({ ...body, model: 'nope' })).rejects.toMatchObject({ status: 404 });
  await expect(anthropic.messages.stream(body).finalMessage()).rejects.toThrow();
});
