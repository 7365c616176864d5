/**
 * The jobs as they are kept in Redis: three queues of BullMQ, one a priority, so that each priority has some of its jobs in
 * the gateway's own queue and that one decides between them, as for everybody else. A job that names a callback is the child
 * of one in a fourth queue: BullMQ lets that one go in the same step in which it ends the job, so no end goes untold.
 */
import { randomBytes } from 'node:crypto';
import type { JobRules, Priority } from '@headgate/core';
import { FlowProducer, type Job, Queue } from 'bullmq';
import type { Redis } from 'ioredis';
import { bandOf, bands, type JobData } from './job.js';
import { Places } from './places.js';

export type KeptJob = Job<JobData>;
export interface Backlog {
  readonly waiting: number;
  readonly running: number;
}
export type FullQueue = 'all' | 'identity';

export const callbackQueue = 'callbacks';
/** Tries of a callback, with pauses of 2, 4, 8 ... seconds between them: eight and a half minutes in all. */
const callbackTries = 9;
const callbackPauseMs = 2_000;
/** Places of one band; the queue orders by numbers up to 2^21. */
const placeMax = 2 ** 20;
const reclaimEveryMs = 10_000;
const cancelMarkMs = 3_600_000;
const cleanedMax = 1_000;

/** All keys of jobs lie in one slot of a cluster. */
export function jobsPrefix(prefix: string): string {
  return `{${prefix}:jobs}`;
}

export class Board {
  readonly #redis: Redis;
  readonly #prefix: string;
  readonly #queues: Readonly<Record<Priority, Queue<JobData>>>;
  readonly #callbacks: Queue;
  readonly #flows: FlowProducer;
  readonly #places: Places;

  constructor(redis: Redis, prefix: string, onError: (error: Error) => void) {
    const options = { connection: redis, prefix, skipVersionCheck: true, streams: { events: { maxLen: 100 } } };
    const queue = (name: string): Queue => new Queue(name, options).on('error', onError);
    this.#redis = redis;
    this.#prefix = prefix;
    this.#queues = { high: queue('high'), normal: queue('normal'), low: queue('low') };
    this.#callbacks = queue(callbackQueue);
    this.#flows = new FlowProducer({ connection: redis, prefix, skipVersionCheck: true }).on('error', onError);
    this.#places = new Places(redis, prefix);
  }

