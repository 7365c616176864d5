import { expect, test } from 'vitest';
import { ask, fake, lines, user } from './support.js';

const TIME = expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?Z$/);
const NANOS = expect.any(Number);

test('a chat streams one object a token and ends with the metrics', async () => {
  const server = await fake();
  const reply = await ask(server, '/api/chat', {
    model: 'Llama3.2',
    messages: user('12345678'),
    options: { num_predict: 2 },
  });
  expect(reply.headers).toMatchObject({ 'content-type': 'application/x-ndjson', 'transfer-encoding': 'chunked' });
  const [first, second, last, ...more] = lines(reply.text);
  expect(more).toEqual([]);
  const word = {
    model: 'Llama3.2',
    created_at: TIME,
    message: { role: 'assistant', content: expect.any(String) },
    done: false,
  };
  expect([first, second]).toEqual([word, word]);
  expect(last).toEqual({
    model: 'Llama3.2',
    created_at: TIME,
    message: { role: 'assistant', content: '' },
    done: true,
    done_reason: 'length',
    total_duration: NANOS,
    load_duration: NANOS,
    prompt_eval_count: 6,
    prompt_eval_duration: NANOS,
    eval_count: 2,
    eval_duration: NANOS,
  });
  expect(Object.keys(last ?? {}).slice(0, 5)).toEqual(['model', 'created_at', 'message', 'done', 'done_reason']);
});

test('without streaming the same answer comes as one object without a newline', async () => {
  const server = await fake();
  const request = { model: 'llama3.2', messages: user('hello') };
  const streamed = await ask(server, '/api/chat', request);
  const whole = await ask(server, '/api/chat', { ...request, stream: false });
  expect(whole.headers['content-type']).toBe('application/json; charset=utf-8');
  expect(whole.text.endsWith('}')).toBe(true);
  const said = lines(streamed.text).map((line) => (line.message as { content: string }).content);
  expect(JSON.parse(whole.text)).toMatchObject({
    message: { role: 'assistant', content: said.join('') },
    done: true,
    done_reason: 'stop',
    eval_count: 18,
  });
});

test('generate carries the context, unless the prompt is raw', async () => {
  const server = await fake();
  const request = { model: 'llama3.2', prompt: '1234', stream: false, options: { num_predict: 3 } };
  const cooked = JSON.parse((await ask(server, '/api/generate', request)).text);
  expect(cooked).toMatchObject({
    response: expect.any(String),
    done_reason: 'length',
    prompt_eval_count: 5,
    eval_count: 3,
  });
  expect(cooked.context).toHaveLength(8);
  const raw = JSON.parse((await ask(server, '/api/generate', { ...request, raw: true })).text);
  expect(raw).not.toHaveProperty('context');
});

test('the first event is the status line: no byte before the first token', async () => {
  const server = await fake({ faults: { hang: true } });
  const reply = ask(server, '/api/chat', { model: 'llama3.2', messages: user('hello') });
  await server.waitFor((fake) => fake.stats().running === 1);
  expect(server.seen[0]).not.toHaveProperty('firstByteAt');
  expect(server.seen[0]).not.toHaveProperty('status');
  server.set({ hang: false });
  expect((await reply).status).toBe(200);
});

test('thinking models think unless told not to, and thinking counts', async () => {
  const server = await fake();
  const request = { model: 'qwen3:8b', prompt: 'hi' };
  const streamed = lines((await ask(server, '/api/generate', request)).text);
  expect(streamed[0]).toMatchObject({ response: '', thinking: expect.any(String), done: false });
  expect(streamed.filter((line) => 'thinking' in line)).toHaveLength(6);
  expect(streamed.at(-1)).toMatchObject({ eval_count: 18 });
  const plain = lines((await ask(server, '/api/generate', { ...request, think: false })).text);
  expect(plain.some((line) => 'thinking' in line)).toBe(false);
});

