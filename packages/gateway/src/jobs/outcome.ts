/** What the end of a job's request means for the job: it is done, it has failed, or it is made again later. */
import { type Refusal, refuse } from '@headgate/core';
import type { RequestRecord } from '../exchange/record.js';
import { errorOf, type JobError, type JobResult } from './job.js';

export interface JobAnswer extends JobResult {
  /** It came to its end. */
  readonly whole: boolean;
}

export type Outcome =
  | { readonly kind: 'done'; readonly result: JobResult }
  | { readonly kind: 'failed'; readonly error: JobError }
  | {
      readonly kind: 'again';
      readonly error: JobError;
      readonly afterMs: number;
      /** Whether it is a try that failed, as opposed to a refusal for now. */
      readonly counts: boolean;
    };

const firstPauseMs = 1_000;
const pauseMsMax = 60_000;
const messageLengthMax = 500;

/** Twice as long after each failure. */
export function pauseMs(failures: number): number {
  return Math.min(pauseMsMax, firstPauseMs * 2 ** failures);
}

/** @param failures of this job before */
export function outcomeOf(record: RequestRecord, answer: JobAnswer, failures: number): Outcome {
  const { refusal } = record;
  if (refusal !== undefined) return ofRefusal(refusal, failures);
  const { status, contentType, body, whole } = answer;
  if (whole && status < 400) return { kind: 'done', result: { status, contentType, body } };
  if (!whole) {
    return ofRefusal(refuse('backend-error', 'the answer broke off before its end.'), failures);
  }
  // The backend's own refusal, passed on as it came.
  const message = `the backend answered ${status}: ${body.slice(0, messageLengthMax)}`;
  const error = { reason: 'backend-error', status, message } as const;
  const isPassing = status >= 500 || status === 429 || status === 408;
  return isPassing ? { kind: 'again', error, afterMs: pauseMs(failures), counts: true } : { kind: 'failed', error };
}

function ofRefusal(refusal: Refusal, failures: number): Outcome {
  const { reason, retryAfterMs } = refusal;
  const error = errorOf(refusal);
  if (reason === 'backend-error' || reason === 'backend-timeout') {
    return { kind: 'again', error, afterMs: Math.max(retryAfterMs ?? 0, pauseMs(failures)), counts: true };
  }
  // This gateway is going; another one may take it at once.
  if (reason === 'draining') return { kind: 'again', error, afterMs: 0, counts: false };
  return retryAfterMs === undefined
    ? { kind: 'failed', error }
    : { kind: 'again', error, afterMs: retryAfterMs, counts: false };
}
