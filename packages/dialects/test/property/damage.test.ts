/** Recorded answers with damage, and refusals in odd words: what a backend or a client says never breaks a meter or an answer. */
import { type AnswerMeter, isRefusal, type Reading, type Usage } from '@headgate/core';
import type { Recording } from '@headgate/core/testing';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { holds } from '../../../../test/support/seeds.js';
import { defaultDialects } from '../../src/index.js';
import { anthropicRecordings, ollamaRecordings, openaiRecordings } from '../recordings/table.js';

const guard = { admin: 'deny', cloud: 'deny', options: {}, keepAliveMsMax: 1_800_000, inputsMax: 8 } as const;
const recordings = [...ollamaRecordings, ...openaiRecordings, ...anthropicRecordings];
const encoder = new TextEncoder();

function meterOf({ method, path, request, contentType }: Recording): AnswerMeter {
  const dialect = defaultDialects.find((candidate) => candidate.speaks(path))!;
  const route = dialect.route(method, path);
  if (route === undefined || isRefusal(route)) throw new Error(path);
  return dialect.meter(route, { status: 200, contentType }, dialect.read(route, request, guard) as Reading);
}

/** What a broken or hostile server puts in the place of a few bytes. */
const inserted = fc.oneof(
  fc.uint8Array({ maxLength: 6 }),
  fc
    .constantFrom(
      ...['\n', '\r', '\n\n', '{', '}', '"', '\\', 'null', '[]', '-1', '1e400', '0.5', '9007199254740993', '\u2028'],
      ...['data: [DONE]\n\n', 'data: {}\n\n', 'data: null\n\n', 'event: message_stop\n', ': \n', '{"done":true}\n'],
      ...['"usage":{"prompt_tokens":-5,"completion_tokens":"x"},', '"eval_count":-1,', '"prompt_eval_count":1e99,'],
      ...['"choices":null,', '"choices":[null],', '"delta":5,', '"message":[],', '"__proto__":{"done":true},'],
    )
    .map((text) => encoder.encode(text)),
);
/** In place of a number that a server reports. */
const number = fc.constantFrom('-1', '-0.5', '1e400', '"7"', 'null', '[]', '9007199254740993', '0.5', 'true');
interface Misreport {
  readonly which: number;
  readonly instead: string;
}
const misreports: fc.Arbitrary<Misreport[]> = fc.array(fc.record({ which: fc.nat(), instead: number }), {
  maxLength: 2,
});

