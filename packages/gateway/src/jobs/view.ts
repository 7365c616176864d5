/** A job as its owner sees it, and as a callback tells of it. */
import type { Board, KeptJob } from './board.js';
import { bandOf, type JobData, type JobError, type JobResult, progressOf, readError } from './job.js';

export type JobState = 'waiting' | 'running' | 'done' | 'failed';

export interface JobView {
  readonly id: string;
  readonly state: JobState;
  /** The one it waits in. */
  readonly priority: string;
  readonly path: string;
  readonly model?: string;
  readonly submittedAt: string;
  readonly startedAt?: string;
  readonly endedAt?: string;
  readonly progress: { readonly failures: number; readonly outputTokens: number };
  readonly requestId?: string;
  readonly waitsFor?: { readonly reason: string; readonly limit?: string; readonly until: string };
  /** The body is parsed where the answer is JSON, and text where it is a stream. */
  readonly result?: Omit<JobResult, 'body'> & { readonly body: unknown };
  readonly error?: JobError;
  readonly callback?: { readonly url: string; readonly state: string; readonly tries: number };
}

/** What is known of a job that has just been left. */
export function newView(id: string, { path, model, submittedAt }: JobData): JobView {
  const what = {
    id,
    state: 'waiting' as const,
    priority: bandOf(id)!,
    path,
    ...(model === undefined ? {} : { model }),
  };
  return { ...what, submittedAt: iso(submittedAt), progress: { failures: 0, outputTokens: 0 } };
}

/** Undefined for a job that is not there any more. */
export async function viewOf(board: Board, job: KeptJob): Promise<JobView | undefined> {
  const kept = await job.getState();
  if (kept === 'unknown') return undefined;
  const state =
    kept === 'completed' ? 'done' : kept === 'failed' ? 'failed' : kept === 'active' ? 'running' : 'waiting';
  const { data, processedOn, finishedOn } = job;
  const result = state === 'done' ? (job.returnvalue as JobResult) : undefined;
  const { failures, outputTokens, waitsFor, ...progress } = progressOf(job.progress);
  const requestId = result?.requestId ?? progress.requestId;
  const isOver = state === 'done' || state === 'failed';
  return {
    ...{ id: job.id!, state, priority: bandOf(job.id!)!, path: data.path },
    ...(data.model === undefined ? {} : { model: data.model }),
    submittedAt: iso(data.submittedAt),
    ...(processedOn === undefined ? {} : { startedAt: iso(processedOn) }),
    ...(isOver && finishedOn !== undefined ? { endedAt: iso(finishedOn) } : {}),
    progress: { failures, outputTokens },
    ...(requestId === undefined ? {} : { requestId }),
    ...(waitsFor === undefined || state !== 'waiting' ? {} : { waitsFor: { ...waitsFor, until: iso(waitsFor.until) } }),
    ...(result === undefined ? {} : { result: resultOf(result) }),
    ...(state === 'failed' ? { error: readError(job.failedReason ?? '') } : {}),
    ...(data.callback === undefined ? {} : { callback: await callbackOf(board, job, data.callback) }),
  };
}

function resultOf({ status, contentType, body }: JobResult): NonNullable<JobView['result']> {
  if (!/^application\/json\b/i.test(contentType)) return { status, contentType, body };
  try {
    return { status, contentType, body: JSON.parse(body) };
  } catch {
    return { status, contentType, body };
  }
}

async function callbackOf(board: Board, job: KeptJob, url: string): Promise<NonNullable<JobView['callback']>> {
  const callback = await board.callbackOf(job.id!);
  const state = callback === undefined ? 'unknown' : await callback.getState();
  const words: Readonly<Record<string, string>> = { completed: 'sent', failed: 'failed', unknown: 'unknown' };
  return { url, state: words[state] ?? 'waiting', tries: callback?.attemptsMade ?? 0 };
}

function iso(ms: number): string {
  return new Date(ms).toISOString();
}