  /** Leaves a job here; its id, or whose jobs are too many. */
  async submit(data: JobData, rules: JobRules): Promise<string | { readonly full: FullQueue }> {
    const { waiting, running } = await this.backlog();
    if (waiting + running >= rules.depth) return { full: 'all' };
    const band = lower(data.priority, data.identity.priority);
    const id = `job_${band}_${randomBytes(12).toString('hex')}`;
    const place = await this.#take(id, data, rules);
    if (place === undefined) return { full: 'identity' };
    const keep = { age: Math.ceil(rules.keepMs / 1000), count: Math.max(1, rules.depth) };
    const kept = { jobId: id, removeOnComplete: keep, removeOnFail: keep };
    const opts = { ...kept, attempts: 1, priority: 1 + Math.min(place, placeMax), ignoreDependencyOnFailure: true };
    try {
      if (data.callback === undefined) await this.#queues[band].add('job', data, opts);
      else {
        const backoff = { type: 'exponential', delay: callbackPauseMs };
        await this.#flows.add({
          ...{ name: 'callback', queueName: callbackQueue, opts: { ...kept, attempts: callbackTries, backoff } },
          children: [{ name: 'job', queueName: band, data, opts }],
        });
      }
    } catch (error) {
      await this.#places.leave(data.identity.id, [id]).catch(() => {});
      throw error;
    }
    return id;
  }

  /** The job, if there is one by that name. */
  async find(id: string): Promise<KeptJob | undefined> {
    const queue = this.#queueOf(id);
    return queue === undefined ? undefined : ((await queue.getJob(id)) ?? undefined);
  }

  async callbackOf(id: string): Promise<Job | undefined> {
    return (await this.#callbacks.getJob(id)) ?? undefined;
  }

  /** Removes a job that does not run, its callback and its result; false for one that runs. */
  async remove(job: KeptJob): Promise<boolean> {
    if ((await job.getState()) === 'active') return false;
    try {
      await job.remove();
    } catch {
      // It began to run in between.
      return false;
    }
    await this.ended(job);
    await (await this.callbackOf(job.id!))?.remove().catch(() => {});
    return true;
  }

  /** Has whoever runs the job stop; it is removed then. */
  async cancel(id: string): Promise<void> {
    await this.#redis.set(this.#cancelKey(id), '1', 'PX', cancelMarkMs);
  }

  /** Which of these are to be stopped. */
  async cancelled(ids: readonly string[]): Promise<readonly string[]> {
    if (ids.length === 0) return [];
    const marks = await this.#redis.mget(...ids.map((id) => this.#cancelKey(id)));
    return ids.filter((_, index) => marks[index] !== null);
  }

  /** A job waits and runs no longer. */
  async ended({ id, data }: KeptJob): Promise<void> {
    await this.#places.leave(data.identity.id, [id!]);
  }

  /** Jobs of everybody, at all gateways. */
  async backlog(): Promise<Backlog> {
    const states = ['active', 'delayed', 'prioritized', 'wait'] as const;
    const counts = await Promise.all(bands.map((band) => this.#queues[band].getJobCounts(...states)));
    const sum = (state: string): number => counts.reduce((all, count) => all + (count[state] ?? 0), 0);
    return { waiting: sum('delayed') + sum('prioritized') + sum('wait'), running: sum('active') };
  }

  /** Removes what has been kept long enough; the queues do so themselves only as further jobs end. */
  async clean({ keepMs }: JobRules): Promise<void> {
    for (const queue of [...Object.values(this.#queues), this.#callbacks]) {
      for (const state of ['completed', 'failed'] as const) await queue.clean(keepMs, cleanedMax, state);
    }
  }

  async close(): Promise<void> {
    await Promise.all([...Object.values(this.#queues), this.#callbacks, this.#flows].map((one) => one.close()));
  }

  async #take(job: string, { identity, priority }: JobData, rules: JobRules): Promise<number | undefined> {
    const keepMs = 2 * (rules.waitMs + rules.keepMs);
    const request = { identity: identity.id, job, priority, placesMax: rules.perIdentity, keepMs };
    const place = await this.#places.take(request);
    if (place !== undefined || !(await this.#reclaim(identity.id))) return place;
    return this.#places.take(request);
  }

  /** Frees the places of jobs whose gateway was killed right after, or right before, it had to do with them. */
  async #reclaim(identity: string): Promise<boolean> {
    const isFirst = await this.#redis.set(`${this.#prefix}:reclaim:${identity}`, '1', 'PX', reclaimEveryMs, 'NX');
    if (isFirst === null) return false;
    const jobs = await this.#places.of(identity);
    const states = this.#redis.pipeline();
    for (const id of jobs) states.hmget(`${this.#prefix}:${bandOf(id)}:${id}`, 'timestamp', 'finishedOn');
    const answers = (await states.exec()) ?? [];
    const over = jobs.filter((_, index) => {
      const [timestamp, finishedOn] = (answers[index]?.[1] ?? []) as (string | null)[];
      return timestamp === null || (finishedOn !== null && finishedOn !== undefined);
    });
    await this.#places.leave(identity, over);
    return over.length > 0;
  }

  #queueOf(id: string): Queue<JobData> | undefined {
    const band = bandOf(id);
    return band === undefined ? undefined : this.#queues[band];
  }

  #cancelKey(id: string): string {
    return `${this.#prefix}:cancel:${id}`;
  }
}

/** Nobody gets ahead of others by leaving a job instead of asking. */
function lower(a: Priority, b: Priority): Priority {
  return bands.indexOf(a) > bands.indexOf(b) ? a : b;
}