test('a tool call comes in one object with its arguments as an object', async () => {
  const server = await fake();
  const tools = [
    {
      type: 'function',
      function: { name: 'get_weather', parameters: { type: 'object', properties: { city: { type: 'string' } } } },
    },
  ];
  const reply = await ask(server, '/api/chat', { model: 'llama3.2', messages: user('use a tool'), tools });
  const [call, last] = lines(reply.text);
  expect(call).toMatchObject({
    message: {
      role: 'assistant',
      content: '',
      tool_calls: [
        {
          id: expect.stringMatching(/^call_[a-z0-9]{8}$/),
          function: { index: 0, name: 'get_weather', arguments: { city: 'text' } },
        },
      ],
    },
    done: false,
  });
  expect(last).toMatchObject({ done: true, done_reason: 'stop', eval_count: 8 });
  const answered = [...user('use a tool'), { role: 'tool', content: 'the tool says rain' }];
  const next = lines((await ask(server, '/api/chat', { model: 'llama3.2', messages: answered, tools })).text);
  expect(next).toHaveLength(19);
});

test('an empty prompt loads the model, and with keep_alive 0 unloads it, in one object', async () => {
  const server = await fake();
  const loaded = await ask(server, '/api/generate', { model: 'llama3.2' });
  expect(JSON.parse(loaded.text)).toEqual({
    model: 'llama3.2',
    created_at: TIME,
    response: '',
    done: true,
    done_reason: 'load',
  });
  expect(loaded.headers['content-type']).toBe('application/json; charset=utf-8');
  expect(server.stats().loaded).toEqual(['llama3.2:latest']);
  const unloaded = await ask(server, '/api/chat', { model: 'llama3.2', messages: [], keep_alive: 0 });
  expect(JSON.parse(unloaded.text)).toEqual({
    model: 'llama3.2',
    created_at: TIME,
    message: { role: 'assistant', content: '' },
    done: true,
    done_reason: 'unload',
  });
  expect(server.stats()).toMatchObject({ loaded: [], loads: 1, unloads: 1 });
});

test('num_predict of zero or less is no limit but ten contexts', async () => {
  const server = await fake({ outputTokens: 100, contextLength: 6 });
  const tokens = async (numPredict: number): Promise<unknown> => {
    const options = { num_predict: numPredict };
    const reply = await ask(server, '/api/generate', { model: 'llama3.2', prompt: 'hi', stream: false, options });
    return JSON.parse(reply.text).eval_count;
  };
  expect([await tokens(0), await tokens(-1), await tokens(90), await tokens(7)]).toEqual([60, 60, 60, 7]);
});

test('a prompt beyond the context is cut silently, or refused on request', async () => {
  const server = await fake({ contextLength: 10 });
  const request = { model: 'llama3.2', prompt: 'x'.repeat(100), stream: false };
  const cut = await ask(server, '/api/generate', request);
  expect(JSON.parse(cut.text).prompt_eval_count).toBe(10);
  const refused = await ask(server, '/api/generate', { ...request, truncate: false });
  expect(refused.status).toBe(400);
  expect(JSON.parse(JSON.parse(refused.text).error).error).toMatchObject({ n_prompt_tokens: 29, n_ctx: 10 });
  const unshifted = await ask(server, '/api/generate', { ...request, shift: false });
  expect(JSON.parse(unshifted.text).error).toMatch(/^the prompt is longer than the context length/);
});

test('embeddings come for each input, and the old endpoint has no usage', async () => {
  const server = await fake();
  const many = await ask(server, '/api/embed', { model: 'nomic-embed-text', input: ['one', 'two'], dimensions: 4 });
  const body = JSON.parse(many.text);
  expect(body).toMatchObject({
    model: 'nomic-embed-text',
    prompt_eval_count: 10,
    total_duration: NANOS,
    load_duration: NANOS,
  });
  expect(body.embeddings.map((vector: number[]) => vector.length)).toEqual([4, 4]);
  const one = JSON.parse((await ask(server, '/api/embeddings', { model: 'nomic-embed-text', prompt: 'one' })).text);
  expect(Object.keys(one)).toEqual(['embedding']);
  expect(one.embedding).toHaveLength(768);
  expect(server.stats().runningMax).toBe(1);
});