function misreported(body: string, misreport: readonly Misreport[]): string {
  return misreport.reduce((text, { which, instead }) => {
    const found = [...text.matchAll(/(?<=":)\d[\d.]*/g)];
    const { 0: digits = '', index } = found[which % Math.max(1, found.length)] ?? { index: 0 };
    return text.slice(0, index) + (digits === '' ? '' : instead) + text.slice(index + digits.length);
  }, body);
}

interface Damage {
  readonly at: number;
  readonly removed: number;
  readonly bytes: Uint8Array;
}
const damages: fc.Arbitrary<Damage[]> = fc.array(fc.record({ at: fc.nat(), removed: fc.nat(12), bytes: inserted }), {
  maxLength: 3,
});

function damaged(body: Uint8Array, damage: readonly Damage[]): Buffer {
  let bytes = Buffer.from(body);
  for (const { at, removed, bytes: more } of damage) {
    const from = at % (bytes.length + 1);
    bytes = Buffer.concat([bytes.subarray(0, from), more, bytes.subarray(from + removed)]);
  }
  return bytes;
}

const isCount = (count: number | undefined): boolean => count === undefined || (Number.isFinite(count) && count >= 0);
const isSane = ({ inputTokens, outputTokens, gpuSeconds }: Usage): boolean =>
  [inputTokens, outputTokens, gpuSeconds].every(isCount);

describe('a damaged answer', () => {
  test('is counted in counts, and what is passed on is what came, whoever stops it where', () =>
    holds(
      fc.property(
        fc.constantFrom(...recordings),
        damages,
        misreports,
        fc.integer({ min: 1, max: 400 }),
        fc.option(fc.nat(20), { nil: undefined }),
        (recording, damage, misreport, pieceBytes, budget) => {
          const bytes = damaged(encoder.encode(misreported(recording.body, misreport)), damage);
          const meter = meterOf(recording);
          const passed: Uint8Array[] = [];
          let asked = 0;
          let stopped = false;
          const spend = (count: number): 'continue' | 'stop' => {
            expect(count).toBeGreaterThan(0);
            asked += count;
            return budget !== undefined && asked > budget ? 'stop' : 'continue';
          };
          for (let at = 0; at < bytes.length && !stopped; at += pieceBytes) {
            const metered = meter.push(bytes.subarray(at, at + pieceBytes), spend);
            if (metered.bytes !== undefined) passed.push(metered.bytes);
            stopped = metered.stopped;
          }
          const rest = stopped ? undefined : meter.end().bytes;
          if (rest !== undefined) passed.push(rest);
          const out = Buffer.concat(passed);
          // Dialects that strip what only we asked for leave out whole events; nobody adds anything.
          if (recording.delivered !== undefined) expect(out.length).toBeLessThanOrEqual(bytes.length);
          else expect(bytes.subarray(0, out.length)).toEqual(out);
          if (!stopped && recording.delivered === undefined) expect(out.length).toBe(bytes.length);
          expect(Number.isInteger(meter.outputTokens) && meter.outputTokens >= 0).toBe(true);
          expect(isSane(meter.usage ?? {}), JSON.stringify(meter.usage)).toBe(true);
          for (const ending of [
            meter.finish({ inputTokens: 1, outputTokens: 2 }),
            meter.fail({ reason: 'backend-error', status: 502, message: 'a "quoted"\r\n\u2028line\ud800' }),
          ]) {
            for (const json of objectsIn(ending)) expect(JSON.parse(json)).toBeInstanceOf(Object);
          }
        },
      ),
      { runs: 500 },
    ));
});

/** The objects that a client finds in an ending: lines, or data of events. */
function objectsIn(ending: Uint8Array): string[] {
  const text = new TextDecoder('utf-8', { fatal: true }).decode(ending);
  const lines = text.split('\n').map((line) => line.replace(/^data: ?/, ''));
  return lines.filter((line) => line.startsWith('{'));
}

test('a refusal is one line of JSON in every dialect, whatever the client called things', () => {
  const words = fc.oneof(
    fc.string({ unit: 'binary', maxLength: 20 }),
    fc.string({ unit: fc.constantFrom('\r', '\n', '"', '\\', '\0', '\ud800', '\u2028', 'a') }),
  );
  const reasons = fc.constantFrom('bad-request', 'limit', 'queue-full', 'forbidden', 'too-large', 'not-found', 'run');
  return holds(
    fc.property(fc.constantFrom(...defaultDialects), words, words, reasons, (dialect, message, limit, reason) => {
      const { body, headers } = dialect.refusal({ reason, status: 429, message, limit }, 'req_1');
      expect(body).not.toMatch(/[\r\n]/);
      expect(JSON.parse(Buffer.from(body).toString())).toHaveProperty('error');
      for (const value of Object.values(headers)) expect(value).toMatch(/^[\t -~]*$/);
    }),
    { runs: 500 },
  );
});

test('every path is some dialect’s, and no path and method make one throw', () => {
  const segment = fc.oneof(
    fc.constantFrom('api', 'v1', 'chat', 'models', 'messages', 'completions', 'tags', 'blobs', '', '__proto__', 'k'),
    fc.string({ maxLength: 5 }),
  );
  const method = fc.oneof(fc.constantFrom('GET', 'POST', 'HEAD', 'DELETE', 'get'), fc.string({ maxLength: 5 }));
  return holds(
    fc.property(fc.array(segment, { maxLength: 5 }), method, (segments, verb) => {
      const path = `/${segments.join('/')}`;
      expect(defaultDialects.some((dialect) => dialect.speaks(path))).toBe(true);
      for (const dialect of defaultDialects) {
        const route = dialect.route(verb, path);
        if (route !== undefined && !isRefusal(route)) expect([route.method, route.path]).toEqual([verb, path]);
      }
    }),
    { runs: 1_000 },
  );
});
