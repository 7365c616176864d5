/**
 * Takes jobs from the queues and makes their requests. BullMQ's lock on a job is a lease: the gateway that has it renews it,
 * and where it is not renewed another gateway takes the job. Only whoever has the lock can end a job, so it ends once,
 * however many gateways began it.
 *
 *   taken ─▶ held? ── yes ─▶ waits
 *            no ─▶ request ─┬─ answered ───────────────────────────▶ done
 *                           ├─ refused for now, or backend failed ─▶ waits, `tries` and `wait` permitting
 *                           ├─ refused for good ───────────────────▶ failed
 *                           ├─ told to stop ───────────────────────▶ removed
 *                           └─ lock lost ──────────────────────────▶ nothing: it is another's now
 */
import type { JobRules, Limiter, Passage } from '@headgate/core';
import { DelayedError, Worker } from 'bullmq';
import type { Redis } from 'ioredis';
import type { Board, KeptJob } from './board.js';
import { Holds } from './holds.js';
import {
  bandOf,
  bands,
  type JobData,
  type JobError,
  JobFailed,
  type JobProgress,
  type JobResult,
  progressOf,
} from './job.js';
import { type Outcome, outcomeOf } from './outcome.js';
import { AnswerTooLargeError, type OwnRequests } from './own-requests.js';

export interface WorkOptions {
  readonly limiter: Limiter;
  readonly board: Board;
  readonly own: OwnRequests;
  readonly redis: Redis;
  readonly prefix: string;
  readonly onError: (error: Error) => void;
}

/** Gateways that a job may take with it when they are killed, before it is given up. */
const killsMax = 10;
/** Jobs of one priority that one gateway has in its queue or at its backends at most. */
const atOnceMax = 64;
const tickMs = 1_000;
/** How soon the end of a job is written again, while Redis is away. */
const retryMs = 1_000;
/** A job that goes to another gateway is left for that long. */
const leaveMs = 100;

interface Running {
  readonly job: KeptJob;
  readonly controller: AbortController;
  passage: Passage | undefined;
  told: number;
}

type Stop = 'cancelled' | 'lost';

export class Work {
  readonly #options: WorkOptions;
  readonly #holds: Holds;
  readonly #workers: readonly Worker<JobData, JobResult>[];
  readonly #running = new Map<string, Running>();
  readonly #timer: NodeJS.Timeout;

  constructor(options: WorkOptions) {
    this.#options = options;
    this.#holds = new Holds(options.limiter.clock);
    this.#workers = bands.map((band) => this.#worker(band));
    this.#timer = setInterval(() => void this.#tick().catch(options.onError), tickMs);
  }

  /** Takes up how many slots there are now. */
  configure(): void {
    for (const worker of this.#workers) worker.concurrency = this.#atOnce();
  }

  /** Takes no more jobs; resolves when those that run have ended or gone back. */
  async close(): Promise<void> {
    // Where Redis is away nothing can go back, and workers that wait for it would keep the process.
    const isAway = this.#options.redis.status !== 'ready';
    await Promise.all(this.#workers.map((worker) => worker.close(isAway)));
    this.end();
  }

  end(): void {
    clearInterval(this.#timer);
  }

  #worker(band: string): Worker<JobData, JobResult> {
    const { redis, prefix, board, onError } = this.#options;
    const { leaseMs } = this.#options.limiter.policy.jobs;
    const worker = new Worker<JobData, JobResult>(band, (job, token) => this.#process(job, token!), {
      connection: redis,
      prefix,
      // The version is asked for: without it BullMQ waits for delayed jobs in whole seconds.
      skipVersionCheck: false,
      concurrency: this.#atOnce(),
      lockDuration: leaseMs,
      stalledInterval: Math.ceil(leaseMs / 2),
      maxStalledCount: killsMax,
      runRetryDelay: retryMs,
    });
    worker.on('error', onError);
    worker.on('lockRenewalFailed', (ids) => {
      for (const id of ids) this.#stop(id, 'lost');
    });
    const ended = (job: KeptJob): void => void board.ended(job).catch(onError);
    worker.on('completed', ended);
    worker.on('failed', (job, error) => {
      if (job === undefined) return;
      if (!(error instanceof StoppedError)) ended(job);
      else if (error.why === 'cancelled') void board.remove(job).catch(onError);
    });
    return worker;
  }

  /** Twice as many as have slots, so that one of each priority waits here when a slot is free. */
  #atOnce(): number {
    const slots = this.#options.limiter.stats().backends.reduce((sum, backend) => sum + backend.slots, 0);
    return Math.min(atOnceMax, Math.max(1, 2 * slots));
  }

