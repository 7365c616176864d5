/** Real client libraries read what the dialects write: whole streams, streams ended early, errors in streams, refusals. */
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import Anthropic from '@anthropic-ai/sdk';
import { isRefusal, type JsonObject, type Reading, type Refusal } from '@headgate/core';
import { Ollama } from 'ollama';
import OpenAI from 'openai';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { defaultDialects } from '../../src/index.js';
import { body } from '../recordings/table.js';

const guard = { admin: 'deny', cloud: 'deny', options: {}, keepAliveMsMax: 60_000, inputsMax: 8 } as const;
const refusal: Refusal = { reason: 'limit', status: 429, message: 'the budget of team-a is spent.', measure: 'cost' };

/** What the server does with the next request: the recording it plays, and how it ends after how many events with text. */
interface Play {
  readonly file: string;
  readonly after?: number;
  readonly end?: 'finish' | 'fail';
}
let play: Play | 'refuse' = 'refuse';

let server: Server;
let base: string;

beforeAll(async () => {
  server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk) => chunks.push(chunk));
    request.on('end', () => {
      const { status, headers, parts } = answer(request.url!.split('?')[0]!, Buffer.concat(chunks).toString());
      response.writeHead(status, headers);
      for (const part of parts) response.write(part);
      response.end();
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});

afterAll(async () => {
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
});

function answer(path: string, sent: string) {
  const dialect = defaultDialects.find((candidate) => candidate.speaks(path))!;
  const refused = (against: Refusal) => {
    const { status, headers, body: text } = dialect.refusal(against, 'req_1');
    return { status, headers: { ...headers, 'x-should-retry': 'false' }, parts: [text] };
  };
  const route = dialect.route('POST', path)!;
  if (isRefusal(route)) return refused(route);
  const reading = dialect.read(route, JSON.parse(sent) as JsonObject, guard);
  if (isRefusal(reading)) return refused(reading);
  if (play === 'refuse') return refused(refusal);
  return played(play, (head) => dialect.meter(route, head, reading as Reading));
}

function played(
  play: Play,
  meterOf: (head: { status: number; contentType: string }) => ReturnType<(typeof defaultDialects)[0]['meter']>,
) {
  const contentType = play.file.endsWith('.sse') ? 'text/event-stream' : 'application/x-ndjson';
  const meter = meterOf({ status: 200, contentType });
  const parts: Uint8Array[] = [];
  const bytes = new TextEncoder().encode(body(play.file));
  let told = 0;
  let stopped = false;
  for (let at = 0; at < bytes.length && !stopped; at += 37) {
    const metered = meter.push(bytes.subarray(at, at + 37), () => {
      told += 1;
      return play.after !== undefined && told > play.after ? 'stop' : 'continue';
    });
    if (metered.bytes !== undefined) parts.push(metered.bytes);
    stopped = metered.stopped;
  }
  const { bytes: last, complete } = meter.end();
  if (last !== undefined) parts.push(last);
  if (stopped && play.end === 'finish') parts.push(meter.finish({ inputTokens: 26, outputTokens: meter.outputTokens }));
  else if (!complete) parts.push(meter.fail(refusal));
  return { status: 200, headers: { 'content-type': contentType }, parts };
}

const messages = [{ role: 'user' as const, content: 'hi' }];

async function collect<T>(stream: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const item of stream) all.push(item);
  return all;
}

