import type { ToolCall } from '../answer.js';
import type { ApiError } from '../api-error.js';
import type { Exchange } from '../exchange.js';

/** The end of an answer. Counts and times are zero when the answer carries no usage. */
export interface Summary {
  /** False when the stream ended without the model saying so (token repeat). */
  done: boolean;
  reason: 'stop' | 'length' | 'load' | 'unload' | '';
  promptTokens: number;
  evalTokens: number;
  totalNs: number;
  loadNs: number;
  promptNs: number;
  evalNs: number;
}

/** A whole answer that is not streamed. */
export interface WholeAnswer {
  thinking: string;
  content: string;
  toolCalls: ToolCall[];
}

/** What one flush of a stream shows. */
export interface Delta {
  thinking?: string;
  content?: string;
  toolCall?: ToolCall;
}

/** One dialect's rendering of one answer. It keeps state between calls, so each request has its own. */
export interface Wire {
  readonly streamHeaders: Record<string, string>;
  readonly wholeHeaders: Record<string, string>;
  delta(delta: Delta): string;
  done(summary: Summary): string;
  /** After an error in mid-stream, before the stream ends. */
  broken(message: string): string;
  whole(answer: WholeAnswer, summary: Summary): string;
}

/** How a dialect renders a refusal. */
export type ErrorRenderer = (exchange: Exchange, error: ApiError) => void;

export function emptySummary(reason: Summary['reason']): Summary {
  return { done: true, reason, promptTokens: 0, evalTokens: 0, totalNs: 0, loadNs: 0, promptNs: 0, evalNs: 0 };
}