test('an input beyond the context is cut silently, or refused on request', async () => {
  const server = await fake({ contextLength: 10 });
  const request = { model: 'nomic-embed-text', input: ['short', 'x'.repeat(100)] };
  expect(JSON.parse((await ask(server, '/api/embed', request)).text).prompt_eval_count).toBe(16);
  const refused = await ask(server, '/api/embed', { ...request, truncate: false });
  expect([refused.status, refused.text]).toEqual([400, '{"error":"the input length exceeds the context length"}']);
});

test('a prescribed format is obeyed', async () => {
  const server = await fake();
  const format = { type: 'object', properties: { name: { type: 'string' }, age: { type: 'integer' } } };
  const reply = await ask(server, '/api/generate', { model: 'llama3.2', prompt: 'hi', stream: false, format });
  expect(JSON.parse(JSON.parse(reply.text).response)).toEqual({ name: 'text', age: 42 });
});

test.each([
  ['/api/chat', '', 400, 'missing request body'],
  ['/api/chat', 'hello', 400, "invalid character 'h' looking for beginning of value"],
  ['/api/chat', '{"model":', 400, 'unexpected EOF'],
  [
    '/api/chat',
    '{"stream":"x"}',
    400,
    'json: cannot unmarshal string into Go struct field ChatRequest.stream of type bool',
  ],
  ['/api/chat', '{}', 400, 'model is required'],
  ['/api/embeddings', '{}', 400, 'model is required'],
  ['/api/show', '{}', 400, 'model is required'],
  ['/api/generate', '{}', 404, "model '' not found"],
  ['/api/embed', '{}', 404, "model '' not found"],
  ['/api/chat', '{"model":"a b"}', 400, 'invalid model name'],
  ['/api/chat', '{"model":"x:cloud:latest"}', 400, 'invalid model name'],
  ['/api/chat', '{"model":"Nope"}', 404, "model 'Nope' not found"],
  ['/api/show', '{"model":"Nope"}', 404, "model 'nope:latest' not found"],
  ['/api/embed', '{"model":"nope","input":"x"}', 404, 'model "nope" not found, try pulling it first'],
  ['/api/chat', '{"model":"mistral:7b","think":true,"messages":[{}]}', 400, '"mistral:7b" does not support thinking'],
  ['/api/chat', '{"model":"nomic-embed-text"}', 400, '"nomic-embed-text" does not support chat'],
  ['/api/generate', '{"model":"nomic-embed-text"}', 400, '"nomic-embed-text" does not support generate'],
  [
    '/api/generate',
    '{"model":"llama3.2","prompt":"a","suffix":"b"}',
    400,
    'registry.ollama.ai/library/llama3.2:latest does not support insert',
  ],
  [
    '/api/generate',
    '{"model":"llama3.2","prompt":"a","format":"x"}',
    500,
    'invalid format: "x"; expected "json" or a valid JSON Schema object',
  ],
  ['/api/generate', '{"model":"llama3.2","keep_alive":"5"}', 400, 'time: missing unit in duration "5"'],
])('%s %s is refused with %i', async (path, body, status, message) => {
  const server = await fake();
  const reply = await ask(server, path, body);
  expect([reply.status, JSON.parse(reply.text)]).toEqual([status, { error: message }]);
  expect(reply.headers['content-type']).toBe('application/json; charset=utf-8');
  expect(server.seen[0]?.outcome).toBe('refused');
});

test('the body is read as Go reads it', async () => {
  const server = await fake();
  const body =
    '{"model":"nope","MODEL":"llama3.2","\u017ftream":false,"messages":[{"role":"user","content":"hi"}]}{"model":"zzz"}';
  const reply = await ask(server, '/api/chat', body, { headers: { 'content-type': 'text/plain' } });
  expect(JSON.parse(reply.text)).toMatchObject({ model: 'llama3.2', done: true });
  expect((await ask(server, '/api/chat', `\ufeff${body}`)).text).toContain("invalid character 'ï'");
});

test('compressed bodies are not decoded', async () => {
  const server = await fake();
  const { gzipSync } = await import('node:zlib');
  const reply = await ask(server, '/api/chat', gzipSync('{"model":"llama3.2"}'), {
    headers: { 'content-encoding': 'gzip' },
  });
  expect([reply.status, JSON.parse(reply.text).error]).toEqual([
    400,
    "invalid character '\\x1f' looking for beginning of value",
  ]);
});
