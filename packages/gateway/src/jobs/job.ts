/** What a job is: a request that was left here to be made later, and what has become of it. */
import type { Identity, Priority, Refusal } from '@headgate/core';

/** First to last. */
export const bands = ['high', 'normal', 'low'] as const satisfies readonly Priority[];

/** The priority that a job waits in, which its id tells. */
export function bandOf(id: string): Priority | undefined {
  return /^job_(high|normal|low)_[0-9a-f]{24}$/.exec(id)?.[1] as Priority | undefined;
}

/** What is kept of a job from its submission on. Its key is not. */
export interface JobData {
  /** Who submitted it; it runs as that one, and nobody else sees it. */
  readonly identity: Identity;
  /** Decoded, as the dialects know it. */
  readonly path: string;
  /** JSON. */
  readonly body: string;
  readonly model?: string;
  /** As asked for; the band it waits in is never above that of its identity. */
  readonly priority: Priority;
  /** Where it came from, for limits per address. */
  readonly remoteAddress: string;
  readonly forwardedFor?: string;
  /** Epoch ms. */
  readonly submittedAt: number;
  readonly callback?: string;
}

export interface JobProgress {
  /** Times that a backend was asked and failed. */
  readonly failures: number;
  /** Of the answer that is under way; 0 until there is one, and of one that is no stream until it is there. */
  readonly outputTokens: number;
  /** The last request that was made for it, as in the access log. */
  readonly requestId?: string;
  /** Why it waits, and until when, epoch ms. */
  readonly waitsFor?: { readonly reason: Refusal['reason']; readonly limit?: string; readonly until: number };
}

/** The answer, as the path gives it to any client. */
export interface JobResult {
  readonly status: number;
  readonly contentType: string;
  readonly body: string;
  /** The request that it is the answer of, as in the access log. */
  readonly requestId?: string;
}

/** Why there is no answer. */
export type JobError = Pick<Refusal, 'reason' | 'status' | 'message' | 'limit'>;

export function progressOf(progress: unknown): JobProgress {
  const known = typeof progress === 'object' && progress !== null ? (progress as Partial<JobProgress>) : {};
  return { failures: 0, outputTokens: 0, ...known };
}

export function errorOf({ reason, status, message, limit }: JobError): JobError {
  return { reason, status, message, ...(limit === undefined ? {} : { limit }) };
}

/** A job that ends without an answer. The queue keeps an error's message, so that is where all of it goes. */
export class JobFailed extends Error {
  override readonly name = 'JobFailed';

  constructor(error: JobError) {
    super(JSON.stringify(errorOf(error)));
  }
}

/** What the queue kept of an error: ours, or words of its own for a job that took too many gateways with it. */
export function readError(failedReason: string): JobError {
  try {
    const error = JSON.parse(failedReason) as JobError;
    if (typeof error?.message === 'string') return error;
  } catch {
    // Not ours.
  }
  return { reason: 'backend-error', status: 502, message: failedReason };
}
