import type { ToolCall } from '../answer.js';
import { JSON_UTF8 } from '../exchange.js';
import { goJson, omitEmpty, timestamp } from '../go-json.js';
import { nowMs } from '../record.js';
import type { ErrorRenderer, Summary, WholeAnswer, Wire } from './wire.js';

/** Errors of `/api/*`: the error is a plain string. */
export const ollamaError: ErrorRenderer = (exchange, error) => {
  exchange.setHeaders(error.headers);
  exchange.json(error.status, { error: error.message, ...error.fields });
};

export interface OllamaShape {
  model: string;
  kind: 'generate' | 'chat';
  /** Token numbers of the conversation; absent for raw prompts and chats. */
  context?: (summary: Summary) => number[];
  /** Of a model that runs elsewhere. */
  remote?: { model: string; host: string } | undefined;
}

/** NDJSON, one object a line; without streaming one object without a newline. */
export function ollamaWire(shape: OllamaShape): Wire {
  const head = (): Record<string, unknown> => ({
    model: shape.model,
    ...(shape.remote && { remote_model: shape.remote.model, remote_host: shape.remote.host }),
    created_at: timestamp(nowMs()),
  });
  const said = (answer: WholeAnswer): Record<string, unknown> => {
    const more = { ...omitEmpty({ thinking: answer.thinking }), ...toolCalls(answer.toolCalls) };
    if (shape.kind === 'generate') return { response: answer.content, ...more };
    return { message: { role: 'assistant', content: answer.content, ...more } };
  };
  const ending = (summary: Summary): Record<string, unknown> => ({
    done: summary.done,
    ...omitEmpty({
      done_reason: summary.reason,
      context: summary.evalTokens > 0 ? (shape.context?.(summary) ?? []) : [],
    }),
    ...metrics(summary),
  });
  const nothing: WholeAnswer = { thinking: '', content: '', toolCalls: [] };
  return {
    streamHeaders: { 'content-type': 'application/x-ndjson' },
    wholeHeaders: { 'content-type': JSON_UTF8 },
    delta: ({ thinking = '', content = '', toolCall }) =>
      `${goJson({ ...head(), ...said({ thinking, content, toolCalls: toolCall ? [toolCall] : [] }), done: false })}\n`,
    done: (summary) => `${goJson({ ...head(), ...said(nothing), ...ending(summary) })}\n`,
    broken: (message) => `${goJson({ error: message })}\n`,
    whole: (answer, summary) => goJson({ ...head(), ...said(answer), ...ending(summary) }),
  };
}

function toolCalls(calls: readonly ToolCall[]): Record<string, unknown> {
  if (calls.length === 0) return {};
  return {
    tool_calls: calls.map(({ id, index, name, arguments: given }) => ({
      id,
      function: { index, name, arguments: given },
    })),
  };
}

/** Durations in nanoseconds; zeros are left out. */
export function metrics(summary: Summary): Record<string, unknown> {
  return omitEmpty({
    total_duration: summary.totalNs,
    load_duration: summary.loadNs,
    prompt_eval_count: summary.promptTokens,
    prompt_eval_duration: summary.promptNs,
    eval_count: summary.evalTokens,
    eval_duration: summary.evalNs,
  });
}
