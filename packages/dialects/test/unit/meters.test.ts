import { type AnswerMeter, isRefusal, type JsonObject, type Refusal, type Usage } from '@headgate/core';
import { describe, expect, test } from 'vitest';
import { defaultDialects } from '../../src/index.js';
import { body } from '../recordings/table.js';
import { guard, smallest } from './asking.js';

function meterOf(
  path: string,
  request: object = { stream: true },
  head: { status?: number; contentType?: string } = {},
): AnswerMeter {
  const stream = path.startsWith('/api/') ? 'application/x-ndjson' : 'text/event-stream';
  const { status = 200, contentType = stream } = head;
  for (const dialect of defaultDialects) {
    const route = dialect.route('POST', path);
    if (route === undefined || isRefusal(route)) continue;
    const reading = dialect.read(route, { ...smallest[path], ...request } as JsonObject, guard);
    if (isRefusal(reading)) throw new Error(reading.message);
    return dialect.meter(route, { status, contentType }, reading);
  }
  throw new Error(`no route for ${path}`);
}

const bytes = (text: string) => new TextEncoder().encode(text);
const text = (part: Uint8Array | undefined) => new TextDecoder().decode(part);
const go = () => 'continue' as const;
const chunk = (content: string) =>
  `data: ${JSON.stringify({ choices: [{ index: 0, delta: { content }, finish_reason: null }] })}\n\n`;
const line = (content: string, more: object = {}) =>
  `${JSON.stringify({ model: 'm', created_at: 't', message: { role: 'assistant', content }, done: false, ...more })}\n`;
const wanted = { stream: true, stream_options: { include_usage: true } };

describe('how tokens are counted', () => {
  test.each([
    ['', 0],
    ['a', 1],
    ['x'.repeat(24), 1],
    ['x'.repeat(25), 7],
    ['x'.repeat(400), 100],
  ])('%#: one an event, a quarter of the characters when it is long', (content, tokens) => {
    const meter = meterOf('/api/chat');
    const told: number[] = [];
    meter.push(bytes(line(content)), (count) => {
      told.push(count);
      return 'continue';
    });
    expect(meter.outputTokens).toBe(tokens);
    expect(told).toEqual(tokens === 0 ? [] : [tokens]);
  });
});

