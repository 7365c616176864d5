import { type AnswerMeter, isRefusal, type JsonObject } from '@headgate/core';
import { describe, expect, test } from 'vitest';
import { leastCpuMs } from '../../../../test/support/cpu.js';
import { defaultDialects } from '../../src/index.js';
import { embedding, guard, smallest } from './asking.js';

function meterOf(path: string, contentType: string, more: object = {}): AnswerMeter {
  for (const dialect of defaultDialects) {
    const route = dialect.route('POST', path);
    if (route === undefined || isRefusal(route)) continue;
    const reading = dialect.read(route, { ...smallest[path], ...embedding[path], ...more } as JsonObject, guard);
    if (isRefusal(reading)) throw new Error(reading.message);
    return dialect.meter(route, { status: 200, contentType }, reading);
  }
  throw new Error(`no route for ${path}`);
}

const bytes = (text: string) => new TextEncoder().encode(text);

/** Feeds a text in pieces; returns what passed, and how much was ever held back. */
function feed(meter: AnswerMeter, text: string, onTokens?: (count: number) => 'continue' | 'stop') {
  const all = bytes(text);
  const out: Uint8Array[] = [];
  let [passedBytes, heldBytesMax] = [0, 0];
  for (let at = 0; at < all.length; at += 60_000) {
    const { bytes: passed, stopped } = meter.push(all.subarray(at, at + 60_000), onTokens);
    if (passed !== undefined) out.push(passed);
    passedBytes += passed?.length ?? 0;
    if (stopped) return { passed: Buffer.concat(out).toString(), stopped, heldBytesMax };
    heldBytesMax = Math.max(heldBytesMax, Math.min(at + 60_000, all.length) - passedBytes);
  }
  return { passed: Buffer.concat(out).toString(), stopped: false, heldBytesMax };
}

const mib = 1024 * 1024;
const ndjson = 'application/x-ndjson';
const sse = 'text/event-stream';

