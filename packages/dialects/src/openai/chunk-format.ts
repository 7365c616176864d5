/**
 * Streams of `/v1/chat/completions` and `/v1/completions`. Usage comes only when asked for, so every request asks for it;
 * what the client did not ask for is taken out again, because code written as `chunk.choices[0].delta` fails on a chunk
 * without choices.
 */
import type { JsonObject, JsonValue, Refusal, Usage } from '@headgate/core';
import { decode, encode } from '../bytes.js';
import { parseObject } from '../counts.js';
import { deltaTokens } from '../delta.js';
import { isObject } from '../fields.js';
import { parseSseEvent, sseFraming, sseText } from '../sse.js';
import type { SeenEvent, StreamFormat } from '../stream-meter.js';
import { errorObject } from './refusal.js';
import { chatUsage, chatUsageObject } from './usage.js';

export interface ChunkStream {
  readonly isChat: boolean;
  /** As the client sent it; echoed until a chunk says otherwise. */
  readonly model: string;
  readonly wantsUsage: boolean;
}

const nothing: SeenEvent = { tokens: 0 };
const dropped = new Uint8Array(0);
const done = sseText('[DONE]');
/** More choices than a request may ask for are not followed. */
const choicesMax = 4096;

export class ChunkFormat implements StreamFormat {
  readonly framing = sseFraming();
  readonly rewrites: boolean;
  readonly #stream: ChunkStream;
  /** What the chunks of this stream have in common, as the last one had it. */
  #common: JsonObject;
  /** Choices that began and have not finished. */
  readonly #open = new Set<number>();
  #started = false;
  usage: Usage | undefined;
  complete = false;

  constructor(stream: ChunkStream) {
    this.#stream = stream;
    this.rewrites = !stream.wantsUsage;
    this.#common = { model: stream.model };
  }

  see(event: Uint8Array): SeenEvent {
    const { data } = parseSseEvent(decode(event));
    if (data === undefined) return nothing;
    if (data.startsWith('[DONE]')) return { tokens: 0, delivered: () => this.#end() };
    const chunk = parseObject(data);
    return chunk === undefined ? nothing : this.#chunk(chunk);
  }

  #chunk(chunk: JsonObject): SeenEvent {
    for (const key of ['id', 'object', 'created', 'model', 'system_fingerprint']) {
      const value = chunk[key];
      // A chunk whose model is empty is how Ollama drops a stream that failed.
      if (value !== undefined && value !== null && value !== '') this.#common[key] = value;
    }
    const choices = Array.isArray(chunk.choices) ? chunk.choices.filter(isObject) : [];
    const usage = chatUsage(chunk.usage);
    // Ollama writes zeros into every chunk but the last once usage is asked for; the last has no choices.
    if (usage !== undefined && (choices.length === 0 || !isZero(usage))) this.usage = usage;
    const instead = this.#stripped(chunk, choices.length === 0);
    return {
      tokens: choiceTexts(chunk, 'delta').reduce((sum, text) => sum + deltaTokens(text), 0),
      ...(instead !== undefined && { instead }),
      delivered: () => this.#follow(choices),
    };
  }

  #stripped(chunk: JsonObject, hasNoChoices: boolean): Uint8Array | undefined {
    if (this.#stream.wantsUsage || !Object.hasOwn(chunk, 'usage')) return undefined;
    if (hasNoChoices) return dropped;
    const { usage: _, ...rest } = chunk;
    return encode(sseText(JSON.stringify(rest)));
  }

  #follow(choices: readonly JsonObject[]): void {
    for (const choice of choices) {
      this.#started = true;
      const index = typeof choice.index === 'number' ? choice.index : 0;
      if (typeof choice.finish_reason === 'string') this.#open.delete(index);
      else if (this.#open.size < choicesMax) this.#open.add(index);
    }
  }

  #end(): void {
    this.complete = true;
  }

  isContent(): boolean {
    return true;
  }

  seeLarge(): void {}

  finish(usage: Usage): string {
    const open = this.#started ? [...this.#open] : [0];
    let text = open.length === 0 ? '' : this.#text(open.map((index) => this.#lastChoice(index)));
    if (this.#stream.wantsUsage) text += this.#text([], chatUsageObject(usage));
    return text + done;
  }

  #lastChoice(index: number): JsonObject {
    if (!this.#stream.isChat) return { text: '', index, finish_reason: 'length' };
    // Clients that assemble a message need its role from the first chunk they see.
    return { index, delta: this.#started ? {} : { role: 'assistant', content: '' }, finish_reason: 'length' };
  }

  #text(choices: JsonObject[], usage?: JsonObject): string {
    const object = this.#stream.isChat ? 'chat.completion.chunk' : 'text_completion';
    return sseText(JSON.stringify({ object, ...this.#common, choices, ...(usage && { usage }) }));
  }

  fail(refusal: Refusal): string {
    return sseText(JSON.stringify({ error: errorObject(refusal) })) + done;
  }
}

function isZero(usage: Usage): boolean {
  return !usage.inputTokens && !usage.outputTokens;
}

/** All text in the choices of a chunk (`delta`) or of a whole answer (`message`); completions have it in `text`. */
export function choiceTexts(object: JsonObject, key: 'delta' | 'message'): string[] {
  const choices = Array.isArray(object.choices) ? object.choices.filter(isObject) : [];
  return choices.flatMap((choice) => {
    const message = isObject(choice[key]) ? choice[key] : {};
    const { content, reasoning, reasoning_content, refusal } = message;
    return [choice.text, content, reasoning, reasoning_content, refusal, ...callTexts(message)].filter(isText);
  });
}

function callTexts(message: JsonObject): (JsonValue | undefined)[] {
  const calls = Array.isArray(message.tool_calls) ? message.tool_calls.filter(isObject) : [];
  const functions = [...calls.map((call) => call.function), message.function_call].filter(isObject);
  return functions.flatMap((called) => [called.name, called.arguments]);
}

function isText(value: JsonValue | undefined): value is string {
  return typeof value === 'string' && value !== '';
}
