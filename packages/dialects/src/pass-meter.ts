/** Passes an answer that carries no tokens: errors, listings, downloads. */
import type { AnswerMeter, Metered, Refusal } from '@headgate/core';
import { encode } from './bytes.js';

/** @param fail how the dialect ends a stream with an error; answers that are no stream get nothing */
export function passMeter(fail: (refusal: Refusal) => string = () => ''): AnswerMeter {
  let complete = false;
  return {
    usage: undefined,
    outputTokens: 0,
    // No object of it is known to be the last one.
    get complete() {
      return complete;
    },
    push: (chunk): Metered => ({ bytes: chunk.length === 0 ? undefined : chunk, stopped: false }),
    end: () => {
      complete = true;
      return { bytes: undefined, complete };
    },
    finish: () => new Uint8Array(0),
    fail: (refusal) => encode(fail(refusal)),
  };
}

/** How the body of an answer is cut into events, by what the backend says it is. */
export type AnswerKind = 'ndjson' | 'sse' | 'json' | 'error';

export function answerKind(status: number, contentType: string): AnswerKind {
  if (status < 200 || status > 299) return 'error';
  const type = contentType.toLowerCase();
  if (type.includes('ndjson')) return 'ndjson';
  return type.includes('event-stream') ? 'sse' : 'json';
}