  async #process(job: KeptJob, token: string): Promise<JobResult> {
    const { data } = job;
    const { clock, policy } = this.#options.limiter;
    const progress = progressOf(job.progress);
    if (clock.wall() > data.submittedAt + policy.jobs.waitMs) throw new JobFailed(tooLate);
    const heldMs = this.#holds.waitMs(data);
    if (heldMs > 0) return this.#wait(job, token, heldMs, progress);
    const running: Running = { job, controller: new AbortController(), passage: undefined, told: 0 };
    this.#running.set(job.id!, running);
    try {
      const outcome = await this.#request(running, progress, policy.jobs);
      const { requestId } = running.passage?.about ?? progress;
      const told = requestId === undefined ? {} : { requestId };
      if (outcome.kind === 'done') return { ...outcome.result, ...told };
      if (outcome.kind === 'failed') throw new JobFailed(outcome.error);
      const { error, counts } = outcome;
      const isHeld = !counts && outcome.afterMs > 0;
      const afterMs = isHeld ? this.#holds.refused(data, outcome.afterMs) : outcome.afterMs;
      const failures = progress.failures + (counts ? 1 : 0);
      const until = clock.wall() + afterMs;
      if (failures >= policy.jobs.tries || until > data.submittedAt + policy.jobs.waitMs) throw new JobFailed(error);
      const waitsFor = { reason: error.reason, ...(error.limit === undefined ? {} : { limit: error.limit }), until };
      const known = { failures, outputTokens: 0, ...told, waitsFor };
      return await this.#wait(job, token, Math.max(leaveMs, afterMs), known);
    } finally {
      if (this.#running.get(job.id!) === running) this.#running.delete(job.id!);
    }
  }

  /** Sends the job back to wait. */
  async #wait(job: KeptJob, token: string, waitMs: number, progress: JobProgress): Promise<never> {
    await job.updateProgress({ ...progress });
    await job.moveToDelayed(this.#options.limiter.clock.wall() + waitMs, token);
    throw new DelayedError();
  }

  async #request(running: Running, progress: JobProgress, rules: JobRules): Promise<Outcome> {
    const { own } = this.#options;
    const { data } = running.job;
    const { signal } = running.controller;
    const forwarded = data.forwardedFor === undefined ? {} : { 'x-forwarded-for': data.forwardedFor };
    try {
      const { answer, record } = await own.send({
        path: data.path,
        body: data.body,
        headers: { 'user-agent': 'headgate-jobs', ...forwarded },
        answerBytesMax: rules.resultBytesMax,
        signal,
        caller: {
          identity: { ...data.identity, priority: bandOf(running.job.id!)! },
          remoteAddress: data.remoteAddress,
          onPassage: (passage) => {
            running.passage = passage;
          },
        },
      });
      return outcomeOf(record, answer, progress.failures);
    } catch (error) {
      if (signal.aborted) throw new StoppedError(signal.reason as Stop);
      if (error instanceof AnswerTooLargeError) return { kind: 'failed', error: tooLarge(rules) };
      throw error;
    }
  }

  #stop(id: string, why: Stop): void {
    this.#running.get(id)?.controller.abort(why);
  }

  /** Tells how far those that run are, and stops those that are to be stopped. */
  async #tick(): Promise<void> {
    const { board } = this.#options;
    if (this.#options.redis.status !== 'ready') return;
    for (const running of this.#running.values()) {
      const outputTokens = running.passage?.permit.metered ?? 0;
      if (outputTokens === running.told) continue;
      running.told = outputTokens;
      const { requestId } = running.passage!.about;
      const { waitsFor: _, ...progress } = progressOf(running.job.progress);
      await running.job.updateProgress({ ...progress, outputTokens, requestId });
    }
    for (const id of await board.cancelled([...this.#running.keys()])) this.#stop(id, 'cancelled');
  }
}

/** The job's request was ended before its end. */
class StoppedError extends Error {
  override readonly name = 'StoppedError';
  readonly why: Stop;

  constructor(why: Stop) {
    super(`the job was ${why}`);
    this.why = why;
  }
}

const tooLate: JobError = {
  reason: 'queue-timeout',
  status: 503,
  message: 'the job waited longer than jobs may wait here (jobs.wait).',
};

function tooLarge({ resultBytesMax }: JobRules): JobError {
  const message = `the answer is larger than the ${resultBytesMax} bytes that are kept of one (jobs.result).`;
  return { reason: 'too-large', status: 413, message };
}
