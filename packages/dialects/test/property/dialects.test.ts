import { type AnswerMeter, isRefusal, type JsonObject, type Reading } from '@headgate/core';
import type { Recording } from '@headgate/core/testing';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { holds } from '../../../../test/support/seeds.js';
import { defaultDialects } from '../../src/index.js';
import { anthropicRecordings, ollamaRecordings, openaiRecordings, withLineEnds } from '../recordings/table.js';

const guard = {
  admin: 'deny',
  cloud: 'deny',
  options: { num_ctx: 8192 },
  keepAliveMsMax: 1_800_000,
  inputsMax: 8,
} as const;
const paths = [
  ...['/api/generate', '/api/chat', '/api/embed', '/api/embeddings', '/api/show', '/api/pull', '/api/copy'],
  ...['/v1/chat/completions', '/v1/completions', '/v1/responses', '/v1/embeddings', '/v1/messages'],
];

function read(path: string, body: JsonObject): ReturnType<(typeof defaultDialects)[number]['read']> {
  const dialect = defaultDialects.find((candidate) => candidate.speaks(path))!;
  const route = dialect.route('POST', path);
  if (route === undefined || isRefusal(route)) throw new Error(path);
  return dialect.read(route, body, guard);
}

const caps = ['max_tokens', 'max_completion_tokens', 'max_output_tokens', 'num_predict', 'n_predict', 'n', 'best_of'];
const odd = fc.oneof(
  fc.jsonValue({ maxDepth: 2 }),
  fc.integer(),
  fc.double(),
  fc.constantFrom('', '5', '5m', null, true, [], {}),
);
const text = fc.string({ maxLength: 8 });
const part = fc.record(
  {
    type: fc.constantFrom('text', 'image_url', 'tool_result', 'document', 'x'),
    text: fc.oneof(text, odd),
    content: odd,
  },
  { requiredKeys: [] },
);
const message = fc.record(
  {
    role: fc.constantFrom('user', 'tool', 'TOOL', 'assistant'),
    content: fc.oneof(text, fc.array(part, { maxLength: 3 }), odd),
    images: odd,
    tool_calls: odd,
  },
  { requiredKeys: [] },
);
/** Bodies near enough to real ones to get far into a reader, each field sometimes something else. */
const body = fc
  .tuple(
    fc.record(
      {
        model: fc.oneof({ weight: 9, arbitrary: fc.constant('m') }, odd),
        messages: fc.oneof({ weight: 5, arbitrary: fc.array(message, { maxLength: 3 }) }, odd),
        prompt: fc.oneof(text, odd),
        input: fc.oneof(text, fc.array(fc.oneof(text, message), { maxLength: 3 }), odd),
        stream: fc.oneof(fc.boolean(), odd),
        stream_options: odd,
        options: fc.oneof(fc.dictionary(fc.constantFrom('num_predict', 'num_ctx', 'temperature'), odd), odd),
        keep_alive: odd,
        tools: odd,
        system: odd,
      },
      { requiredKeys: ['model'] },
    ),
    fc.dictionary(fc.constantFrom(...caps), fc.oneof({ weight: 3, arbitrary: fc.integer({ min: -2, max: 300 }) }, odd)),
    fc.dictionary(fc.string(), odd, { maxKeys: 2 }),
  )
  .map(([known, declared, unknown]) => JSON.parse(JSON.stringify({ ...unknown, ...known, ...declared })) as JsonObject);

