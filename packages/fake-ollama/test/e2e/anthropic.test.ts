import { expect, test } from 'vitest';
import { ask, events, fake, user } from './support.js';

const request = { model: 'llama3.2', max_tokens: 2, messages: user('hello, hello') };

test('a stream estimates the input first and counts at the end', async () => {
  const server = await fake();
  const reply = await ask(server, '/v1/messages', { ...request, stream: true });
  expect(reply.headers).toMatchObject({ 'content-type': 'text/event-stream', 'cache-control': 'no-cache' });
  expect(reply.text).toMatch(/^event: message_start\ndata: \{"type":"message_start"/);
  const text = expect.any(String);
  expect(events(reply.text)).toEqual([
    {
      type: 'message_start',
      message: {
        id: expect.stringMatching(/^msg_[0-9a-f]{24}$/),
        type: 'message',
        role: 'assistant',
        model: 'llama3.2',
        content: [],
        usage: { input_tokens: 3, output_tokens: 0 },
      },
    },
    { type: 'content_block_start', index: 0, content_block: { type: 'text', text: '' } },
    { type: 'content_block_delta', index: 0, delta: { type: 'text_delta', text } },
    { type: 'content_block_delta', index: 0, delta: { type: 'text_delta', text } },
    { type: 'content_block_stop', index: 0 },
    { type: 'message_delta', delta: { stop_reason: 'max_tokens' }, usage: { input_tokens: 7, output_tokens: 2 } },
    { type: 'message_stop' },
  ]);
});

test('thinking and text are separate blocks', async () => {
  const server = await fake();
  const reply = await ask(server, '/v1/messages', { ...request, model: 'qwen3:8b', max_tokens: 100 });
  expect(JSON.parse(reply.text)).toMatchObject({
    type: 'message',
    content: [{ type: 'thinking' }, { type: 'text' }],
    stop_reason: 'end_turn',
    usage: { input_tokens: 7, output_tokens: 18 },
  });
  const streamed = events(
    (await ask(server, '/v1/messages', { ...request, model: 'qwen3:8b', max_tokens: 100, stream: true })).text,
  );
  const starts = streamed.filter((event) => (event as { type: string }).type === 'content_block_start');
  expect(starts).toMatchObject([
    { index: 0, content_block: { type: 'thinking', thinking: '' } },
    { index: 1, content_block: { type: 'text', text: '' } },
  ]);
});

test('a model that cannot think is not refused for being asked to', async () => {
  const server = await fake();
  const reply = await ask(server, '/v1/messages', { ...request, thinking: { type: 'enabled', budget_tokens: 1024 } });
  expect(reply.status).toBe(200);
});

test('a tool use comes with its input in one delta', async () => {
  const server = await fake();
  const tools = [{ name: 'get_weather', input_schema: { type: 'object', properties: { city: { type: 'string' } } } }];
  const asked = { ...request, max_tokens: 100, messages: user('use a tool'), tools };
  const streamed = events((await ask(server, '/v1/messages', { ...asked, stream: true })).text);
  expect(streamed).toMatchObject([
    { type: 'message_start' },
    { type: 'content_block_start', content_block: { type: 'tool_use', name: 'get_weather', input: {} } },
    { type: 'content_block_delta', delta: { type: 'input_json_delta', partial_json: '{"city":"text"}' } },
    { type: 'content_block_stop' },
    { type: 'message_delta', delta: { stop_reason: 'tool_use' } },
    { type: 'message_stop' },
  ]);
});

test.each([
  [{ model: undefined }, 400, 'invalid_request_error', 'model is required'],
  [{ max_tokens: 0 }, 400, 'invalid_request_error', 'max_tokens is required and must be positive'],
  [{ messages: [] }, 400, 'invalid_request_error', 'messages is required'],
  [{ model: 'nope' }, 404, 'not_found_error', "model 'nope' not found"],
])('%j is refused in the dialect', async (change, status, type, message) => {
  const server = await fake();
  const reply = await ask(server, '/v1/messages', { ...request, ...change });
  expect([reply.status, JSON.parse(reply.text)]).toEqual([
    status,
    { type: 'error', error: { type, message }, request_id: expect.stringMatching(/^req_[0-9a-f]{24}$/) },
  ]);
});
