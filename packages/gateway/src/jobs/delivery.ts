/** Tells receivers that their jobs have ended: signed, to listed hosts, tried again with growing pauses, in the end given up. */
import type { Limiter } from '@headgate/core';
import { signatureOf } from '@headgate/core/http';
import { type Job, UnrecoverableError, Worker } from 'bullmq';
import type { Redis } from 'ioredis';
import { type Board, callbackQueue } from './board.js';
import { ForbiddenAddressError, sendCallback } from './callback-request.js';
import { callbackProblem } from './hosts.js';
import { viewOf } from './view.js';

export interface DeliveryOptions {
  readonly limiter: Limiter;
  readonly board: Board;
  readonly redis: Redis;
  readonly prefix: string;
  readonly onError: (error: Error) => void;
}

const atOnceMax = 16;
const answerMsMax = 10_000;

export class Deliveries {
  readonly #options: DeliveryOptions;
  readonly #worker: Worker;

  constructor(options: DeliveryOptions) {
    this.#options = options;
    const { redis, prefix, limiter, onError } = options;
    const { leaseMs } = limiter.policy.jobs;
    this.#worker = new Worker(callbackQueue, (callback) => this.#deliver(callback), {
      connection: redis,
      prefix,
      concurrency: atOnceMax,
      lockDuration: leaseMs,
      stalledInterval: Math.ceil(leaseMs / 2),
      maxStalledCount: 10,
    }).on('error', onError);
  }

  close(): Promise<void> {
    return this.#worker.close(this.#options.redis.status !== 'ready');
  }

  async #deliver({ id }: Job): Promise<void> {
    const { board, limiter } = this.#options;
    const { policy, clock } = limiter;
    const job = await board.find(id!);
    const address = job?.data.callback;
    // Of a job that was taken back there is nothing to tell.
    if (job === undefined || address === undefined || (await board.cancelled([id!])).length > 0) return;
    const url = new URL(address);
    // The policy may have changed since the job was submitted.
    const problem = callbackProblem(url, policy.jobs);
    if (problem !== undefined) throw new UnrecoverableError(problem.message);
    const { secret, private: privately } = policy.jobs.callbacks!;
    const view = await viewOf(board, job);
    const { callback: _, ...told } = view ?? {};
    const body = JSON.stringify({ event: 'job-ended', at: new Date(clock.wall()).toISOString(), ...told });
    const headers = {
      'content-type': 'application/json',
      'user-agent': 'headgate',
      'x-headgate-event': 'job-ended',
      'x-headgate-job': id!,
      'x-headgate-signature': await signatureOf(secret, body, clock.wall()),
    };
    const allowPrivate = privately === 'allow';
    let status: number;
    try {
      status = await sendCallback({ url, headers, body, timeoutMs: answerMsMax, allowPrivate });
    } catch (error) {
      throw error instanceof ForbiddenAddressError ? new UnrecoverableError(error.message) : error;
    }
    if (status < 200 || status > 299) throw new Error(`the receiver answered ${status}`);
  }
}
