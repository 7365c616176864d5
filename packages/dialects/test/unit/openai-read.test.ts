import { describe, expect, test } from 'vitest';
import { ask, forwarded, messages, readingOf } from './asking.js';

const chat = { model: 'm', messages };

describe('chat completions', () => {
  test('collect what becomes of the prompt', () => {
    const tools = [{ type: 'function', function: { name: 'f', parameters: {} } }];
    const reading = readingOf('/v1/chat/completions', {
      model: 'Llama3.2:latest',
      tools,
      messages: [
        { role: 'system', content: 'be brief' },
        {
          role: 'user',
          name: 'ann',
          content: [
            { type: 'text', text: 'look' },
            { type: 'image_url', image_url: { url: 'data:,' } },
          ],
        },
        {
          role: 'assistant',
          content: null,
          tool_calls: [{ id: 'c', type: 'function', function: { name: 'f', arguments: '{}' } }],
        },
        { role: 'tool', tool_call_id: 'c', content: 'result' },
        { role: 'assistant', content: 'yes', reasoning_content: 'so' },
        {
          role: 'user',
          content: [
            { type: 'input_audio', input_audio: { data: 'aGk=', format: 'wav' } },
            { type: 'novel', thing: 'x' },
          ],
        },
      ],
    });
    expect(reading).toMatchObject({
      operation: 'chat',
      modelCanonical: 'llama3.2',
      stream: false,
      messages: 6,
      images: 2,
      toolResults: 1,
      inputTokensKnown: 0,
    });
    const texts = [
      'be brief',
      'look',
      'ann',
      '{"name":"f","arguments":"{}"}',
      'result',
      'yes',
      'so',
      '{"type":"novel","thing":"x"}',
    ];
    expect(reading.texts).toEqual([...texts, JSON.stringify(tools)]);
  });

  test('ask the backend for usage when they stream, and remember who wanted it', () => {
    const asked = (stream_options: object | undefined, stream = true) => {
      const body = { ...chat, stream, ...(stream_options && { stream_options }) };
      return [
        readingOf('/v1/chat/completions', body).wantsUsage,
        forwarded('/v1/chat/completions', body).stream_options,
      ];
    };
    expect(asked(undefined)).toEqual([false, { include_usage: true }]);
    expect(asked({ include_usage: false })).toEqual([false, { include_usage: true }]);
    expect(asked({ include_usage: true, x: 1 })).toEqual([true, { include_usage: true, x: 1 }]);
    expect(asked({ continuous_usage_stats: true })).toEqual([
      true,
      { include_usage: true, continuous_usage_stats: true },
    ]);
    expect(asked(undefined, false)).toEqual([undefined, undefined]);
  });

  test('need messages', () => {
    for (const none of [[], null, undefined]) {
      expect(ask('/v1/chat/completions', { model: 'm', messages: none })).toMatchObject({
        status: 400,
        message: "[] is too short - 'messages'",
      });
    }
  });
});

describe('completions and embeddings', () => {
  test('a prompt may be text, texts or tokens', () => {
    const inputs: [unknown, object][] = [
      ['hi', { texts: ['hi'], inputTokensKnown: 0, choices: 1 }],
      [['a', 'b'], { texts: ['a', 'b'], inputTokensKnown: 0, choices: 2 }],
      [[1, 2, 3], { texts: [], inputTokensKnown: 3, choices: 1 }],
      [[[1, 2], [3]], { texts: [], inputTokensKnown: 3, choices: 2 }],
    ];
    for (const [prompt, expected] of inputs) {
      expect(readingOf('/v1/completions', { model: 'm', prompt })).toMatchObject({
        operation: 'generate',
        ...expected,
      });
      expect(forwarded('/v1/completions', { model: 'm', prompt }).prompt).toEqual(prompt);
      const { choices: _, ...same } = expected as { choices: number };
      expect(readingOf('/v1/embeddings', { model: 'm', input: prompt })).toMatchObject({ operation: 'embed', ...same });
    }
  });

  test('many tokens are one input, many inputs are too many', () => {
    const tokens = Array.from({ length: 9 }, (_, index) => index);
    expect(readingOf('/v1/embeddings', { model: 'm', input: tokens }).inputTokensKnown).toBe(9);
    for (const input of [Array(5).fill('a'), Array(5).fill([1])]) {
      expect(ask('/v1/embeddings', { model: 'm', input })).toMatchObject({ reason: 'too-large', status: 413 });
      expect(ask('/v1/completions', { model: 'm', prompt: input })).toMatchObject({ reason: 'too-large', status: 413 });
    }
  });

  test.each([[['a', 1]], [[1, 'a']], [[-1]], [[1.5]], [[[1], 'a', 2]], [[['a']]], [{}], [5], [[null]]])(
    '%j is neither',
    (input) => {
      expect(ask('/v1/embeddings', { model: 'm', input })).toMatchObject({ reason: 'bad-request', status: 400 });
      expect(ask('/v1/completions', { model: 'm', prompt: input })).toMatchObject({
        reason: 'bad-request',
        status: 400,
      });
    },
  );

  test('an empty prompt only loads the model, an empty input is none', () => {
    for (const prompt of ['', [], undefined, null]) {
      expect(readingOf('/v1/completions', { model: 'm', prompt }).operation).toBe('admin');
      expect(ask('/v1/embeddings', { model: 'm', input: prompt })).toMatchObject({ status: 400 });
    }
  });

  test('a suffix is prompt too', () => {
    expect(readingOf('/v1/completions', { model: 'm', prompt: 'a', suffix: 'b' }).texts).toEqual(['a', 'b']);
  });
});