describe('what is held back', () => {
  test('nothing, when nobody asks and nothing is stripped: every chunk is the one that came in', () => {
    const meter = meterOf('/v1/chat/completions', wanted);
    for (const part of [chunk('a').slice(0, 9), chunk('a').slice(9) + chunk('b').slice(0, 30), chunk('b').slice(30)]) {
      const piece = bytes(part);
      expect(meter.push(piece).bytes).toBe(piece);
    }
    expect(meter.outputTokens).toBe(2);
  });

  test('no more than the event that is not whole, when somebody asks', () => {
    const meter = meterOf('/api/chat');
    const [first, second] = [line('a'), line('b')];
    expect(text(meter.push(bytes(first + second.slice(0, 20)), go).bytes)).toBe(first);
    expect(meter.push(bytes(second.slice(20, 40)), go).bytes).toBeUndefined();
    expect(text(meter.push(bytes(second.slice(40)), go).bytes)).toBe(second);
    const whole = bytes(line('c') + line('d'));
    expect(meter.push(whole, go).bytes).toBe(whole);
  });

  test('what was held comes out when nobody asks any more', () => {
    const meter = meterOf('/api/chat');
    const event = line('a');
    expect(meter.push(bytes(event.slice(0, 10)), go).bytes).toBeUndefined();
    expect(text(meter.push(bytes(event.slice(10, 20))).bytes)).toBe(event.slice(0, 20));
    expect(text(meter.push(bytes(event.slice(20))).bytes)).toBe(event.slice(20));
    expect(meter.outputTokens).toBe(1);
  });

  test('what was held comes out at the end', () => {
    const meter = meterOf('/api/chat');
    const last = line('', { done: true, eval_count: 1 }).trimEnd();
    meter.push(bytes(last), go);
    expect(text(meter.end().bytes)).toBe(last);
  });

  test('an event of which the client has the beginning passes whole, and the answer stops after it', () => {
    for (const tail of ['', line('b')]) {
      const meter = meterOf('/api/chat');
      const event = line('a');
      meter.push(bytes(event.slice(0, 10)));
      const { bytes: passed, stopped } = meter.push(bytes(event.slice(10) + tail), () => 'stop');
      expect(stopped).toBe(true);
      expect(text(passed)).toBe(event.slice(10));
      expect(meter.outputTokens).toBe(1);
      expect(text(meter.finish({}))).toMatch(/^\{"model":"m"/);
    }
  });

  test('a buffer that the caller uses again changes nothing', () => {
    const meter = meterOf('/api/chat');
    const event = line('a');
    const reused = bytes(event.slice(0, 20));
    meter.push(reused, go);
    reused.fill(0);
    expect(text(meter.push(bytes(event.slice(20)), go).bytes)).toBe(event);
  });
});

describe('the answer stops before the event that went too far', () => {
  test('within a chunk, and nothing passes after', () => {
    const meter = meterOf('/v1/chat/completions', wanted);
    let told = 0;
    const { bytes: passed, stopped } = meter.push(bytes(chunk('a') + chunk('b') + chunk('c')), () =>
      ++told > 1 ? 'stop' : 'continue',
    );
    expect({ stopped, text: text(passed), tokens: meter.outputTokens }).toEqual({
      stopped: true,
      text: chunk('a'),
      tokens: 1,
    });
    expect(meter.push(bytes(chunk('d')), go)).toEqual({ bytes: undefined, stopped: true });
    expect(meter.end()).toEqual({ bytes: undefined, complete: false });
  });

  test('also before the last object, which then has not been delivered', () => {
    const meter = meterOf('/api/chat');
    const call = {
      message: { role: 'assistant', content: '', tool_calls: [{ function: { name: 'f', arguments: {} } }] },
    };
    expect(
      meter.push(bytes(line('', { ...call, done: true, prompt_eval_count: 3, eval_count: 9 })), () => 'stop').stopped,
    ).toBe(true);
    expect(meter.complete).toBe(false);
    expect(meter.usage).toEqual({ inputTokens: 3, outputTokens: 9 });
  });
});

describe('endings', () => {
  const usage: Usage = { inputTokens: 26, outputTokens: 2 };

  test('chat of ollama: model and time as in the stream', () => {
    const meter = meterOf('/api/chat', { stream: true, model: 'm:latest' });
    meter.push(bytes(line('a')));
    expect(text(meter.finish(usage))).toBe(
      '{"model":"m","created_at":"t","message":{"role":"assistant","content":""},"done":true,"done_reason":"length","prompt_eval_count":26,"eval_count":2}\n',
    );
  });

  test('generate of ollama, before anything was said', () => {
    const meter = meterOf('/api/generate', { model: 'Llama3.2' });
    expect(text(meter.finish({}))).toBe('{"model":"Llama3.2","response":"","done":true,"done_reason":"length"}\n');
  });

  test('chat of openai, usage only where it was asked for', () => {
    for (const [request, usageEvents] of [
      [{ stream: true }, 0],
      [wanted, 1],
    ] as const) {
      const meter = meterOf('/v1/chat/completions', request);
      const [first] = body('openai-chat.sse').split(/(?<=\n\n)/);
      meter.push(bytes(first!));
      const events = text(meter.finish(usage)).split('\n\n');
      const common = {
        id: 'chatcmpl-407',
        object: 'chat.completion.chunk',
        created: 1755824523,
        model: 'llama3.2',
        system_fingerprint: 'fp_ollama',
      };
      expect(JSON.parse(events[0]!.slice(6))).toEqual({
        ...common,
        choices: [{ index: 0, delta: {}, finish_reason: 'length' }],
      });
      if (usageEvents > 0) {
        const counts = { prompt_tokens: 26, completion_tokens: 2, total_tokens: 28 };
        expect(JSON.parse(events[1]!.slice(6))).toEqual({ ...common, choices: [], usage: counts });
      }
      expect(events.slice(1 + usageEvents)).toEqual(['data: [DONE]', '']);
    }
  });

  test('every choice that is open is ended, and no other', () => {
    const meter = meterOf('/v1/chat/completions', { stream: true, n: 2 });
    const events = body('openai-chat-two-choices.sse').split(/(?<=\n\n)/);
    meter.push(bytes(events.slice(0, 3).join('')));
    const ended = JSON.parse(text(meter.finish(usage)).split('\n\n')[0]!.slice(6));
    expect(ended.choices).toEqual([{ index: 1, delta: {}, finish_reason: 'length' }]);
  });

  test('the model of a stream is not forgotten when the backend drops it', () => {
    const meter = meterOf('/v1/chat/completions', { stream: true, model: 'Llama3.2' });
    meter.push(bytes(body('openai-chat-dead.sse')));
    expect(JSON.parse(text(meter.finish(usage)).split('\n\n')[0]!.slice(6)).model).toBe('llama3.2');
  });

  test('messages: the open block is stopped first', () => {
    const meter = meterOf('/v1/messages');
    const events = body('anthropic-thinking.sse').split(/(?<=\n\n)/);
    meter.push(bytes(events.slice(0, 6).join('')));
    const types = text(meter.finish(usage)).match(/^event: .*$/gm);
    expect(types).toEqual(['event: content_block_stop', 'event: message_delta', 'event: message_stop']);
    expect(text(meter.finish(usage))).toContain('{"type":"content_block_stop","index":1}');
    expect(text(meter.finish(usage))).toContain('"stop_reason":"max_tokens"');
  });

  test('responses: parts, items and the response are closed in the order of the protocol, with the text so far', () => {
    const meter = meterOf('/v1/responses');
    const events = body('openai-responses-reasoning.sse').split(/(?<=\n\n)/);
    meter.push(bytes(events.slice(0, 10).join('')));
    const ended = text(meter.finish(usage))
      .trimEnd()
      .split('\n\n')
      .map((event) => JSON.parse(event.split('\ndata: ')[1]!));
    expect(ended.map(({ type, sequence_number }) => [type, sequence_number])).toEqual([
      ['response.output_text.done', 10],
      ['response.content_part.done', 11],
      ['response.output_item.done', 12],
      ['response.incomplete', 13],
    ]);
    expect(ended[0]).toMatchObject({ text: 'Yes', item_id: 'msg_1', output_index: 1, content_index: 0 });
    expect(ended[3].response).toMatchObject({
      id: 'resp_1',
      status: 'incomplete',
      incomplete_details: { reason: 'max_output_tokens' },
      output: [
        { type: 'reasoning', summary: [{ type: 'summary_text', text: 'Okay, so' }] },
        { type: 'message', status: 'incomplete', content: [{ type: 'output_text', text: 'Yes', annotations: [] }] },
      ],
      usage: { input_tokens: 26, output_tokens: 2, total_tokens: 28 },
    });
  });

  test('responses: a part holds its own text, not that of the part before', () => {
    const meter = meterOf('/v1/responses');
    const place = { output_index: 0, item_id: 'msg_1' };
    const part = (content_index: number, said: string) => [
      { type: 'response.content_part.added', ...place, content_index, part: { type: 'output_text', text: '' } },
      { type: 'response.output_text.delta', ...place, content_index, delta: said },
      { type: 'response.content_part.done', ...place, content_index, part: { type: 'output_text', text: said } },
    ];
    const item = {
      type: 'response.output_item.added',
      output_index: 0,
      item: { id: 'msg_1', type: 'message', content: [] },
    };
    const sent = [item, ...part(0, 'one'), ...part(1, 'two').slice(0, 2)];
    meter.push(bytes(sent.map((event) => `event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`).join('')));
    const last = text(meter.finish(usage)).trimEnd().split('\n\n').at(-1)!;
    expect(JSON.parse(last.split('\ndata: ')[1]!).response.output[0].content).toEqual([
      { type: 'output_text', text: 'one' },
      { type: 'output_text', text: 'two' },
    ]);
  });

  test('responses: a call is closed with the arguments so far', () => {
    const meter = meterOf('/v1/responses');
    const events = body('openai-responses-tools.sse').split(/(?<=\n\n)/);
    meter.push(bytes(events.slice(0, 4).join('')));
    const ended = text(meter.finish(usage));
    expect(ended.match(/^event: .*$/gm)).toEqual([
      'event: response.function_call_arguments.done',
      'event: response.output_item.done',
      'event: response.incomplete',
    ]);
    expect(ended).toContain('"arguments":"{\\"city\\":\\"Tokyo\\"}"');
  });
});

describe('errors in the stream', () => {
  const refusal: Refusal = { reason: 'limit', status: 429, message: 'the budget is spent.', measure: 'cost' };

  test.each([
    ['/api/chat', '{"error":"the budget is spent."}\n'],
    ['/api/generate', '{"error":"the budget is spent."}\n'],
    [
      '/v1/chat/completions',
      'data: {"error":{"message":"the budget is spent.","type":"rate_limit_error","param":null,"code":"insufficient_quota"}}\n\ndata: [DONE]\n\n',
    ],
    [
      '/v1/messages',
      'event: error\ndata: {"type":"error","error":{"type":"rate_limit_error","message":"the budget is spent."}}\n\n',
    ],
    [
      '/v1/responses',
      'event: error\ndata: {"type":"error","code":"insufficient_quota","message":"the budget is spent.","param":null,"error":{"message":"the budget is spent.","type":"rate_limit_error","param":null,"code":"insufficient_quota"},"sequence_number":0}\n\n',
    ],
  ])('%s', (path, expected) => {
    expect(text(meterOf(path).fail(refusal))).toBe(expected);
  });
});

test('an error after a last line without its end begins a new one', () => {
  for (const ask of [undefined, go]) {
    const meter = meterOf('/api/chat');
    const last = line('a').trimEnd();
    const passed = text(meter.push(bytes(last), ask).bytes) + text(meter.end().bytes);
    expect(passed + text(meter.fail({ reason: 'backend-error', status: 502, message: 'x' }))).toBe(
      `${last}\n{"error":"x"}\n`,
    );
  }
});

describe('answers that carry no tokens', () => {
  test.each(Object.keys(smallest))('%s: an error passes, is whole, and counts nothing', (path) => {
    for (const contentType of ['application/json', 'application/x-ndjson', 'text/event-stream', '']) {
      const meter = meterOf(path, {}, { status: 500, contentType });
      const error = bytes(`{"error":{"message":"${'x'.repeat(500)}"},"usage":{"prompt_tokens":5}}`);
      expect(meter.push(error, () => 'stop')).toEqual({ bytes: error, stopped: false });
      expect(meter.complete).toBe(false);
      expect(meter.end()).toEqual({ bytes: undefined, complete: true });
      expect({ usage: meter.usage, tokens: meter.outputTokens }).toEqual({ usage: undefined, tokens: 0 });
    }
  });
});

test.each([
  ['/api/chat', { message: { role: 'assistant', content: '' } }],
  ['/v1/chat/completions', { choices: [{ message: { role: 'assistant', content: '' } }] }],
  ['/v1/responses', { output: [{ type: 'message', content: [{ type: 'output_text', text: '' }] }] }],
  ['/v1/messages', { content: [{ type: 'text', text: '' }] }],
])('%s: a whole answer without a text and without usage counts nothing', (path, answer) => {
  const meter = meterOf(path, { stream: false }, { contentType: 'application/json' });
  meter.push(bytes(JSON.stringify(answer)));
  meter.end();
  expect([meter.usage, meter.outputTokens]).toEqual([undefined, 0]);
});

describe('usage', () => {
  const chat = (...lines: string[]) => {
    const meter = meterOf('/api/chat');
    meter.push(bytes(lines.join('')));
    return meter.usage;
  };

  test('of ollama: what a final object leaves out is zero output, never zero input', () => {
    expect(chat(line('', { done: true, prompt_eval_count: 5 }))).toEqual({ inputTokens: 5, outputTokens: 0 });
    expect(chat(line('', { done: true, eval_count: 5 }))).toEqual({ outputTokens: 5 });
    expect(chat(line('', { done: true }))).toBeUndefined();
    expect(chat(line('', { done: true, eval_count: -5, prompt_eval_count: '7' }))).toBeUndefined();
    expect(chat(line('', { done: true, eval_count: 1e300, prompt_eval_count: 2 ** 53 }))).toBeUndefined();
    expect(chat(line('a', { eval_count: 5 }))).toBeUndefined();
  });

  const completion = (...chunks: object[]) => {
    const meter = meterOf('/v1/chat/completions', wanted);
    meter.push(bytes(chunks.map((object) => `data: ${JSON.stringify(object)}\n\n`).join('')));
    return meter.usage;
  };
  const counts = (prompt: number, completion: number) => ({ prompt_tokens: prompt, completion_tokens: completion });
  const choices = [{ index: 0, delta: { content: 'a' } }];

  test('of openai: the last one holds, zeros on the way do not count, a zero at the end does', () => {
    expect(completion({ choices, usage: counts(0, 0) })).toBeUndefined();
    expect(completion({ choices, usage: counts(5, 1) }, { choices, usage: counts(5, 2) })).toEqual({
      inputTokens: 5,
      outputTokens: 2,
    });
    expect(completion({ choices: [], usage: counts(5, 9) }, { choices: [], usage: counts(5, 9) })).toEqual({
      inputTokens: 5,
      outputTokens: 9,
    });
    expect(completion({ choices: [], usage: counts(5, 0) })).toEqual({ inputTokens: 5, outputTokens: 0 });
    expect(completion({ choices: [], usage: counts(0, 0) })).toEqual({ inputTokens: 0, outputTokens: 0 });
    expect(completion({ choices: [], usage: null })).toBeUndefined();
  });

  test('of anthropic: cached input is input', () => {
    const meter = meterOf('/v1/messages');
    const usage = { input_tokens: 5, cache_creation_input_tokens: 2, cache_read_input_tokens: 10, output_tokens: 3 };
    meter.push(bytes(`data: ${JSON.stringify({ type: 'message_delta', delta: {}, usage })}\n\n`));
    expect(meter.usage).toEqual({ inputTokens: 17, outputTokens: 3 });
  });
});

describe('what no backend should send', () => {
  test.each([
    '\n\n\n',
    '{"broken\n',
    'data: {"broken\n\n',
    'data\n\n',
    'data:\n\n',
    ': x\n\n',
    '[1]\n',
    'data: 5\n\n',
    'null\n',
    '\u0000\n',
  ])('%j passes and counts nothing', (odd) => {
    for (const path of Object.keys(smallest)) {
      for (const ask of [undefined, go]) {
        const meter = meterOf(path, path.startsWith('/v1/c') ? wanted : { stream: true });
        const passed = text(meter.push(bytes(odd), ask).bytes) + text(meter.end().bytes);
        expect(passed).toBe(odd);
        expect(meter.outputTokens).toBe(0);
      }
    }
  });

  test('a message that is none begins no message', () => {
    const meter = meterOf('/v1/messages');
    for (const message of [undefined, null, 5]) {
      meter.push(bytes(`data: ${JSON.stringify({ type: 'message_start', message })}\n\n`));
    }
    expect(meter.usage).toBeUndefined();
  });

  test('fields of other types are not text', () => {
    const meter = meterOf('/v1/chat/completions', wanted);
    const odd = [
      { choices: 5 },
      { choices: [5, { delta: 5 }, { delta: { content: 5, tool_calls: [5, { function: 5 }] } }] },
    ];
    meter.push(bytes(odd.map((object) => `data: ${JSON.stringify(object)}\n\n`).join('')));
    expect(meter.outputTokens).toBe(0);
  });
});