describe('an event larger than is held', () => {
  const huge = `${JSON.stringify({ model: 'm', message: { role: 'assistant', content: 'x'.repeat(3 * mib) }, done: false })}\n`;
  const final =
    '{"model":"m","message":{"role":"assistant","content":""},"done":true,"prompt_eval_count":26,"eval_count":18}\n';

  test('passes unchanged and is counted by its size', () => {
    for (const ask of [undefined, () => 'continue' as const]) {
      const meter = meterOf('/api/chat', ndjson);
      const { passed, heldBytesMax } = feed(meter, huge + final, ask);
      expect(passed === huge + final).toBe(true);
      expect(heldBytesMax).toBeLessThanOrEqual(mib);
      expect(meter.outputTokens).toBe(Math.ceil(huge.length / 4));
      expect(meter.usage).toEqual({ inputTokens: 26, outputTokens: 18 });
      expect(meter.end().complete).toBe(true);
    }
  });

  test('is told in parts, and can be stopped in its middle; what ends the answer then stands on a line of its own', () => {
    const meter = meterOf('/api/chat', ndjson);
    let told = 0;
    const { passed, stopped } = feed(meter, huge, (count) => {
      told += count;
      return told > 300_000 ? 'stop' : 'continue';
    });
    expect(stopped).toBe(true);
    expect(passed.length).toBeLessThan(huge.length);
    expect(meter.outputTokens).toBe(told);
    expect(new TextDecoder().decode(meter.finish({}))).toMatch(/^\n\{"model":"m"/);
  });

  test('brings no tokens when it is the last one, which carries the conversation as numbers', () => {
    const context = Array.from({ length: 400_000 }, (_, index) => index);
    const metrics = {
      total_duration: 9,
      prompt_eval_count: 26,
      prompt_eval_duration: 1e9,
      eval_count: 18,
      eval_duration: 2e9,
    };
    const last = `${JSON.stringify({ model: 'm', response: '', done: true, done_reason: 'stop', context, ...metrics })}\n`;
    for (const end of [last, last.trimEnd()]) {
      const meter = meterOf('/api/generate', ndjson);
      expect(feed(meter, end).passed === end).toBe(true);
      expect(meter.end().complete).toBe(true);
      expect(meter.outputTokens).toBe(0);
      expect(meter.usage).toEqual({ inputTokens: 26, outputTokens: 18, gpuSeconds: 3 });
    }
  });

  test('brings no tokens when it only repeats what was said', () => {
    const part = (type: string, more: object) => `event: ${type}\ndata: ${JSON.stringify({ ...more, type })}\n\n`;
    const said = 'x'.repeat(2 * mib);
    const usage = { input_tokens: 26, output_tokens: 18 };
    const end = part('response.completed', { response: { id: 'r', output: [{ content: [{ text: said }] }], usage } });
    const meter = meterOf('/v1/responses', sse, { stream: true });
    feed(meter, part('response.output_text.done', { text: said }) + end);
    expect(meter.outputTokens).toBe(0);
    expect(meter.usage).toEqual({ inputTokens: 26, outputTokens: 18 });
    expect(meter.complete).toBe(true);
    const delta = meterOf('/v1/responses', sse, { stream: true });
    feed(delta, part('response.output_text.delta', { delta: said }));
    expect(delta.outputTokens).toBeGreaterThan(said.length / 4);
  });

  test('a line that never ends is not kept', () => {
    const meter = meterOf('/v1/chat/completions', sse, { stream: true });
    const { heldBytesMax } = feed(meter, `data: ${'x'.repeat(8 * mib)}`);
    expect(heldBytesMax).toBeLessThanOrEqual(mib);
    expect(meter.outputTokens).toBeGreaterThan(2 * mib - 10);
  });

  test('many small pieces of one event cost what one large piece costs', async () => {
    const meter = meterOf('/v1/chat/completions', sse, { stream: true, stream_options: { include_usage: true } });
    const piece = bytes('x');
    const cost = await leastCpuMs(() => {
      for (let count = 0; count < 900_000; count += 1) meter.push(piece);
    }, 1);
    // Copying what is kept for every piece would take minutes.
    expect(cost).toBeLessThan(10_000);
  });
});

describe('one JSON object larger than is parsed', () => {
  const json = 'application/json';

  test('an answer tells its usage in its last bytes', () => {
    const content = `he said "usage":{"prompt_tokens":1} ${'x'.repeat(5 * mib)} and "usage":{"prompt_tokens":2}`;
    const usage = { prompt_tokens: 26, completion_tokens: 18, details: { cached: { a: 1 } } };
    const earlier = { prompt_tokens: 3, completion_tokens: 3 };
    const answer = `${JSON.stringify({ choices: [{ message: { content }, usage: earlier }], usage })}\n`;
    const meter = meterOf('/v1/chat/completions', json);
    expect(feed(meter, answer).passed === answer).toBe(true);
    expect(meter.end()).toEqual({ bytes: undefined, complete: true });
    expect(meter.usage).toEqual({ inputTokens: 26, outputTokens: 18 });
    expect(meter.outputTokens).toBe(18);
  });

  test('embeddings are long and hold no output', () => {
    const embeddings = Array.from({ length: 500_000 }, () => 0.123456789);
    const native = meterOf('/api/embed', json);
    feed(native, JSON.stringify({ model: 'm', embeddings: [embeddings], total_duration: 5, prompt_eval_count: 8 }));
    expect(native.end().complete).toBe(true);
    expect([native.usage, native.outputTokens]).toEqual([{ inputTokens: 8, outputTokens: 0 }, 0]);
    const openai = meterOf('/v1/embeddings', json);
    feed(openai, JSON.stringify({ data: [{ embedding: embeddings }], usage: { prompt_tokens: 8, total_tokens: 8 } }));
    openai.end();
    expect([openai.usage, openai.outputTokens]).toEqual([{ inputTokens: 8, outputTokens: 0 }, 0]);
  });

  test('one that breaks off is not whole, and counts by its size', () => {
    const meter = meterOf('/v1/chat/completions', json);
    feed(meter, `{"choices":[{"message":{"content":"${'x'.repeat(5 * mib)}`);
    expect(meter.end().complete).toBe(false);
    expect(meter.usage).toBeUndefined();
    expect(meter.outputTokens).toBeGreaterThan((5 * mib) / 4);
    const short = meterOf('/api/chat', json, { stream: false });
    feed(short, '{"message":{"content":"xxxx');
    expect([short.end().complete, short.outputTokens]).toEqual([false, 7]);
  });

  test('nothing can be added to one', () => {
    const meter = meterOf('/api/chat', json, { stream: false });
    expect(meter.finish({}).length).toBe(0);
    expect(meter.fail({ reason: 'limit', status: 429, message: 'no' }).length).toBe(0);
  });
});
