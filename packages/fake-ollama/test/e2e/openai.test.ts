import zlib from 'node:zlib';
import { expect, test } from 'vitest';
import { ask, events, fake, user } from './support.js';

const chat = { model: 'llama3.2', messages: user('hello'), max_tokens: 2 };

test('a chat stream of 0.32.6 and later: the role once, a finish chunk, usage only on request', async () => {
  const server = await fake();
  const reply = await ask(server, '/v1/chat/completions', {
    ...chat,
    stream: true,
    stream_options: { include_usage: true },
  });
  expect(reply.headers['content-type']).toBe('text/event-stream');
  const [one, two, finish, usage, done] = events(reply.text) as Record<string, never>[];
  const chunk = (choices: unknown, more = {}) => ({
    id: expect.stringMatching(/^chatcmpl-\d{1,3}$/),
    object: 'chat.completion.chunk',
    created: expect.any(Number),
    model: 'llama3.2',
    system_fingerprint: 'fp_ollama',
    choices,
    ...more,
  });
  const content = expect.any(String);
  expect(one).toEqual(chunk([{ index: 0, delta: { role: 'assistant', content }, finish_reason: null }]));
  expect(two).toEqual(chunk([{ index: 0, delta: { content }, finish_reason: null }]));
  expect(finish).toEqual(chunk([{ index: 0, delta: {}, finish_reason: 'length' }]));
  expect(usage).toEqual(chunk([], { usage: { prompt_tokens: 6, completion_tokens: 2, total_tokens: 8 } }));
  expect(done).toBe('[DONE]');
  const without = await ask(server, '/v1/chat/completions', { ...chat, stream: true });
  expect(without.text).not.toContain('usage');
});

test('a chat stream up to 0.32.5: the role on every chunk and no empty finish delta', async () => {
  const server = await fake({ wire: 'old' });
  const reply = await ask(server, '/v1/chat/completions', { ...chat, stream: true });
  const chunks = events(reply.text).slice(0, -1) as { choices: { delta: unknown; finish_reason: unknown }[] }[];
  expect(chunks.map((chunk) => chunk.choices[0]?.delta)).toEqual([
    { role: 'assistant', content: expect.any(String) },
    { role: 'assistant', content: expect.any(String) },
    { role: 'assistant', content: '' },
  ]);
  expect(chunks.map((chunk) => chunk.choices[0]?.finish_reason)).toEqual([null, null, 'length']);
});

test('a whole chat completion ends with a newline and counts as the native API does', async () => {
  const server = await fake();
  const reply = await ask(server, '/v1/chat/completions', chat);
  expect(reply.headers['content-type']).toBe('application/json');
  expect(reply.text.endsWith('}\n')).toBe(true);
  const native = JSON.parse(
    (
      await ask(server, '/api/chat', {
        model: 'llama3.2',
        messages: user('hello'),
        stream: false,
        options: { num_predict: 2 },
      })
    ).text,
  );
  expect(JSON.parse(reply.text)).toMatchObject({
    object: 'chat.completion',
    choices: [{ index: 0, message: { role: 'assistant', content: native.message.content }, finish_reason: 'length' }],
    usage: { prompt_tokens: native.prompt_eval_count, completion_tokens: native.eval_count, total_tokens: 8 },
  });
});

test('max_completion_tokens and n are ignored', async () => {
  const server = await fake();
  const { max_tokens: _, ...unlimited } = chat;
  const reply = await ask(server, '/v1/chat/completions', { ...unlimited, max_completion_tokens: 2, n: 3 });
  const body = JSON.parse(reply.text);
  expect([body.usage.completion_tokens, body.choices.length, body.choices[0].finish_reason]).toEqual([18, 1, 'stop']);
});

test('reasoning has its own field, and an effort of none turns it off', async () => {
  const server = await fake();
  const request = { model: 'qwen3:8b', messages: user('hello') };
  const thought = JSON.parse((await ask(server, '/v1/chat/completions', request)).text);
  expect(thought.choices[0].message.reasoning).toEqual(expect.any(String));
  const plain = JSON.parse((await ask(server, '/v1/chat/completions', { ...request, reasoning_effort: 'none' })).text);
  expect(plain.choices[0].message).not.toHaveProperty('reasoning');
  expect((await ask(server, '/v1/chat/completions', { ...request, reasoning_effort: 'some' })).status).toBe(400);
});

test('tool calls come whole, with their arguments as text', async () => {
  const server = await fake();
  const tools = [
    {
      type: 'function',
      function: { name: 'get_weather', parameters: { type: 'object', properties: { city: { type: 'string' } } } },
    },
  ];
  const request = { model: 'llama3.2', messages: user('use a tool'), tools, stream: true };
  const [call, finish] = events((await ask(server, '/v1/chat/completions', request)).text) as { choices: unknown[] }[];
  const expected = {
    index: 0,
    type: 'function',
    id: expect.any(String),
    function: { name: 'get_weather', arguments: '{"city":"text"}' },
  };
  expect(call?.choices).toEqual([
    { index: 0, delta: { role: 'assistant', content: '', tool_calls: [expected] }, finish_reason: null },
  ]);
  expect(finish?.choices).toMatchObject([{ finish_reason: 'tool_calls' }]);
});

