/** Meters the answers of Ollama's own API: NDJSON streams and single objects. */
import type { AnswerHead, AnswerMeter, JsonObject, Reading, Refusal, Route, Usage } from '@headgate/core';
import { decode } from '../bytes.js';
import { count, parseObject, usageOf } from '../counts.js';
import { deltaTokens, sizeTokens } from '../delta.js';
import { isObject } from '../fields.js';
import { type JsonFormat, JsonMeter } from '../json-meter.js';
import { ndjsonFraming } from '../ndjson.js';
import { answerKind, passMeter } from '../pass-meter.js';
import { type SeenEvent, type StreamFormat, StreamMeter } from '../stream-meter.js';
import { errorLine } from './refusal.js';

export function meter(route: Route, head: AnswerHead, reading: Reading | undefined): AnswerMeter {
  const kind = answerKind(head.status, head.contentType);
  if (kind === 'error' || route.operation === 'models') return passMeter();
  if (route.operation === 'admin' || reading === undefined) return passMeter(errorText);
  if (kind === 'ndjson') return new StreamMeter(new NativeFormat(route.kind === 'chat', reading.model));
  return new JsonMeter(route.operation === 'embed' ? embedFormat : answerFormat);
}

function errorText(refusal: Refusal): string {
  return `${errorLine(refusal)}\n`;
}

class NativeFormat implements StreamFormat {
  readonly framing = ndjsonFraming;
  readonly rewrites = false;
  readonly #isChat: boolean;
  #model: string;
  #createdAt: string | undefined;
  usage: Usage | undefined;
  complete = false;

  constructor(isChat: boolean, model: string) {
    this.#isChat = isChat;
    this.#model = model;
  }

  see(event: Uint8Array): SeenEvent {
    const object = parseObject(decode(event));
    if (object === undefined) return { tokens: 0 };
    if (typeof object.model === 'string' && object.model !== '') this.#model = object.model;
    if (typeof object.created_at === 'string') this.#createdAt = object.created_at;
    const done = object.done === true;
    if (done) this.usage = usageOfFinal(object) ?? this.usage;
    return {
      tokens: texts(object).reduce((sum, text) => sum + deltaTokens(text), 0),
      delivered: () => {
        if (done) this.complete = true;
      },
    };
  }

  /** Only the last object can be huge without being content: it brings the tokens of the whole conversation as `context`. */
  isContent(head: Uint8Array): boolean {
    return !decode(head).includes('"done":true');
  }

  seeLarge(head: Uint8Array, tail: Uint8Array): void {
    if (this.isContent(head)) return;
    this.usage = usageOfTail(decode(tail)) ?? this.usage;
    this.complete = true;
  }

  finish(usage: Usage): string {
    const empty: JsonObject = this.#isChat ? { message: { role: 'assistant', content: '' } } : { response: '' };
    const final: JsonObject = { model: this.#model };
    if (this.#createdAt !== undefined) final.created_at = this.#createdAt;
    Object.assign(final, empty, { done: true, done_reason: 'length' });
    if (usage.inputTokens !== undefined) final.prompt_eval_count = usage.inputTokens;
    if (usage.outputTokens !== undefined) final.eval_count = usage.outputTokens;
    return `${JSON.stringify(final)}\n`;
  }

  fail(refusal: Refusal): string {
    return errorText(refusal);
  }
}

/** What a native object brings in text, from either API. */
function texts(object: JsonObject): string[] {
  const message = isObject(object.message) ? object.message : {};
  const calls = Array.isArray(message.tool_calls) ? message.tool_calls.filter(isObject) : [];
  const called = calls.map((call) => call.function).filter(isObject);
  const all = [
    ...[object.response, object.thinking, message.content, message.thinking],
    ...called.flatMap(({ name, arguments: given }) => [name, JSON.stringify(given ?? {})]),
  ];
  return all.filter((text) => typeof text === 'string');
}

const nothingComputed: Usage = { inputTokens: 0, outputTokens: 0 };

/** Ollama leaves out counts that are zero: a final object with one of them says zero for the output it does not mention. */
function usageOfFinal(object: JsonObject): Usage | undefined {
  if (object.done_reason === 'load' || object.done_reason === 'unload') return nothingComputed;
  const input = count(object.prompt_eval_count);
  const output = count(object.eval_count) ?? (input === undefined ? undefined : 0);
  const durations = [count(object.prompt_eval_duration), count(object.eval_duration)];
  const known = durations.filter((ns) => ns !== undefined);
  const gpuSeconds = known.length === 0 ? undefined : known.reduce((sum, ns) => sum + ns, 0) / 1e9;
  return usageOf(input, output, gpuSeconds);
}

const metric = /"(prompt_eval_count|prompt_eval_duration|eval_count|eval_duration)":(\d+)/g;

/** The metrics stand last in the object, whatever its size. */
function usageOfTail(tail: string): Usage | undefined {
  const metrics: JsonObject = {};
  for (const [, name, value] of tail.matchAll(metric)) metrics[name!] = Number(value);
  return usageOfFinal(metrics);
}

const answerFormat: JsonFormat = {
  isText: true,
  read(answer) {
    const length = texts(answer).reduce((sum, text) => sum + text.length, 0);
    // A prompt that was rendered and not answered is no `done`.
    if (isObject(answer._debug_info)) return { usage: nothingComputed, outputTokens: 0, complete: true };
    const complete = answer.done === true;
    return { usage: complete ? usageOfFinal(answer) : undefined, outputTokens: sizeTokens(length), complete };
  },
  readTail: usageOfTail,
};

const embedFormat: JsonFormat = {
  isText: false,
  read: (answer) => ({ usage: usageOfFinal(answer), outputTokens: 0, complete: answer.error === undefined }),
  readTail: usageOfTail,
};
