import { describe, expect, test } from 'vitest';
import { ask, forwarded, messages, readingOf } from './asking.js';

const generate = { model: 'm', prompt: 'hi' };
const chat = { model: 'm', messages };

describe('what becomes of the prompt', () => {
  test('generate: system, template, prompt, suffix, context and images', () => {
    const body = { ...generate, system: 's', template: 't', suffix: 'x', context: [1, 2, 3], images: ['aGk=', 'aGk='] };
    expect(readingOf('/api/generate', body)).toMatchObject({
      operation: 'generate',
      stream: true,
      messages: 2,
      images: 2,
      inputTokensKnown: 3,
      toolResults: 0,
      choices: 1,
    });
    expect(readingOf('/api/generate', body).texts.toSorted()).toEqual(['hi', 's', 't', 'x']);
  });

  test('generate: the template makes a message of the prompt and one of the system prompt, unless it is raw', () => {
    expect(readingOf('/api/generate', generate).messages).toBe(1);
    expect(readingOf('/api/generate', { ...generate, system: 'be brief' }).messages).toBe(2);
    expect(readingOf('/api/generate', { ...generate, system: 'be brief', raw: true }).messages).toBe(0);
  });

  test('chat: every message, its thinking, calls and images, and the tools', () => {
    const tools = [{ type: 'function', function: { name: 'f' } }];
    const reading = readingOf('/api/chat', {
      model: ' Llama3.2:latest ',
      stream: false,
      tools,
      messages: [
        { role: 'system', content: 'be brief' },
        { role: 'user', content: 'look', images: ['aGk='] },
        {
          role: 'assistant',
          content: '',
          thinking: 'hm',
          tool_calls: [{ function: { name: 'f', arguments: { a: 1 } } }],
        },
        { role: 'tool', content: 'result', tool_name: 'f' },
        { role: 'TOOL', content: 'again' },
      ],
    });
    expect(reading).toMatchObject({
      operation: 'chat',
      model: ' Llama3.2:latest ',
      modelCanonical: 'llama3.2',
      stream: false,
      messages: 5,
      images: 1,
      toolResults: 2,
    });
    const texts = [
      'be brief',
      'look',
      'hm',
      '{"name":"f","arguments":{"a":1}}',
      'result',
      'f',
      'again',
      JSON.stringify(tools),
    ];
    expect(reading.texts).toEqual(texts);
  });

  test('embed: one input or many, up to the bound', () => {
    expect(readingOf('/api/embed', { model: 'm', input: ['a', 'b'] })).toMatchObject({
      operation: 'embed',
      stream: false,
      texts: ['a', 'b'],
    });
    expect(readingOf('/api/embeddings', { model: 'm', prompt: 'a' })).toMatchObject({
      operation: 'embed',
      texts: ['a'],
    });
    expect(ask('/api/embed', { model: 'm', input: ['a', 'b', 'c', 'd', 'e'] })).toMatchObject({
      reason: 'too-large',
      status: 413,
      message: 'too many inputs: 5, at most 4 in one request',
    });
    expect(ask('/api/embed', { model: 'm', input: [[1, 2]] })).toMatchObject({ status: 400 });
    expect(ask('/api/embed', { model: 'm', input: [1, 2] })).toMatchObject({ status: 400 });
  });
});