describe('ollama', () => {
  const client = () => new Ollama({ host: base });
  const chat = async () => collect(await client().chat({ model: 'llama3.2', messages, stream: true }));

  test('reads a whole stream', async () => {
    play = { file: 'native-chat.ndjson' };
    const parts = await chat();
    expect(parts.map((part) => part.message.content).join('')).toBe('Hello 👋!');
    expect(parts.at(-1)).toMatchObject({ done: true, eval_count: 18 });
  });

  test('reads one that was ended early', async () => {
    play = { file: 'native-chat.ndjson', after: 2, end: 'finish' };
    const parts = await chat();
    expect(parts.map((part) => part.message.content).join('')).toBe('Hello 👋');
    expect(parts.at(-1)).toMatchObject({ done: true, done_reason: 'length', prompt_eval_count: 26, eval_count: 2 });
    play = { file: 'native-generate.ndjson', after: 1, end: 'finish' };
    const texts = await collect(await client().generate({ model: 'llama3.2', prompt: 'hi', stream: true }));
    expect(texts.at(-1)).toMatchObject({ done: true, done_reason: 'length', response: '' });
  });

  test('reports an error in the stream, and a backend that went silent', async () => {
    play = { file: 'native-chat.ndjson', after: 1, end: 'fail' };
    await expect(chat()).rejects.toThrow('the budget of team-a is spent.');
    play = { file: 'native-chat-silent-end.ndjson' };
    await expect(chat()).rejects.toThrow('the budget of team-a is spent.');
  });

  test('reports a refusal', async () => {
    play = 'refuse';
    await expect(chat()).rejects.toMatchObject({ message: 'the budget of team-a is spent.', status_code: 429 });
  });
});

describe('openai', () => {
  const client = () => new OpenAI({ baseURL: `${base}/v1`, apiKey: 'sk-test', maxRetries: 0 });
  const chat = async (more: object = {}) =>
    collect(await client().chat.completions.create({ model: 'llama3.2', messages, stream: true, ...more }));

  test('reads a whole stream, in which every chunk has a choice unless usage was asked for', async () => {
    for (const file of ['openai-chat.sse', 'openai-chat-0.32.5.sse', 'openai-chat-comments.sse']) {
      play = { file };
      const chunks = await chat();
      expect(chunks.map((chunk) => chunk.choices[0]!.delta.content ?? '').join('')).toMatch(/^Hello/);
      expect(chunks.every((chunk) => chunk.usage === undefined)).toBe(true);
      const asked = await chat({ stream_options: { include_usage: true } });
      expect(asked.at(-1)!.usage).toMatchObject({ prompt_tokens: 26, completion_tokens: 18 });
    }
  });

  test('reads one that was ended early, also through the helper that assembles the message', async () => {
    play = { file: 'openai-chat.sse', after: 2, end: 'finish' };
    expect((await chat()).at(-1)!.choices[0]!.finish_reason).toBe('length');
    const runner = client().chat.completions.stream({
      model: 'llama3.2',
      messages,
      stream_options: { include_usage: true },
    });
    const final = await runner.finalChatCompletion();
    expect(final.choices[0]).toMatchObject({
      finish_reason: 'length',
      message: { role: 'assistant', content: 'Hello 🌍' },
    });
    expect(final.usage).toMatchObject({ prompt_tokens: 26, completion_tokens: 2 });
    play = { file: 'openai-chat.sse', after: 0, end: 'finish' };
    const none = await client().chat.completions.stream({ model: 'llama3.2', messages }).finalChatCompletion();
    expect(none.choices[0]).toMatchObject({ finish_reason: 'length', message: { role: 'assistant' } });
  });

  test('reads completions without the usage that was not asked for', async () => {
    play = { file: 'openai-completions.sse' };
    const chunks = await collect(await client().completions.create({ model: 'llama3.2', prompt: 'hi', stream: true }));
    expect(chunks.map((chunk) => chunk.choices[0]!.text).join('')).toBe('Hello wörld');
    expect(chunks.every((chunk) => !('usage' in chunk))).toBe(true);
    play = { file: 'openai-completions.sse', after: 1, end: 'finish' };
    const cut = await collect(await client().completions.create({ model: 'llama3.2', prompt: 'hi', stream: true }));
    expect(cut.at(-1)!.choices[0]).toMatchObject({ finish_reason: 'length', text: '' });
  });

  test('reports an error in the stream, and a backend that went silent', async () => {
    const reported = { message: expect.stringContaining('the budget of team-a is spent.'), code: 'insufficient_quota' };
    play = { file: 'openai-chat.sse', after: 1, end: 'fail' };
    await expect(chat()).rejects.toMatchObject(reported);
    play = { file: 'openai-chat-dead.sse' };
    await expect(chat()).rejects.toMatchObject(reported);
  });

  test('reports a refusal', async () => {
    play = 'refuse';
    await expect(chat()).rejects.toMatchObject({
      status: 429,
      message: '429 the budget of team-a is spent.',
      code: 'insufficient_quota',
      requestID: 'req_1',
    });
  });

  const respond = async () =>
    collect(await client().responses.create({ model: 'llama3.2', input: 'hi', stream: true }));

  test('reads responses, whole and ended early', async () => {
    for (const file of ['openai-responses.sse', 'openai-responses-reasoning.sse', 'openai-responses-tools.sse']) {
      play = { file };
      expect((await respond()).at(-1)).toMatchObject({
        type: 'response.completed',
        response: { usage: { output_tokens: 18 } },
      });
    }
    for (const [file, after] of [
      ['openai-responses.sse', 2],
      ['openai-responses.sse', 0],
      ['openai-responses-reasoning.sse', 1],
    ] as const) {
      play = { file, after, end: 'finish' };
      const last = (await respond()).at(-1);
      expect(last).toMatchObject({
        type: 'response.incomplete',
        response: { status: 'incomplete', usage: { output_tokens: after } },
      });
    }
  });

  test('assembles a response that was ended early', async () => {
    play = { file: 'openai-responses.sse', after: 2, end: 'finish' };
    const final = await client().responses.stream({ model: 'llama3.2', input: 'hi' }).finalResponse();
    expect(final.output[0]).toMatchObject({ type: 'message', content: [{ type: 'output_text', text: 'Hello 🌍' }] });
    expect(final).toMatchObject({ status: 'incomplete', incomplete_details: { reason: 'max_output_tokens' } });
  });

  test('reports an error in a response', async () => {
    play = { file: 'openai-responses.sse', after: 1, end: 'fail' };
    await expect(respond()).rejects.toMatchObject({ code: 'insufficient_quota' });
  });
});