describe('responses', () => {
  test('collect what becomes of the prompt', () => {
    const tools = [{ type: 'function', name: 'f' }];
    const reading = readingOf('/v1/responses', {
      model: 'm',
      stream: true,
      instructions: 'be brief',
      tools,
      input: [
        { role: 'user', content: 'a' },
        {
          type: 'message',
          role: 'user',
          content: [
            { type: 'input_text', text: 'b' },
            { type: 'input_image', image_url: 'data:,' },
          ],
        },
        { type: 'function_call', call_id: 'c', name: 'f', arguments: '{"x":1}' },
        { type: 'function_call_output', call_id: 'c', output: 'r' },
        { type: 'reasoning', summary: [{ type: 'summary_text', text: 'so' }] },
        { type: 'item_reference', id: 'z' },
      ],
    });
    expect(reading).toMatchObject({ operation: 'chat', stream: true, messages: 6, images: 1, toolResults: 1 });
    expect(reading).not.toHaveProperty('wantsUsage');
    const texts = [
      'be brief',
      JSON.stringify(tools),
      'a',
      'b',
      'f',
      '{"x":1}',
      'r',
      'so',
      '{"type":"item_reference","id":"z"}',
    ];
    expect(reading.texts).toEqual(texts);
  });

  test('need input, and pass stream options as they are', () => {
    for (const input of [undefined, null, []])
      expect(ask('/v1/responses', { model: 'm', input })).toMatchObject({ status: 400 });
    expect(forwarded('/v1/responses', { model: 'm', input: 'a', stream: true }, 7)).toEqual({
      ...{ model: 'm', input: 'a', stream: true, max_output_tokens: 7 },
    });
  });
});

describe('wrong types are 400 in the words of OpenAI', () => {
  test.each([
    [
      '/v1/chat/completions',
      { stream: 'no' },
      "Invalid type for 'stream': expected a boolean, but got a string instead.",
    ],
    [
      '/v1/chat/completions',
      { messages: [5] },
      "Invalid type for 'messages[0]': expected an object, but got a number instead.",
    ],
    [
      '/v1/chat/completions',
      { messages: [{ role: 'user', content: 5 }] },
      "Invalid type for 'messages[0].content': expected a string or an array, but got a number instead.",
    ],
    [
      '/v1/chat/completions',
      { messages: [{ role: 'user', content: [{ type: 'text', text: [] }] }] },
      "Invalid type for 'messages[0].content[0].text': expected a string, but got an array instead.",
    ],
    [
      '/v1/chat/completions',
      { messages: [{ role: true }] },
      "Invalid type for 'messages[0].role': expected a string, but got a boolean instead.",
    ],
    [
      '/v1/chat/completions',
      { stream_options: 5 },
      "Invalid type for 'stream_options': expected an object, but got a number instead.",
    ],
    [
      '/v1/chat/completions',
      { stream_options: { include_usage: 'yes' } },
      "Invalid type for 'stream_options.include_usage': expected a boolean, but got a string instead.",
    ],
    [
      '/v1/chat/completions',
      { max_tokens: '5' },
      "Invalid type for 'max_tokens': expected an integer, but got a string instead.",
    ],
    ['/v1/chat/completions', { tools: 'x' }, "Invalid type for 'tools': expected an array, but got a string instead."],
    [
      '/v1/responses',
      { input: 5 },
      "Invalid type for 'input': expected a string or an array, but got a number instead.",
    ],
    [
      '/v1/responses',
      { input: [{ type: 'function_call_output', output: 5 }] },
      "Invalid type for 'input[0].output': expected a string or an array, but got a number instead.",
    ],
    [
      '/v1/responses',
      { instructions: [] },
      "Invalid type for 'instructions': expected a string, but got an array instead.",
    ],
    [
      '/v1/embeddings',
      { input: ['a', 5] },
      "Invalid type for 'input[1]': expected a string, but got a number instead.",
    ],
    [
      '/v1/completions',
      { model: {}, prompt: 'a' },
      "Invalid type for 'model': expected a string, but got an object instead.",
    ],
  ])('%s %j', (path, more, message) => {
    expect(ask(path, { ...chat, ...more })).toEqual({ reason: 'bad-request', status: 400, message });
  });
});

test.each(['/v1/chat/completions', '/v1/completions', '/v1/embeddings', '/v1/responses'])(
  '%s needs a model that runs here',
  (path) => {
    const body = { ...chat, prompt: 'a', input: 'a' };
    expect(ask(path, { ...body, model: undefined })).toMatchObject({ status: 400, message: 'model is required' });
    expect(ask(path, { ...body, model: 'x:cloud' })).toMatchObject({ reason: 'forbidden', status: 403 });
  },
);