describe('reading', () => {
  test('never throws, and what it accepts reads the same when it is forwarded', async () => {
    let accepted = 0;
    await holds(
      fc.property(
        fc.constantFrom(...paths),
        body,
        fc.option(fc.integer({ min: 1, max: 500 }), { nil: undefined }),
        (path, sent, cap) => {
          const reading = read(path, sent);
          if (isRefusal(reading)) return;
          accepted += 1;
          const forwarded = reading.forward(cap);
          const again = read(path, JSON.parse(forwarded) as JsonObject) as Reading;
          expect(isRefusal(again)).toBe(false);
          for (const key of ['model', 'texts', 'stream', 'messages', 'images', 'toolResults', 'choices'] as const) {
            expect(again[key]).toEqual(reading[key]);
          }
          // Without a granted cap, a spelling that meant "no end" is gone from the second body, and the others hold again.
          const stable = cap !== undefined || reading.outputTokensMax === again.outputTokensMax;
          if (stable) expect(JSON.parse(again.forward(cap))).toEqual(JSON.parse(forwarded));
          const declared = reading.outputTokensMax ?? Number.POSITIVE_INFINITY;
          const answers = !path.includes('embed') && !['/api/show', '/api/pull', '/api/copy'].includes(path);
          if (cap !== undefined && answers) {
            expect(again.outputTokensMax).toBeLessThanOrEqual(Math.max(reading.choices, Math.min(cap, declared)));
          }
        },
      ),
      { runs: 2_000 },
    );
    expect(accepted).toBeGreaterThan(200);
  });

  test('never throws for any object at all', () => {
    return holds(
      fc.property(fc.constantFrom(...paths), fc.dictionary(fc.string(), fc.jsonValue()), (path, sent) => {
        const reading = read(path, JSON.parse(JSON.stringify(sent)) as JsonObject);
        if (!isRefusal(reading)) reading.forward(5);
      }),
      { runs: 500 },
    );
  });
});

const streams = [...ollamaRecordings, ...openaiRecordings, ...anthropicRecordings];
const recordings = [
  ...streams,
  ...streams.filter(({ isStream, delivered }) => isStream && !delivered).map((one) => withLineEnds(one, '\r\n')),
];

function meterOf(recording: Recording): AnswerMeter {
  const dialect = defaultDialects.find((candidate) => candidate.speaks(recording.path))!;
  const route = dialect.route(recording.method, recording.path);
  if (route === undefined || isRefusal(route)) throw new Error(recording.path);
  const reading = dialect.read(route, recording.request, guard) as Reading;
  return dialect.meter(route, { status: 200, contentType: recording.contentType }, reading);
}

function pieces(bytes: Uint8Array, cuts: readonly number[]): Uint8Array[] {
  const at = [0, ...cuts.map((cut) => cut % (bytes.length + 1)).toSorted((a, b) => a - b), bytes.length];
  return at.slice(1).map((to, index) => bytes.subarray(at[index]!, to));
}

describe('metering', () => {
  test('means the same however the stream is cut and whoever asks between', () => {
    const cuts = fc.array(fc.nat(), { maxLength: 20 });
    return holds(
      fc.property(
        fc.constantFrom(...recordings),
        cuts,
        fc.array(fc.boolean(), { minLength: 1 }),
        (recording, at, asks) => {
          const meter = meterOf(recording);
          const out: Uint8Array[] = [];
          pieces(new TextEncoder().encode(recording.body), at).forEach((piece, index) => {
            const asked = asks[index % asks.length]!;
            const { bytes } = asked ? meter.push(piece, () => 'continue') : meter.push(piece);
            if (bytes !== undefined) out.push(bytes);
          });
          const { bytes, complete } = meter.end();
          if (bytes !== undefined) out.push(bytes);
          expect(Buffer.concat(out).toString()).toBe(recording.delivered ?? recording.body);
          expect([meter.usage, meter.outputTokens, complete]).toEqual([
            recording.usage,
            recording.outputTokens,
            recording.complete,
          ]);
        },
      ),
      { runs: 1_000 },
    );
  });

  test('never throws for bytes that are no stream, and loses none of them', () => {
    const chaos = fc.oneof(
      fc.uint8Array({ maxLength: 200 }),
      fc
        .array(
          fc.constantFrom(
            'data:',
            'data: ',
            'event: x',
            '{',
            '}',
            '"',
            '\n',
            '\r',
            '\r\n',
            ': ',
            'null',
            '[DONE]',
            '\ufeff',
          ),
        )
        .map((parts) => new TextEncoder().encode(parts.join(''))),
    );
    return holds(
      fc.property(
        fc.constantFrom(...recordings.filter(({ delivered }) => !delivered)),
        chaos,
        fc.array(fc.nat(), { maxLength: 6 }),
        fc.boolean(),
        (recording, bytes, at, asked) => {
          const meter = meterOf(recording);
          const out = pieces(bytes, at).map(
            (piece) => (asked ? meter.push(piece, () => 'continue') : meter.push(piece)).bytes,
          );
          out.push(meter.end().bytes);
          meter.finish({});
          meter.fail({ reason: 'backend-error', status: 502, message: 'x' });
          expect(Buffer.concat(out.filter((piece) => piece !== undefined))).toEqual(Buffer.from(bytes));
        },
      ),
      { runs: 1_000 },
    );
  });
});
