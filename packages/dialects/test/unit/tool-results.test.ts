import { describe, expect, test } from 'vitest';
import { readingOf } from './asking.js';

const call = { id: 'c1', type: 'function', function: { name: 'f', arguments: '{}' } };

/** The same conversation in every dialect: a question, a call and its result, a second call with two results so far. */
const conversations: readonly (readonly [path: string, body: object])[] = [
  [
    '/api/chat',
    {
      model: 'm',
      messages: [
        { role: 'system', content: 'be brief' },
        { role: 'user', content: 'what is new?' },
        { role: 'assistant', content: '', tool_calls: [{ function: { name: 'f', arguments: {} } }] },
        { role: 'tool', content: 'one' },
        { role: 'assistant', content: '', tool_calls: [{ function: { name: 'f', arguments: {} } }] },
        { role: 'tool', content: 'two' },
        { role: 'tool', content: 'three' },
      ],
    },
  ],
  [
    '/v1/chat/completions',
    {
      model: 'm',
      messages: [
        { role: 'system', content: 'be brief' },
        { role: 'user', content: [{ type: 'text', text: 'what is new?' }] },
        { role: 'assistant', content: null, tool_calls: [call] },
        { role: 'tool', tool_call_id: 'c1', content: 'one' },
        { role: 'assistant', content: null, tool_calls: [call] },
        { role: 'tool', tool_call_id: 'c1', content: 'two' },
        { role: 'tool', tool_call_id: 'c1', content: 'three' },
      ],
    },
  ],
  [
    '/v1/responses',
    {
      model: 'm',
      instructions: 'be brief',
      input: [
        { role: 'user', content: 'what is new?' },
        { type: 'function_call', call_id: 'c1', name: 'f', arguments: '{}' },
        { type: 'function_call_output', call_id: 'c1', output: 'one' },
        { type: 'function_call', call_id: 'c2', name: 'f', arguments: '{}' },
        { type: 'function_call_output', call_id: 'c2', output: 'two' },
        { type: 'function_call_output', call_id: 'c2', output: 'three' },
      ],
    },
  ],
  [
    '/v1/messages',
    {
      model: 'm',
      max_tokens: 10,
      system: 'be brief',
      messages: [
        { role: 'user', content: 'what is new?' },
        { role: 'assistant', content: [{ type: 'tool_use', id: 't1', name: 'f', input: {} }] },
        { role: 'user', content: [{ type: 'tool_result', tool_use_id: 't1', content: 'one' }] },
        { role: 'assistant', content: [{ type: 'tool_use', id: 't2', name: 'f', input: {} }] },
        {
          role: 'user',
          content: [
            { type: 'tool_result', tool_use_id: 't2', content: 'two' },
            { type: 'tool_result', tool_use_id: 't2', content: 'three' },
          ],
        },
      ],
    },
  ],
];

describe('tool results in a conversation', () => {
  test.each(conversations)(
    '%s: all of them, those after the last word of the model, and how it opened',
    (path, body) => {
      expect(readingOf(path, body)).toMatchObject({ toolResults: 3, toolResultsNew: 2, opening: 'what is new?' });
    },
  );

  test.each([
    ['/api/generate', { model: 'm', prompt: 'hi' }, ''],
    ['/v1/responses', { model: 'm', input: 'hi' }, 'hi'],
  ])('%s has none', (path, body, opening) => {
    expect(readingOf(path, body)).toMatchObject({ toolResults: 0, toolResultsNew: 0, opening });
  });
});
