/**
 * What every dialect must do, as cases that throw when it does not: hand them to any test runner.
 * A stream means the same however the network cuts it, so each recording is fed cut in two at every byte, and byte by byte.
 */
import type { AnswerMeter, Dialect, JsonObject, Reading, Route } from '../http/dialect.js';
import { isRefusal } from '../http/dialect.js';
import { parseStrictJson } from '../http/strict-json.js';
import type { Reason, Refusal, Usage } from '../model.js';
import type { GuardRules } from '../policy/policy.js';
import { statuses } from '../refusal.js';

/** One answer of a backend, and what it amounts to. */
export interface Recording {
  readonly name: string;
  readonly method: string;
  readonly path: string;
  /** The body that was asked with. */
  readonly request: JsonObject;
  /** Default 200. */
  readonly status?: number;
  readonly contentType: string;
  readonly body: string;
  /** What the client gets; the body itself unless said. */
  readonly delivered?: string;
  readonly usage: Usage | undefined;
  /** Tokens by the dialect's own count. */
  readonly outputTokens: number;
  readonly complete: boolean;
  /** The answer comes in events and can be ended early. */
  readonly isStream: boolean;
}

export interface ConformanceCase {
  readonly name: string;
  run(): void;
}

const guardOpen: GuardRules = { admin: 'allow', cloud: 'allow', options: {}, keepAliveMsMax: 60_000, inputsMax: 64 };

/** The cases for a dialect: its refusals, and every recording whole, cut, stopped and failed. */
export function dialectConformance(dialect: Dialect, recordings: readonly Recording[]): ConformanceCase[] {
  const cases: ConformanceCase[] = [];
  const add = (name: string, run: () => void): void => {
    cases.push({ name: `${dialect.name}: ${name}`, run });
  };
  for (const [reason, status] of Object.entries(statuses)) {
    add(`a refusal for ${reason} is one line of JSON with its status`, () =>
      checkRefusal(dialect, reason as Reason, status),
    );
  }
  for (const recording of recordings) {
    const { name } = recording;
    add(`${name}: what is forwarded reads as what was read`, () => checkForward(dialect, recording));
    add(`${name}: whole`, () => check(dialect, recording, [bytesOf(recording)], false));
    add(`${name}: cut in two at every byte`, () => checkCuts(dialect, recording, false));
    add(`${name}: cut in two at every byte, asked before every token`, () => checkCuts(dialect, recording, true));
    add(`${name}: byte by byte`, () => {
      const single = Array.from(bytesOf(recording), (byte) => Uint8Array.of(byte));
      check(dialect, recording, single, false);
      check(dialect, recording, single, true);
    });
    if (!recording.isStream) continue;
    add(`${name}: stopped at every token and ended in form`, () => checkStops(dialect, recording));
    add(`${name}: broken off at every byte, the error stands alone`, () => checkBreaks(dialect, recording));
  }
  return cases;
}

function checkRefusal(dialect: Dialect, reason: Reason, status: number): void {
  const message = `a sentence about "${reason}"\nin two lines`;
  const refusal: Refusal = {
    reason,
    status,
    message,
    retryAfterMs: 1500,
    ...(status === 405 && { allow: ['GET', 'POST'] }),
  };
  const answer = dialect.refusal(refusal, 'req_1');
  equal(answer.status, status, 'status');
  equal(answer.headers['content-type'], 'application/json', 'content type');
  equal(answer.body.includes('\n'), false, 'a line break in the body');
  if (status === 405) equal(answer.headers.allow, 'GET, POST', 'allow');
  JSON.parse(answer.body);
  if (reason !== 'queue-full')
    equal(answer.body.includes(JSON.stringify(message).slice(1, -1)), true, 'message in the body');
  equal(answer.body.includes('try again in 2 seconds'), true, 'the wait in words');
}

function readingOf(
  dialect: Dialect,
  recording: Recording,
  body = recording.request,
): { route: Route; reading: Reading } {
  const route = dialect.route(recording.method, recording.path);
  if (route === undefined || isRefusal(route)) throw new Error(`no route for ${recording.method} ${recording.path}`);
  const reading = dialect.read(route, body, guardOpen);
  if (isRefusal(reading)) throw new Error(`refused: ${reading.message}`);
  return { route, reading };
}

function checkForward(dialect: Dialect, recording: Recording): void {
  const { reading } = readingOf(dialect, recording);
  for (const cap of [undefined, 7]) {
    const parsed = parseStrictJson(reading.forward(cap));
    if (!parsed.ok) throw new Error(`forwarded body: ${parsed.problem}`);
    const again = readingOf(dialect, recording, parsed.value as JsonObject).reading;
    equal(again.texts, reading.texts, 'texts');
    equal(again.model, reading.model, 'model');
    equal(again.stream, reading.stream, 'stream');
    const cappable = reading.operation === 'chat' || reading.operation === 'generate';
    if (cap !== undefined && cappable)
      equal((again.outputTokensMax ?? Infinity) <= Math.max(cap, reading.choices), true, 'capped');
    const third = parseStrictJson(again.forward(cap));
    equal(third.ok && third.value, parsed.value, 'forwarded twice');
  }
}

function meterOf(dialect: Dialect, recording: Recording): AnswerMeter {
  const { route, reading } = readingOf(dialect, recording);
  return dialect.meter(route, { status: recording.status ?? 200, contentType: recording.contentType }, reading);
}

