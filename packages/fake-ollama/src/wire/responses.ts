import { hashText, type ToolCall } from '../answer.js';
import { goJson } from '../go-json.js';
import { seconds } from './openai.js';
import type { Summary, WholeAnswer, Wire } from './wire.js';

export interface ResponsesShape {
  model: string;
  seed: string;
  /** Fields of the request that the response repeats, defaults filled in. */
  echo: Record<string, unknown>;
}

type Item = Record<string, unknown>;

/** `/v1/responses`: numbered events with sorted keys; a mid-stream error just ends the stream. */
export function responsesWire(shape: ResponsesShape): Wire {
  const number = hashText(shape.seed) % 999_999;
  const stream = new ResponsesStream(shape, number);
  return {
    streamHeaders: { 'content-type': 'text/event-stream', 'cache-control': 'no-cache', connection: 'keep-alive' },
    wholeHeaders: { 'content-type': 'application/json' },
    delta: ({ thinking, content, toolCall }) =>
      stream.start() +
      (thinking ? stream.think(thinking) : '') +
      (toolCall ? stream.call(toolCall) : '') +
      (content ? stream.say(content) : ''),
    done: (summary) => stream.start() + stream.complete(summary),
    broken: () => '',
    whole: (answer, summary) => `${goJson(wholeResponse(shape, number, answer, summary))}\n`,
  };
}

class ResponsesStream {
  readonly #shape: ResponsesShape;
  readonly #number: number;
  readonly #output: Item[] = [];
  #sequence = 0;
  #thinking = '';
  #text = '';
  #open: 'reasoning' | 'message' | undefined;
  #started = false;

  constructor(shape: ResponsesShape, number: number) {
    this.#shape = shape;
    this.#number = number;
  }