describe('wrong types are 400 in the words of Go', () => {
  test.each([
    [
      '/api/chat',
      { stream: 'no' },
      'json: cannot unmarshal string into Go struct field ChatRequest.stream of type bool',
    ],
    [
      '/api/chat',
      { messages: 'hi' },
      'json: cannot unmarshal string into Go struct field ChatRequest.messages of type []interface {}',
    ],
    [
      '/api/chat',
      { messages: ['hi'] },
      'json: cannot unmarshal string into Go struct field ChatRequest.messages of type map[string]interface {}',
    ],
    [
      '/api/chat',
      { messages: [{ role: 'user', content: [{ type: 'text', text: 'a' }] }] },
      'json: cannot unmarshal array into Go struct field ChatRequest.messages.content of type string',
    ],
    [
      '/api/chat',
      { messages: [{ role: 5 }] },
      'json: cannot unmarshal number into Go struct field ChatRequest.messages.role of type string',
    ],
    [
      '/api/chat',
      { tools: {} },
      'json: cannot unmarshal object into Go struct field ChatRequest.tools of type []interface {}',
    ],
    [
      '/api/chat',
      { options: [] },
      'json: cannot unmarshal array into Go struct field ChatRequest.options of type map[string]interface {}',
    ],
    [
      '/api/chat',
      { keep_alive: true },
      'json: cannot unmarshal bool into Go struct field ChatRequest.keep_alive of type api.Duration',
    ],
    ['/api/chat', { model: 5 }, 'json: cannot unmarshal number into Go struct field ChatRequest.model of type string'],
    ['/api/chat', { shift: 'x' }, 'json: cannot unmarshal string into Go struct field ChatRequest.shift of type bool'],
    [
      '/api/chat',
      { truncate: 1 },
      'json: cannot unmarshal number into Go struct field ChatRequest.truncate of type bool',
    ],
    [
      '/api/generate',
      { prompt: ['a'] },
      'json: cannot unmarshal array into Go struct field GenerateRequest.prompt of type string',
    ],
    [
      '/api/generate',
      { context: 'x' },
      'json: cannot unmarshal string into Go struct field GenerateRequest.context of type []interface {}',
    ],
    [
      '/api/generate',
      { context: [1, 1.5] },
      'json: cannot unmarshal number 1.5 into Go struct field GenerateRequest.context of type int',
    ],
    [
      '/api/generate',
      { images: [5] },
      'json: cannot unmarshal number into Go struct field GenerateRequest.images of type string',
    ],
    [
      '/api/generate',
      { options: { num_predict: '9' } },
      'json: cannot unmarshal string into Go struct field GenerateRequest.options.num_predict of type int',
    ],
  ])('%s %j', (path, more, message) => {
    const base = path === '/api/chat' ? chat : generate;
    expect(ask(path, { ...base, ...more })).toEqual({ reason: 'bad-request', status: 400, message });
  });

  test('null is absent', () => {
    const nulls = {
      stream: null,
      options: null,
      keep_alive: null,
      tools: null,
      images: null,
      context: null,
      system: null,
    };
    expect(readingOf('/api/generate', { ...generate, ...nulls })).toMatchObject({
      operation: 'generate',
      stream: true,
      texts: ['hi'],
    });
  });
});

describe('the model', () => {
  test.each([
    ['/api/chat', 400, 'model is required'],
    ['/api/embeddings', 400, 'model is required'],
    ['/api/show', 400, 'model is required'],
    ['/api/generate', 404, "model '' not found"],
    ['/api/embed', 404, "model '' not found"],
  ])('missing on %s is answered as Ollama does', (path, status, message) => {
    for (const model of [undefined, '', null]) {
      expect(ask(path, { ...chat, ...generate, input: 'x', model })).toMatchObject({ status, message });
    }
  });

  test.each(['m\u0085', 'm\ufeff', 'modèl', 'a\nb', '\u0000', 'x'.repeat(600), '   '])('%j is no name', (model) => {
    expect(ask('/api/chat', { ...chat, model })).toMatchObject({ status: 400, message: 'invalid model name' });
  });

  test.each(['gpt-oss:20b-cloud', 'x:cloud', 'X:CLOUD', ' library/x:Cloud '])(
    '%s is forwarded to a paid account: forbidden',
    (model) => {
      for (const path of ['/api/chat', '/api/show']) {
        expect(ask(path, { ...chat, model })).toMatchObject({
          reason: 'forbidden',
          status: 403,
          message: expect.stringContaining(model.trim()),
        });
        expect(readingOf(path, { ...chat, model }, { cloud: 'allow' }).model).toBe(model);
      }
    },
  );
});

describe('requests that load or unload a model are admin', () => {
  test.each<[string, object]>([
    ['/api/generate', { model: 'm' }],
    ['/api/generate', { model: 'm', prompt: '' }],
    ['/api/generate', { model: 'm', prompt: null, keep_alive: '5m' }],
    ['/api/chat', { model: 'm' }],
    ['/api/chat', { model: 'm', messages: [] }],
    ['/api/embed', { model: 'm', input: [] }],
    ['/api/embed', { model: 'm', input: '' }],
    ['/api/embed', { model: 'm' }],
    ['/api/embeddings', { model: 'm', prompt: '' }],
    ...[0, -1, -0.001, 0.5, '0', '0s', '-1s', '-5m', '1ns', '999ms', '+0'].map((keep_alive): [string, object] => [
      '/api/chat',
      { ...chat, keep_alive },
    ]),
  ])('%s %j', (path, body) => {
    expect(readingOf(path, body).operation).toBe('admin');
  });

  test('the usual ones are not', () => {
    for (const keep_alive of [undefined, null, 1, 300, '5m', '1h30m', '1.5s']) {
      expect(readingOf('/api/chat', { ...chat, keep_alive }).operation).toBe('chat');
    }
  });

  test('a message without words still asks for an answer', () => {
    expect(readingOf('/api/chat', { model: 'm', messages: [{ role: 'user', content: '' }] }).operation).toBe('chat');
  });
});

