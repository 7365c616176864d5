import { hashText, type ToolCall } from '../answer.js';
import { goJson } from '../go-json.js';
import { nowMs } from '../record.js';
import type { Delta, ErrorRenderer, Summary, WholeAnswer, Wire } from './wire.js';

/** Errors of `/v1/*` other than messages. `code` is always null in Ollama. */
export const openaiError: ErrorRenderer = (exchange, error) => {
  const type = error.status === 400 ? 'invalid_request_error' : error.status === 404 ? 'not_found_error' : 'api_error';
  exchange.setHeaders(error.headers);
  const body = { error: { message: error.message, type, param: null, code: null } };
  exchange.json(error.status, body, 'application/json');
};

export interface OpenaiShape {
  model: string;
  seed: string;
  includeUsage: boolean;
  generation: 'new' | 'old';
}

const EVENT_STREAM = { 'content-type': 'text/event-stream' };
const PLAIN_JSON = { 'content-type': 'application/json' };

/** `/v1/chat/completions`. */
export class OpenaiChatWire implements Wire {
  readonly streamHeaders = EVENT_STREAM;
  readonly wholeHeaders = PLAIN_JSON;
  readonly #shape: OpenaiShape;
  readonly #id: string;
  readonly #begun = seconds();
  readonly #old: boolean;
  #first = true;
  #calledTool = false;

  constructor(shape: OpenaiShape) {
    this.#shape = shape;
    this.#id = `chatcmpl-${hashText(shape.seed) % 999}`;
    this.#old = shape.generation === 'old';
  }

  delta({ thinking, content = '', toolCall }: Delta): string {
    const role = this.#old || this.#first ? { role: 'assistant' } : {};
    this.#first = false;
    this.#calledTool ||= toolCall !== undefined;
    const more = {
      ...(thinking && { reasoning: thinking }),
      ...(toolCall && { tool_calls: [openaiToolCall(toolCall)] }),
    };
    return this.#chunk(this.#shape.model, [{ index: 0, delta: { ...role, content, ...more }, finish_reason: null }]);
  }

  done(summary: Summary): string {
    const { model, includeUsage } = this.#shape;
    const delta = this.#old ? { role: 'assistant', content: '' } : {};
    const finish = this.#chunk(model, [{ index: 0, delta, finish_reason: this.#finishReason(summary) }]);
    const usage = includeUsage ? this.#chunk(model, [], { usage: usageOf(summary) }) : '';
    return `${finish}${usage}data: [DONE]\n\n`;
  }

  /** Ollama mistakes the error object for an empty chunk: no model, no content, and no [DONE] after it. */
  broken(): string {
    const delta = { ...(this.#old && { role: 'assistant' }), content: '' };
    return this.#chunk('', [{ index: 0, delta, finish_reason: null }]);
  }

  whole(answer: WholeAnswer, summary: Summary): string {
    this.#calledTool = answer.toolCalls.length > 0;
    const message = {
      role: 'assistant',
      content: answer.content,
      ...(answer.thinking !== '' && { reasoning: answer.thinking }),
      ...(this.#calledTool && { tool_calls: answer.toolCalls.map(openaiToolCall) }),
    };
    const choices = [{ index: 0, message, finish_reason: this.#finishReason(summary) }];
    const head = this.#head('chat.completion', this.#shape.model, this.#begun);
    return `${goJson({ ...head, choices, usage: usageOf(summary) })}\n`;
  }

  #chunk(model: string, choices: unknown[], more: Record<string, unknown> = {}): string {
    // Older versions stamped every chunk with its own time.
    const created = this.#old ? seconds() : this.#begun;
    return event({ ...this.#head('chat.completion.chunk', model, created), choices, ...more });
  }

  #head(object: string, model: string, created: number): Record<string, unknown> {
    return { id: this.#id, object, created, model, system_fingerprint: 'fp_ollama' };
  }

  #finishReason({ reason }: Summary): string | null {
    if (reason === '') return null;
    return this.#calledTool && reason === 'stop' ? 'tool_calls' : reason;
  }
}

/** `/v1/completions`. */
export function openaiCompletionWire(shape: OpenaiShape): Wire {
  const id = `cmpl-${hashText(shape.seed) % 999}`;
  const begun = seconds();
  const body = (object: string, model: string, choices: unknown[], usage: unknown): Record<string, unknown> => ({
    id,
    object,
    created: begun,
    model,
    system_fingerprint: 'fp_ollama',
    choices,
    ...(usage !== undefined && { usage }),
  });
  const zeroUsage = shape.includeUsage ? { prompt_tokens: 0, completion_tokens: 0, total_tokens: 0 } : undefined;
  const chunk = (model: string, choices: unknown[], usage: unknown = zeroUsage): string =>
    event(body('text_completion', model, choices, usage));
  const choice = (text: string, reason: string | null): unknown[] => [{ text, index: 0, finish_reason: reason }];
  return {
    streamHeaders: EVENT_STREAM,
    wholeHeaders: PLAIN_JSON,
    delta: ({ content = '' }) => chunk(shape.model, choice(content, null)),
    done: (summary) => {
      const usage = shape.includeUsage ? chunk(shape.model, [], usageOf(summary)) : '';
      return `${chunk(shape.model, choice('', summary.reason || null))}${usage}data: [DONE]\n\n`;
    },
    broken: () => chunk('', choice('', null)),
    whole: (answer, summary) =>
      `${goJson(
        body('text_completion', shape.model, choice(answer.content, summary.reason || null), usageOf(summary)),
      )}\n`,
  };
}

function openaiToolCall(call: ToolCall): Record<string, unknown> {
  return {
    id: call.id,
    index: call.index,
    type: 'function',
    function: { name: call.name, arguments: goJson(call.arguments) },
  };
}

function usageOf(summary: Summary): Record<string, number> {
  return {
    prompt_tokens: summary.promptTokens,
    completion_tokens: summary.evalTokens,
    total_tokens: summary.promptTokens + summary.evalTokens,
  };
}

export function event(data: unknown): string {
  return `data: ${goJson(data)}\n\n`;
}

export function seconds(): number {
  return Math.floor(nowMs() / 1000);
}