function checkCuts(dialect: Dialect, recording: Recording, asked: boolean): void {
  const bytes = bytesOf(recording);
  for (let cut = 1; cut < bytes.length; cut += 1) {
    check(dialect, recording, [bytes.subarray(0, cut), bytes.subarray(cut)], asked);
  }
}

/** Feeds the chunks and compares everything the meter says with the recording. */
function check(dialect: Dialect, recording: Recording, chunks: readonly Uint8Array[], asked: boolean): void {
  const meter = meterOf(dialect, recording);
  const byReference = !asked && passesByReference(dialect, recording);
  const out: Uint8Array[] = [];
  let counted = 0;
  const onTokens = (tokens: number): 'continue' => {
    counted += tokens;
    return 'continue';
  };
  for (const chunk of chunks) {
    const { bytes, stopped } = asked ? meter.push(chunk, onTokens) : meter.push(chunk);
    if (stopped) throw new Error('stopped without being told to');
    if (byReference && bytes !== chunk) {
      throw new Error('a chunk that passes unchanged was copied or held back');
    }
    if (bytes !== undefined) out.push(bytes);
  }
  const { bytes, complete } = meter.end();
  if (bytes !== undefined) out.push(bytes);
  const where = `cut after ${chunks[0]!.length} bytes`;
  equal(textOf(out), recording.delivered ?? recording.body, `bytes, ${where}`);
  equal(meter.usage, recording.usage, `usage, ${where}`);
  equal(meter.outputTokens, recording.outputTokens, `output tokens, ${where}`);
  if (asked && recording.isStream && recording.body.endsWith('\n'))
    equal(counted, recording.outputTokens, `told tokens, ${where}`);
  equal(complete, recording.complete, `complete, ${where}`);
  equal(meter.complete, recording.complete, `complete, ${where}`);
}

/** A meter that may have to change events holds back incomplete ones, even when none is changed in the end. */
function passesByReference(dialect: Dialect, recording: Recording): boolean {
  return !recording.isStream || readingOf(dialect, recording).reading.wantsUsage !== false;
}

function checkStops(dialect: Dialect, recording: Recording): void {
  const bytes = bytesOf(recording);
  const whole = recording.delivered ?? recording.body;
  for (let allowed = 0; allowed < 1000; allowed += 1) {
    const meter = meterOf(dialect, recording);
    let told = 0;
    let passed = 0;
    const { bytes: before, stopped } = meter.push(bytes, (tokens) => {
      told += 1;
      if (told > allowed) return 'stop';
      passed += tokens;
      return 'continue';
    });
    if (!stopped) {
      equal(told, allowed, 'every stop was tried');
      return;
    }
    const delivered = textOf(before === undefined ? [] : [before]);
    equal(whole.startsWith(delivered), true, 'what passed before the stop is a beginning of the whole');
    equal(meter.outputTokens, passed, 'tokens delivered before the stop');
    equal(meter.complete, false, 'complete before the end');
    equal(meter.push(bytes), { stopped: true }, 'pushed after the stop');
    const usage: Usage = { inputTokens: 26, outputTokens: passed };
    const ended = delivered + textOf([meter.finish(usage)]);
    const replay = meterOf(dialect, recording);
    replay.push(new TextEncoder().encode(ended));
    equal(replay.end().complete, true, `the ending is whole after ${allowed} events`);
    equal(replay.outputTokens, passed, 'the ending brings no tokens');
    if (passesByReference(dialect, recording)) equal(replay.usage, usage, 'usage in the ending');
  }
}

function checkBreaks(dialect: Dialect, recording: Recording): void {
  const bytes = bytesOf(recording);
  const refusal: Refusal = { reason: 'backend-error', status: 502, message: 'the backend broke off' };
  for (let cut = 0; cut <= bytes.length; cut += 1) {
    for (const asked of [false, true]) {
      const meter = meterOf(dialect, recording);
      const part = bytes.subarray(0, cut);
      const { bytes: before } = asked ? meter.push(part, () => 'continue') : meter.push(part);
      const error = textOf([meter.fail(refusal)]);
      equal(error.endsWith('\n'), true, 'the error ends its line');
      const text = textOf(before === undefined ? [] : [before]) + error;
      const lines = text.split(/\r\n|\n|\r/).filter((line) => line.includes(refusal.message));
      equal(lines.length, 1, `lines with the error, broken off after ${cut} bytes`);
      const json = lines[0]!.replace(/^data: /, '');
      equal(JSON.stringify(JSON.parse(json)), json, `the error stands alone, broken off after ${cut} bytes`);
    }
  }
}

function bytesOf(recording: Recording): Uint8Array {
  return new TextEncoder().encode(recording.body);
}

function textOf(parts: readonly Uint8Array[]): string {
  const decoder = new TextDecoder();
  return parts.map((part) => decoder.decode(part, { stream: true })).join('') + decoder.decode();
}

function equal(actual: unknown, expected: unknown, what: string): void {
  if (actual === expected) return;
  const [is, should] = [canonical(actual), canonical(expected)];
  if (is !== should) throw new Error(`${what}: expected ${should}, got ${is}`);
}

/** JSON with keys in order, so that two objects with the same members are the same text. */
function canonical(value: unknown): string {
  const sorted = (_key: string, member: unknown): unknown => {
    if (typeof member !== 'object' || member === null || Array.isArray(member)) return member;
    return Object.fromEntries(Object.entries(member).sort(([a], [b]) => (a < b ? -1 : 1)));
  };
  return JSON.stringify(value, sorted) ?? 'undefined';
}