describe('keep_alive', () => {
  test.each([
    [300, 300],
    ['5m', '5m'],
    [1800, 1800],
    ['30m', '30m'],
    [1801, '1800s'],
    ['2h', '1800s'],
    ['876000h', '1800s'],
    [1e12, '1800s'],
  ])('%j is forwarded as %j', (asked, sent) => {
    expect(forwarded('/api/chat', { ...chat, keep_alive: asked }).keep_alive).toBe(sent);
  });

  test.each(['5', '', 'x', '5 m', '5m ', '1d', '5m5', '.s', '1e3s', '--5m', '9999999999h', '1'.repeat(100)])(
    '%j is no duration',
    (keep_alive) => {
      expect(ask('/api/chat', { ...chat, keep_alive })).toMatchObject({
        status: 400,
        message: `time: invalid duration ${JSON.stringify(keep_alive.slice(0, 64))}`,
      });
    },
  );

  test('is left to the backend where a client may not choose it', () => {
    expect(forwarded('/api/chat', { ...chat, keep_alive: '5m' }, undefined, { keepAliveMsMax: 0 })).not.toHaveProperty(
      'keep_alive',
    );
  });

  test('for ever is forwarded when the operator allows it', () => {
    expect(forwarded('/api/chat', { ...chat, keep_alive: -1 }, undefined, { admin: 'allow' }).keep_alive).toBe(-1);
  });
});

describe('options that reload the model for everyone', () => {
  const greedy = {
    ...{ num_ctx: 131072, num_batch: 1, num_gpu: 0, main_gpu: 1, use_mmap: false, num_thread: 1, draft_num_predict: 1 },
    ...{ numa: true, low_vram: true, f16_kv: false, vocab_only: true, use_mlock: true },
  };
  const mild = { temperature: 0.1, seed: 5, stop: ['x'], num_keep: 4, other: null };

  test('are dropped', () => {
    expect(forwarded('/api/chat', { ...chat, options: { ...greedy, ...mild }, shift: false })).toEqual({
      ...chat,
      options: mild,
    });
  });

  test('or pinned, in every native request', () => {
    const rules = { options: { num_ctx: 8192, use_mmap: true, shift: true } };
    const options = { num_ctx: 8192, use_mmap: true };
    for (const own of [{}, { options: greedy }, { options: { num_ctx: 4 }, shift: false }, { options: null }]) {
      expect(forwarded('/api/chat', { ...chat, ...own }, undefined, rules)).toEqual({ ...chat, options, shift: true });
    }
    expect(forwarded('/api/embed', { model: 'm', input: 'a' }, undefined, rules)).toEqual({
      model: 'm',
      input: 'a',
      options,
    });
  });

  test('no options are invented where none are asked for or pinned', () => {
    expect(forwarded('/api/chat', chat)).toEqual(chat);
  });
});

describe('requests about models', () => {
  test('show names its model by the new key or the old one, and is brief', () => {
    expect(readingOf('/api/show', { name: 'Llama3.2' })).toMatchObject({
      operation: 'models',
      modelCanonical: 'llama3.2',
    });
    expect(readingOf('/api/show', { model: '', name: 'x' }).model).toBe('x');
    expect(forwarded('/api/show', { model: 'm', verbose: true })).toEqual({ model: 'm' });
    expect(forwarded('/api/show', { model: 'm', verbose: true }, undefined, { admin: 'allow' })).toEqual({
      model: 'm',
      verbose: true,
    });
  });

  test.each([
    ['/api/pull', { model: 'x' }, 'x'],
    ['/api/pull', { name: 'x' }, 'x'],
    ['/api/copy', { source: 'a', destination: 'b' }, 'a'],
    ['/api/create', { model: 'n', from: 'a' }, 'n'],
    ['/api/delete', { model: 'x' }, 'x'],
  ])('%s %j is admin', (path, body, model) => {
    expect(readingOf(path, body)).toMatchObject({ operation: 'admin', model });
    expect(forwarded(path, body, 5)).toEqual(body);
  });
});

test('what the client sent is left as it was', () => {
  const body = { ...chat, options: { num_ctx: 5, num_predict: 0 }, keep_alive: '9h', max_tokens: 7, shift: true };
  const before = structuredClone(body);
  readingOf('/api/chat', body).forward(3);
  expect(body).toEqual(before);
});
