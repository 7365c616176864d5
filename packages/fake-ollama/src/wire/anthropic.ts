import { idFrom, type ToolCall } from '../answer.js';
import { goJson } from '../go-json.js';
import type { Delta, ErrorRenderer, Summary, WholeAnswer, Wire } from './wire.js';

const ERROR_TYPES: Record<number, string> = {
  400: 'invalid_request_error',
  401: 'authentication_error',
  403: 'permission_error',
  404: 'not_found_error',
  429: 'rate_limit_error',
  503: 'overloaded_error',
  529: 'overloaded_error',
};
const HEX = '0123456789abcdef';

export const anthropicError: ErrorRenderer = (exchange, error) => {
  exchange.setHeaders(error.headers);
  const body = {
    type: 'error',
    error: { type: ERROR_TYPES[error.status] ?? 'api_error', message: error.message },
    request_id: `req_${idFrom(`${exchange.seen.id}`, 24, HEX)}`,
  };
  exchange.json(error.status, body, 'application/json');
};

export interface AnthropicShape {
  model: string;
  seed: string;
  /** What `message_start` claims before the prompt was read: bytes / 4. */
  estimatedInputTokens: number;
}

type BlockKind = 'text' | 'thinking';

/** `/v1/messages`. A mid-stream error simply ends the stream, without `message_stop`. */
export class AnthropicWire implements Wire {
  readonly streamHeaders = {
    'content-type': 'text/event-stream',
    'cache-control': 'no-cache',
    connection: 'keep-alive',
  };
  readonly wholeHeaders = { 'content-type': 'application/json' };
  readonly #shape: AnthropicShape;
  readonly #id: string;
  #started = false;
  #open: BlockKind | undefined;
  #index = 0;
  #calledTool = false;

  constructor(shape: AnthropicShape) {
    this.#shape = shape;
    this.#id = `msg_${idFrom(shape.seed, 24, HEX)}`;
  }

  delta({ thinking, content, toolCall }: Delta): string {
    return (
      this.#start() +
      (thinking ? this.#write('thinking', thinking) : '') +
      (content ? this.#write('text', content) : '') +
      (toolCall ? this.#call(toolCall) : '')
    );
  }

  done(summary: Summary): string {
    const delta = { stop_reason: this.#stopReason(summary) };
    return (
      this.#start() +
      this.#close() +
      named({ type: 'message_delta', delta, usage: usageOf(summary) }) +
      named({ type: 'message_stop' })
    );
  }

  broken(): string {
    return '';
  }

  whole(answer: WholeAnswer, summary: Summary): string {
    this.#calledTool = answer.toolCalls.length > 0;
    const content: unknown[] = [];
    if (answer.thinking !== '') content.push({ type: 'thinking', thinking: answer.thinking });
    if (answer.content !== '') content.push({ type: 'text', text: answer.content });
    for (const call of answer.toolCalls) {
      content.push({ type: 'tool_use', id: call.id, name: call.name, input: call.arguments });
    }
    return `${goJson({
      id: this.#id,
      type: 'message',
      role: 'assistant',
      model: this.#shape.model,
      content: content.length > 0 ? content : null,
      stop_reason: this.#stopReason(summary),
      usage: usageOf(summary),
    })}\n`;
  }

  #start(): string {
    if (this.#started) return '';
    this.#started = true;
    const { model, estimatedInputTokens } = this.#shape;
    const usage = { input_tokens: estimatedInputTokens, output_tokens: 0 };
    const message = { id: this.#id, type: 'message', role: 'assistant', model, content: [], usage };
    return named({ type: 'message_start', message });
  }

  #write(kind: BlockKind, text: string): string {
    let events = '';
    if (this.#open !== kind) {
      events = this.#close() + this.#blockStart({ type: kind, [kind]: '' });
      this.#open = kind;
    }
    return events + this.#blockDelta({ type: `${kind}_delta`, [kind]: text });
  }

  #call({ id, name, arguments: given }: ToolCall): string {
    this.#calledTool = true;
    return (
      this.#close() +
      this.#blockStart({ type: 'tool_use', id, name, input: {} }) +
      this.#blockDelta({ type: 'input_json_delta', partial_json: goJson(given) }) +
      this.#blockStop()
    );
  }

  #close(): string {
    if (this.#open === undefined) return '';
    this.#open = undefined;
    return this.#blockStop();
  }

  #blockStart(block: Record<string, unknown>): string {
    return named({ type: 'content_block_start', index: this.#index, content_block: block });
  }

  #blockDelta(delta: Record<string, unknown>): string {
    return named({ type: 'content_block_delta', index: this.#index, delta });
  }

  #blockStop(): string {
    return named({ type: 'content_block_stop', index: this.#index++ });
  }

  #stopReason({ reason }: Summary): string {
    if (reason === 'length') return 'max_tokens';
    return this.#calledTool ? 'tool_use' : 'end_turn';
  }
}

function usageOf(summary: Summary): Record<string, number> {
  return { input_tokens: summary.promptTokens, output_tokens: summary.evalTokens };
}

function named(data: { type: string } & Record<string, unknown>): string {
  return `event: ${data.type}\ndata: ${goJson(data)}\n\n`;
}