  start(): string {
    if (this.#started) return '';
    this.#started = true;
    const response = responseObject(this.#shape, this.#number, 'in_progress', [], null);
    return this.#event('response.created', { response }) + this.#event('response.in_progress', { response });
  }

  think(text: string): string {
    let events = '';
    if (this.#open !== 'reasoning') {
      this.#open = 'reasoning';
      events = this.#itemEvent('added', { id: this.#reasoningId(), type: 'reasoning', summary: [] });
    }
    this.#thinking += text;
    return events + this.#reasoningEvent('delta', { delta: text });
  }

  say(text: string): string {
    let events = '';
    if (this.#open !== 'message') {
      events = this.#endReasoning();
      this.#open = 'message';
      const item = { id: this.#messageId(), type: 'message', status: 'in_progress', role: 'assistant', content: [] };
      events += this.#itemEvent('added', item) + this.#partEvent('added', textPart(''));
    }
    this.#text += text;
    return events + this.#textEvent('delta', { delta: text });
  }

  call(toolCall: ToolCall): string {
    const before = this.#endReasoning();
    const item = callItem(toolCall, `fc_${this.#number}_${toolCall.index}`);
    const place = { item_id: item.id, output_index: this.#output.length };
    const events =
      this.#itemEvent('added', { ...item, status: 'in_progress', arguments: '' }) +
      this.#event('response.function_call_arguments.delta', { ...place, delta: item.arguments }) +
      this.#event('response.function_call_arguments.done', { ...place, arguments: item.arguments }) +
      this.#itemEvent('done', item);
    this.#output.push(item);
    return before + events;
  }

  complete(summary: Summary): string {
    let events = this.#endReasoning();
    if (this.#open === 'message') {
      const item = messageItem(this.#messageId(), this.#text);
      events +=
        this.#textEvent('done', { text: this.#text }) +
        this.#partEvent('done', textPart(this.#text)) +
        this.#itemEvent('done', item);
      this.#output.push(item);
    }
    const response = responseObject(this.#shape, this.#number, 'completed', this.#output, usageOf(summary));
    return events + this.#event('response.completed', { response });
  }

  #endReasoning(): string {
    if (this.#open !== 'reasoning') return '';
    this.#open = undefined;
    const item = reasoningItem(this.#reasoningId(), this.#thinking);
    const events = this.#reasoningEvent('done', { text: this.#thinking }) + this.#itemEvent('done', item);
    this.#output.push(item);
    return events;
  }

  #reasoningEvent(what: 'delta' | 'done', more: Item): string {
    const place = { item_id: this.#reasoningId(), output_index: this.#output.length, summary_index: 0 };
    return this.#event(`response.reasoning_summary_text.${what}`, { ...place, ...more });
  }

  #textEvent(what: 'delta' | 'done', more: Item): string {
    return this.#event(`response.output_text.${what}`, { ...this.#messagePlace(), logprobs: [], ...more });
  }

  #partEvent(what: 'added' | 'done', part: Item): string {
    return this.#event(`response.content_part.${what}`, { ...this.#messagePlace(), part });
  }

  #itemEvent(what: 'added' | 'done', item: Item): string {
    return this.#event(`response.output_item.${what}`, { output_index: this.#output.length, item });
  }

  #messagePlace(): Item {
    return { item_id: this.#messageId(), output_index: this.#output.length, content_index: 0 };
  }

  #messageId(): string {
    return `msg_${this.#number}`;
  }

  #reasoningId(): string {
    return `rs_${this.#number}`;
  }

  #event(type: string, data: Item): string {
    return `event: ${type}\ndata: ${goJson(sorted({ ...data, type, sequence_number: this.#sequence++ }))}\n\n`;
  }
}

function wholeResponse(shape: ResponsesShape, number: number, answer: WholeAnswer, summary: Summary): Item {
  const output: Item[] = [];
  if (answer.thinking !== '') output.push(reasoningItem(`rs_resp_${number}`, answer.thinking));
  for (const call of answer.toolCalls) output.push(callItem(call, `fc_resp_${number}_${call.index}`));
  if (answer.toolCalls.length === 0) output.push(messageItem(`msg_${number}`, answer.content));
  return responseObject(shape, number, 'completed', output, usageOf(summary));
}

function responseObject(
  shape: ResponsesShape,
  number: number,
  status: 'in_progress' | 'completed',
  output: readonly Item[],
  usage: Item | null,
): Item {
  return {
    id: `resp_${number}`,
    object: 'response',
    created_at: seconds(),
    completed_at: status === 'completed' ? seconds() : null,
    status,
    incomplete_details: null,
    model: shape.model,
    previous_response_id: null,
    output: [...output],
    error: null,
    tool_choice: 'auto',
    parallel_tool_calls: true,
    presence_penalty: 0,
    frequency_penalty: 0,
    top_logprobs: 0,
    usage,
    max_tool_calls: null,
    store: false,
    service_tier: 'default',
    metadata: {},
    safety_identifier: null,
    prompt_cache_key: null,
    ...shape.echo,
  };
}

function textPart(text: string): Item {
  return { type: 'output_text', text, annotations: [], logprobs: [] };
}

function messageItem(id: string, text: string): Item {
  return { id, type: 'message', status: 'completed', role: 'assistant', content: [textPart(text)] };
}

function reasoningItem(id: string, text: string): Item {
  return { id, type: 'reasoning', summary: [{ type: 'summary_text', text }], encrypted_content: text };
}

function callItem(call: ToolCall, id: string): Item {
  const { id: callId, name } = call;
  return { id, type: 'function_call', status: 'completed', call_id: callId, name, arguments: goJson(call.arguments) };
}

function usageOf(summary: Summary): Item {
  return {
    input_tokens: summary.promptTokens,
    input_tokens_details: { cached_tokens: 0 },
    output_tokens: summary.evalTokens,
    output_tokens_details: { reasoning_tokens: 0 },
    total_tokens: summary.promptTokens + summary.evalTokens,
  };
}

/** Go writes the keys of a map in order. */
function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
  return Object.fromEntries(entries.map(([key, inner]) => [key, sorted(inner)]));
}