test('completions: every chunk has a zero usage when usage is asked for', async () => {
  const server = await fake();
  const request = {
    model: 'llama3.2',
    prompt: 'hi',
    max_tokens: 1,
    stream: true,
    stream_options: { include_usage: true },
  };
  const all = events((await ask(server, '/v1/completions', request)).text) as Record<string, unknown>[];
  const zero = { prompt_tokens: 0, completion_tokens: 0, total_tokens: 0 };
  expect(all.map((chunk) => chunk.usage)).toEqual([
    zero,
    zero,
    { prompt_tokens: 5, completion_tokens: 1, total_tokens: 6 },
    undefined,
  ]);
  expect(all[0]).toMatchObject({
    id: expect.stringMatching(/^cmpl-\d+$/),
    object: 'text_completion',
    choices: [{ text: expect.any(String), index: 0, finish_reason: null }],
  });
  expect((await ask(server, '/v1/completions', { ...request, prompt: ['a', 'b'] })).status).toBe(400);
});

test('embeddings as floats and as base64', async () => {
  const server = await fake();
  const request = { model: 'nomic-embed-text', input: 'hello', dimensions: 3 };
  const floats = JSON.parse((await ask(server, '/v1/embeddings', request)).text);
  expect(floats).toMatchObject({
    object: 'list',
    model: 'nomic-embed-text',
    usage: { prompt_tokens: 6, total_tokens: 6 },
  });
  const coded = JSON.parse((await ask(server, '/v1/embeddings', { ...request, encoding_format: 'base64' })).text);
  const bytes = Buffer.from(coded.data[0].embedding, 'base64');
  const decoded = [0, 4, 8].map((at) => bytes.readFloatLE(at));
  decoded.forEach((value, index) => {
    expect(value).toBeCloseTo(floats.data[0].embedding[index], 6);
  });
  expect((await ask(server, '/v1/embeddings', { ...request, input: [[1, 2]] })).status).toBe(400);
});

test('responses: numbered events in order, and usage at the end', async () => {
  const server = await fake();
  const request = { model: 'qwen3:8b', input: 'hello', max_output_tokens: 8, stream: true };
  const all = events((await ask(server, '/v1/responses', request)).text) as Record<string, never>[];
  expect(all.map((event) => event.sequence_number)).toEqual(all.map((_, index) => index));
  expect([...new Set(all.map((event) => event.type))]).toEqual([
    'response.created',
    'response.in_progress',
    'response.output_item.added',
    'response.reasoning_summary_text.delta',
    'response.reasoning_summary_text.done',
    'response.output_item.done',
    'response.content_part.added',
    'response.output_text.delta',
    'response.output_text.done',
    'response.content_part.done',
    'response.completed',
  ]);
  for (const event of all) expect(Object.keys(event)).toEqual(Object.keys(event).sort());
  expect(all.at(-1)).toMatchObject({
    response: {
      status: 'completed',
      output: [{ type: 'reasoning' }, { type: 'message' }],
      usage: { input_tokens: 6, output_tokens: 8, total_tokens: 14 },
    },
  });
});

test('transcriptions take a form', async () => {
  const server = await fake();
  const form = new FormData();
  form.set('model', 'llama3.2');
  form.set('file', new Blob(['sound']), 'sound.wav');
  const reply = await fetch(`${server.url}/v1/audio/transcriptions`, { method: 'POST', body: form });
  expect(await reply.json()).toEqual({ text: expect.stringMatching(/\w/) });
  expect((await ask(server, '/v1/audio/transcriptions', {})).status).toBe(400);
});

test.each([
  ['', 400, 'EOF', 'invalid_request_error'],
  ['{"model":"nope","messages":[{"role":"user","content":"x"}]}', 404, "model 'nope' not found", 'not_found_error'],
  ['{"model":"llama3.2","messages":[]}', 400, "[] is too short - 'messages'", 'invalid_request_error'],
])('%s is refused in the dialect', async (body, status, message, type) => {
  const server = await fake();
  const reply = await ask(server, '/v1/chat/completions', body);
  expect([reply.status, JSON.parse(reply.text)]).toEqual([
    status,
    { error: { message, type, param: null, code: null } },
  ]);
  expect(reply.headers['content-type']).toBe('application/json');
});

test('pictures must be in the request itself', async () => {
  const server = await fake();
  const picture = (url: string) => ({
    model: 'llama3.2',
    messages: [
      {
        role: 'user',
        content: [
          { type: 'text', text: 'what?' },
          { type: 'image_url', image_url: { url } },
        ],
      },
    ],
  });
  expect((await ask(server, '/v1/chat/completions', picture('https://example.com/a.png'))).status).toBe(400);
  const inline = JSON.parse((await ask(server, '/v1/chat/completions', picture('data:image/png;base64,AAAA'))).text);
  expect(inline.usage.prompt_tokens).toBe(2 + 4 + 768);
});

test('zstd bodies are decoded where Node can, else refused', async () => {
  const server = await fake();
  const { zstdCompressSync } = zlib as unknown as { zstdCompressSync?: (text: string) => Buffer };
  const body = zstdCompressSync === undefined ? 'not zstd' : zstdCompressSync(JSON.stringify(chat));
  const reply = await ask(server, '/v1/chat/completions', body, { headers: { 'content-encoding': 'zstd' } });
  expect(reply.status).toBe(zstdCompressSync === undefined ? 400 : 200);
});
