/** What went wrong with a backend, as refusals, and how long a backend may take. */
import { type Policy, type Refusal, RefusedError, refuse, type TimeoutRules } from '@headgate/core';
import type { Answer } from './answer.js';
import type { FailureCause } from './upstream.js';

const retryAfterMs = 1_000;

/** What keeps an answer from its client. */
export type AnswerProblem = 'redirect' | 'status' | 'compressed' | 'unreadable';

/** @param metered whether the tokens in the answer are counted */
export function answerProblem({ status, headers }: Answer, metered: boolean): AnswerProblem | undefined {
  if (status < 200 || status > 599) return 'status';
  // A redirect is the backend's correction of a path, and none that we sent needs one.
  if (status >= 300 && status < 400) return 'redirect';
  const encoding = headers['content-encoding'];
  if (!metered || encoding === undefined) return undefined;
  return typeof encoding === 'string' && encoding.trim().toLowerCase() === 'identity' ? undefined : 'compressed';
}

/** Before the first byte of the answer. A stale connection that cannot be tried again is a reset. */
export function refusalFor(cause: FailureCause | AnswerProblem): Refusal {
  switch (cause) {
    case 'connect':
      return refuse('backend-error', 'the backend could not be reached.', { retryAfterMs });
    case 'first-byte':
      return refuse('backend-timeout', 'the backend did not answer in time.', { retryAfterMs });
    case 'redirect':
      return refuse('backend-error', 'the backend answered with a redirect, which is not followed.');
    case 'status':
      return refuse('backend-error', 'the backend answered with a status that HTTP does not have.');
    case 'compressed':
      return refuse('backend-error', 'the backend compressed its answer, which nobody asked it to.');
    case 'unreadable':
      return refuse('backend-error', 'the backend gave an answer that could not be read whole.', { retryAfterMs });
    default:
      return refuse('backend-error', 'the backend broke off before it answered.', { retryAfterMs });
  }
}

/** The refusal that made a permit abort; undefined where the limiter closes. */
export function refusalIn(reason: unknown): Refusal | undefined {
  return reason instanceof RefusedError ? reason.refusal : undefined;
}

/** In the middle of an answer. */
export const broken = {
  died: refuse('backend-error', 'the backend broke off in the middle of its answer.'),
  incomplete: refuse('backend-error', 'the backend ended its answer before it was whole.'),
  budget: refuse('limit', 'the token budget was spent in the middle of this answer.'),
  idle: refuse('backend-timeout', 'the backend stopped sending in the middle of its answer.'),
  total: refuse('backend-timeout', 'the answer took longer than answers may take here.'),
  closing: refuse('draining', 'the server is shutting down; please try again.', { retryAfterMs: 5_000 }),
} as const;

export function timeoutsFor(rules: Policy['pool']['timeout'], operation: string): TimeoutRules {
  const own = operation === 'embed' || operation === 'chat' || operation === 'generate' ? rules[operation] : {};
  return { ...rules, ...own };
}
