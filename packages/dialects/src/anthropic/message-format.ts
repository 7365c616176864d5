/** Streams of `/v1/messages`: a message that holds blocks, each started, filled and stopped by events. */
import type { JsonObject, Refusal, Usage } from '@headgate/core';
import { decode } from '../bytes.js';
import { parseObject } from '../counts.js';
import { deltaTokens } from '../delta.js';
import { isObject } from '../fields.js';
import { parseSseEvent, sseFraming, sseText } from '../sse.js';
import type { SeenEvent, StreamFormat } from '../stream-meter.js';
import { errorObject } from './refusal.js';
import { messageUsage } from './usage.js';

const nothing: SeenEvent = { tokens: 0 };
const blocksMax = 1024;

export class MessageFormat implements StreamFormat {
  readonly framing = sseFraming();
  readonly rewrites = false;
  readonly #model: string;
  readonly #open = new Set<number>();
  #started = false;
  usage: Usage | undefined;
  complete = false;

  constructor(model: string) {
    this.#model = model;
  }

  see(event: Uint8Array): SeenEvent {
    const { data } = parseSseEvent(decode(event));
    const object = data === undefined ? undefined : parseObject(data);
    if (object === undefined) return nothing;
    this.#noteUsage(object);
    return { tokens: eventTokens(object), delivered: () => this.#follow(object) };
  }

  /** The first event guesses the input; `message_delta` counts both, and the last one holds. */
  #noteUsage(event: JsonObject): void {
    if (event.type === 'message_delta') this.usage = { ...this.usage, ...messageUsage(event.usage) };
    if (event.type !== 'message_start' || !isObject(event.message)) return;
    const inputTokens = messageUsage(event.message.usage)?.inputTokens;
    if (inputTokens !== undefined) this.usage = { inputTokens };
  }

  #follow(event: JsonObject): void {
    const index = typeof event.index === 'number' ? event.index : 0;
    if (event.type === 'message_start') this.#started = true;
    else if (event.type === 'content_block_start' && this.#open.size < blocksMax) this.#open.add(index);
    else if (event.type === 'content_block_stop') this.#open.delete(index);
    else if (event.type === 'message_stop') this.complete = true;
  }

  isContent(): boolean {
    return true;
  }

  seeLarge(): void {}

  finish(usage: Usage): string {
    const counts: JsonObject = { input_tokens: usage.inputTokens ?? 0, output_tokens: usage.outputTokens ?? 0 };
    const events: JsonObject[] = [];
    if (!this.#started) events.push({ type: 'message_start', message: this.#emptyMessage(counts) });
    for (const index of this.#open) events.push({ type: 'content_block_stop', index });
    events.push({ type: 'message_delta', delta: { stop_reason: 'max_tokens', stop_sequence: null }, usage: counts });
    events.push({ type: 'message_stop' });
    return events.map((event) => sseText(JSON.stringify(event), String(event.type))).join('');
  }

  #emptyMessage(usage: JsonObject): JsonObject {
    const { input_tokens } = usage;
    return {
      ...{ id: 'msg_cut', type: 'message', role: 'assistant', model: this.#model, content: [] },
      ...{ stop_reason: null, stop_sequence: null, usage: { input_tokens: input_tokens!, output_tokens: 0 } },
    };
  }

  fail(refusal: Refusal): string {
    return sseText(JSON.stringify({ type: 'error', error: errorObject(refusal) }), 'error');
  }
}

function eventTokens(event: JsonObject): number {
  if (event.type === 'content_block_delta' && isObject(event.delta)) {
    const { text, thinking, partial_json } = event.delta;
    return deltaTokens(text) + deltaTokens(thinking) + deltaTokens(partial_json);
  }
  if (event.type === 'content_block_start' && isObject(event.content_block)) {
    const { text, thinking, name } = event.content_block;
    return deltaTokens(text) + deltaTokens(thinking) + deltaTokens(name);
  }
  return 0;
}