describe('anthropic', () => {
  const client = () => new Anthropic({ baseURL: base, apiKey: 'sk-test', maxRetries: 0 });
  const asked = { model: 'qwen3', max_tokens: 100, messages };
  const stream = () => client().messages.stream(asked);

  test('reads a whole stream', async () => {
    play = { file: 'anthropic-thinking.sse' };
    expect(await stream().finalMessage()).toMatchObject({
      stop_reason: 'end_turn',
      content: [{ thinking: 'Okay' }, { text: 'Yes' }],
      usage: { output_tokens: 18 },
    });
  });

  test('reads one that was ended early', async () => {
    for (const [after, content] of [
      [1, [{ type: 'text', text: 'Hello' }]],
      [0, [{ type: 'text', text: '' }]],
    ] as const) {
      play = { file: 'anthropic-text.sse', after, end: 'finish' };
      expect(await stream().finalMessage()).toMatchObject({
        stop_reason: 'max_tokens',
        content,
        usage: { output_tokens: after },
      });
    }
  });

  test('reports an error in the stream, and a backend that went silent', async () => {
    play = { file: 'anthropic-text.sse', after: 1, end: 'fail' };
    await expect(stream().finalMessage()).rejects.toThrow('the budget of team-a is spent.');
    play = { file: 'anthropic-dead.sse' };
    await expect(stream().finalMessage()).rejects.toThrow('the budget of team-a is spent.');
  });

  test('reports a refusal', async () => {
    play = 'refuse';
    await expect(client().messages.create(asked)).rejects.toMatchObject({
      status: 429,
      message: expect.stringContaining('the budget of team-a is spent.'),
      requestID: 'req_1',
    });
  });
});
