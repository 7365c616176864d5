/** One item of a response as it is filled, so that it can be closed where it stands. */
import type { JsonObject } from '@headgate/core';
import { isObject } from '../fields.js';

/** Text kept of one item, in characters; an item longer than this is closed with the beginning. */
const keptCharsMax = 1024 * 1024;

export class OpenItem {
  readonly #index: number;
  #item: JsonObject;
  /** The part that is open inside a message. */
  #part: JsonObject | undefined;
  #partIndex = 0;
  /** Parts of a message that have been closed. */
  readonly #content: JsonObject[] = [];
  #text = '';
  #closed = false;

  constructor(index: number, item: JsonObject) {
    this.#index = index;
    this.#item = item;
  }

  /** The item as the final response lists it. */
  get final(): JsonObject {
    return this.#item;
  }

  follow(type: string, event: JsonObject): void {
    if (type === 'response.output_item.done') {
      if (isObject(event.item)) this.#item = event.item;
      this.#closed = true;
    } else if (type === 'response.content_part.added' && isObject(event.part)) {
      this.#part = event.part;
      this.#partIndex = typeof event.content_index === 'number' ? event.content_index : 0;
      this.#text = '';
    } else if (type === 'response.content_part.done' && isObject(event.part)) {
      this.#content.push(event.part);
      this.#part = undefined;
    } else if (type.endsWith('.delta') && typeof event.delta === 'string' && this.#text.length < keptCharsMax) {
      this.#text += event.delta;
    }
  }

  /** The events that close it, in the order in which the server would have sent them. */
  close(): JsonObject[] {
    if (this.#closed) return [];
    const place = { item_id: this.#item.id ?? '', output_index: this.#index };
    const events: JsonObject[] = [];
    const text = this.#text;
    if (this.#item.type === 'function_call') {
      events.push({
        type: 'response.function_call_arguments.done',
        ...place,
        name: this.#item.name ?? '',
        arguments: text,
      });
      this.#item = { ...this.#item, arguments: text };
    } else if (this.#item.type === 'reasoning') {
      events.push({ type: 'response.reasoning_summary_text.done', ...place, summary_index: 0, text });
      this.#item = { ...this.#item, summary: [{ type: 'summary_text', text }] };
    } else {
      if (this.#part !== undefined) {
        const part = { ...this.#part, text };
        const inside = { ...place, content_index: this.#partIndex };
        events.push({ type: 'response.output_text.done', ...inside, text, logprobs: [] });
        events.push({ type: 'response.content_part.done', ...inside, part });
        this.#content.push(part);
      }
      this.#item = { ...this.#item, content: this.#content };
    }
    this.#item = { ...this.#item, status: 'incomplete' };
    events.push({ type: 'response.output_item.done', output_index: this.#index, item: this.#item });
    return events;
  }
}
