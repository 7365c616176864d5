import { describe, expect, test } from 'vitest';
import { ask, messages, readingOf } from './asking.js';

const body = { model: 'qwen3', max_tokens: 100, messages };

test('a message collects what becomes of the prompt', () => {
  const tools = [{ name: 'f', input_schema: {} }];
  const reading = readingOf('/v1/messages', {
    ...body,
    stream: true,
    tools,
    system: [{ type: 'text', text: 'be brief', cache_control: { type: 'ephemeral' } }],
    messages: [
      {
        role: 'user',
        content: [
          { type: 'text', text: 'look' },
          { type: 'image', source: { type: 'base64', data: 'aGk=' } },
        ],
      },
      {
        role: 'assistant',
        content: [
          { type: 'thinking', thinking: 'hm', signature: 's' },
          { type: 'tool_use', id: 't', name: 'f', input: { a: 1 } },
        ],
      },
      {
        role: 'user',
        content: [
          {
            type: 'tool_result',
            tool_use_id: 't',
            content: [
              { type: 'text', text: 'r' },
              { type: 'image', source: {} },
            ],
          },
          { type: 'tool_result', tool_use_id: 'u', content: 'plain' },
          { type: 'document', source: { type: 'text', media_type: 'text/plain', data: 'page' } },
          { type: 'document', source: { type: 'content', content: [{ type: 'text', text: 'part' }] } },
          { type: 'document', source: { type: 'base64', data: 'aGk=' } },
          { type: 'novel', thing: 'x' },
        ],
      },
    ],
  });
  expect(reading).toMatchObject({
    operation: 'chat',
    model: 'qwen3',
    stream: true,
    messages: 3,
    images: 3,
    toolResults: 2,
    outputTokensMax: 100,
  });
  const texts = [
    'be brief',
    'look',
    'hm',
    'f',
    '{"a":1}',
    'r',
    'plain',
    'page',
    'part',
    '{"type":"novel","thing":"x"}',
  ];
  expect(reading.texts).toEqual([...texts, JSON.stringify(tools)]);
});

describe('what is missing or of the wrong type is 400', () => {
  test.each([
    [{ model: undefined }, 'model is required'],
    [{ messages: [] }, 'messages is required'],
    [{ messages: undefined }, 'messages is required'],
    [{ messages: 'hi' }, 'messages: Input should be a valid list'],
    [{ messages: ['hi'] }, 'messages.0: Input should be a valid dictionary'],
    [{ messages: [{ role: 'user', content: 5 }] }, 'messages.0.content: Input should be a valid string or list'],
    [{ messages: [{ role: 'user', content: ['hi'] }] }, 'messages.0.content.0: Input should be a valid dictionary'],
    [{ system: 5 }, 'system: Input should be a valid string or list'],
    [{ stream: 'x' }, 'stream: Input should be a valid boolean'],
    [{ max_tokens: '5' }, 'max_tokens: Input should be a valid integer'],
    [{ thinking: { type: 'enabled', budget_tokens: 'x' } }, 'thinking.budget_tokens: Input should be a valid integer'],
  ])('%j', (more, message) => {
    expect(ask('/v1/messages', { ...body, ...more })).toEqual({ reason: 'bad-request', status: 400, message });
  });
});

test('a model of the cloud is forbidden', () => {
  expect(ask('/v1/messages', { ...body, model: 'x:cloud' })).toMatchObject({ reason: 'forbidden', status: 403 });
});
