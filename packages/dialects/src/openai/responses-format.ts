/**
 * Streams of `/v1/responses`. Their events form a tree: a response holds items, an item holds parts, and each is opened,
 * filled and closed by events of its own. To end one early what is open is closed in that order, with the text delivered.
 */
import type { JsonObject, Refusal, Usage } from '@headgate/core';
import { decode } from '../bytes.js';
import { parseObject } from '../counts.js';
import { deltaTokens } from '../delta.js';
import { isObject } from '../fields.js';
import { lastUsage } from '../json-meter.js';
import { parseSseEvent, sseFraming, sseText } from '../sse.js';
import type { SeenEvent, StreamFormat } from '../stream-meter.js';
import { errorObject } from './refusal.js';
import { OpenItem } from './response-item.js';
import { responsesUsage, responsesUsageObject } from './usage.js';

const nothing: SeenEvent = { tokens: 0 };
const lastTypes = new Set(['response.completed', 'response.incomplete', 'response.failed']);
/** Items of one response that are followed; a backend that opens more is not ended in form. */
const itemsMax = 1024;

export class ResponsesFormat implements StreamFormat {
  readonly framing = sseFraming();
  readonly rewrites = false;
  #response: JsonObject;
  #begun = false;
  #sequence = -1;
  readonly #items = new Map<number, OpenItem>();
  usage: Usage | undefined;
  complete = false;

  constructor(model: string) {
    this.#response = { id: 'resp_cut', object: 'response', model, output: [] };
  }

  see(event: Uint8Array): SeenEvent {
    const { data } = parseSseEvent(decode(event));
    const object = data === undefined ? undefined : parseObject(data);
    const type = object?.type;
    if (object === undefined || typeof type !== 'string') return nothing;
    const response = isObject(object.response) ? object.response : undefined;
    if (response !== undefined && lastTypes.has(type)) this.usage = responsesUsage(response.usage) ?? this.usage;
    return {
      tokens: type.endsWith('.delta') ? deltaTokens(object.delta) : 0,
      delivered: () => this.#follow(type, object, response),
    };
  }

  #follow(type: string, event: JsonObject, response: JsonObject | undefined): void {
    if (typeof event.sequence_number === 'number') this.#sequence = event.sequence_number;
    if (response !== undefined) this.#response = response;
    this.#begun = true;
    if (lastTypes.has(type)) this.complete = true;
    const index = event.output_index;
    if (typeof index !== 'number') return;
    const item = this.#items.get(index);
    if (item !== undefined) item.follow(type, event);
    else if (isObject(event.item) && this.#items.size < itemsMax)
      this.#items.set(index, new OpenItem(index, event.item));
  }

  /** Only deltas are content; the events that close a part or the response repeat it. */
  isContent(head: Uint8Array): boolean {
    return /^event: ?\S+\.delta\s|"type":"[\w.]+\.delta"/m.test(decode(head));
  }

  seeLarge(head: Uint8Array, tail: Uint8Array): void {
    const type = /^event: ?(\S+)/m.exec(decode(head))?.[1];
    if (type === undefined || !lastTypes.has(type)) return;
    this.complete = true;
    this.usage = responsesUsage(lastUsage(decode(tail))) ?? this.usage;
  }

  finish(usage: Usage): string {
    const events: JsonObject[] = [];
    if (!this.#begun) events.push({ type: 'response.created', response: { ...this.#response, status: 'in_progress' } });
    const items = [...this.#items].sort(([a], [b]) => a - b).map(([, item]) => item);
    for (const item of items) events.push(...item.close());
    const response: JsonObject = {
      ...this.#response,
      status: 'incomplete',
      incomplete_details: { reason: 'max_output_tokens' },
      output: items.map((item) => item.final),
      usage: responsesUsageObject(usage),
    };
    events.push({ type: 'response.incomplete', response });
    return events.map((event) => this.#text(event)).join('');
  }

  fail(refusal: Refusal): string {
    // The event is `error` as documented; the SDK throws for the `error` member.
    const error = errorObject(refusal);
    return this.#text({ type: 'error', code: error.code!, message: error.message!, param: null, error });
  }

  #text(event: JsonObject): string {
    this.#sequence += 1;
    return sseText(JSON.stringify({ ...event, sequence_number: this.#sequence }), String(event.type));
  }
}
