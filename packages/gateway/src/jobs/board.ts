/**
 * The jobs as they are kept in Redis: three queues of BullMQ, one a priority, so that each priority has some of its jobs in
 * the gateway's own queue and that one decides between them, as for everybody else. A job that names a callback is the child
 * of one in a fourth queue: BullMQ lets that one go in the same step in which it ends the job, so no end goes untold.
 */
import { randomBytes } from 'node:crypto';
import type { JobRules, Priority } from '@headgate/core';
import { FlowProducer, type Job, Queue } from 'bullmq';
import type { Redis } from 'ioredis';
import type { Again } from './again.js';
import { bandOf, bands, type JobData } from './job.js';
import { type Place, Places, type Taken } from './places.js';

export type KeptJob = Job<JobData>;
export interface Backlog {
  readonly waiting: number;
  readonly running: number;
}
export type Submitted =
  /** `isNew` is false for one that an earlier submission of the same key has left. */
  | { readonly id: string; readonly isNew: boolean }
  /** Whose jobs are too many. */
  | { readonly full: 'all' | 'identity' }
  /** The key was used for something else. */
  | 'other';

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

  /** Leaves a job here, unless a submission like it has done so already. */
  async submit(data: JobData, rules: JobRules, again?: Again): Promise<Submitted> {
    const { waiting, running } = await this.backlog();
    const isFull = waiting + running >= rules.depth;
    if (isFull && again === undefined) return { full: 'all' };
    const id = `job_${lower(data.priority, data.identity.priority)}_${randomBytes(12).toString('hex')}`;
    const taken = await this.#take(id, data, isFull ? { ...rules, perIdentity: 0 } : rules, again);
    if (taken === 'other') return taken;
    if (taken === 'full') return { full: isFull ? 'all' : 'identity' };
    if (!taken.isKept) await this.#add(taken, data, rules, again);
    return { id: taken.id, isNew: taken.id === id };
  }

  /** Where a job by that id is there already nothing happens: of two that are told to add it one does. */
  async #add({ id, place }: Place, data: JobData, rules: JobRules, again: Again | undefined): Promise<void> {
    const band = bandOf(id)!;
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
      // Whoever submits it again comes to the place that it has: nobody knows whether it was not added after all.
      if (again === undefined) await this.#places.leave(data.identity.id, [id]).catch(() => {});
      throw error;
    }
  }

  /** The job that an earlier submission like it has left; 'other' where that one was of something else. */
  async kept({ key, digest }: Again): Promise<KeptJob | 'other' | undefined> {
    const known = await this.#places.known(key);
    const job = known === undefined ? undefined : await this.find(known.id);
    return job !== undefined && known?.digest !== digest ? 'other' : job;
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

  async #take(job: string, data: JobData, rules: JobRules, again: Again | undefined): Promise<Taken> {
    const { identity, priority, submittedAt } = data;
    const keepMs = 2 * (rules.waitMs + rules.keepMs);
    const placesMax = rules.perIdentity;
    const request = { identity: identity.id, job, priority, placesMax, keepMs, again, submittedAt };
    const taken = await this.#places.take(request);
    if (taken !== 'full' || placesMax === 0 || !(await this.#reclaim(identity.id, submittedAt))) return taken;
    return this.#places.take(request);
  }

  /** Frees the places of jobs whose gateway was killed right after, or right before, it had to do with them. */
  async #reclaim(identity: string, now: number): Promise<boolean> {
    const isFirst = await this.#redis.set(`${this.#prefix}:reclaim:${identity}`, '1', 'PX', reclaimEveryMs, 'NX');
    if (isFirst === null) return false;
    const places = await this.#places.of(identity, now);
    const states = this.#redis.pipeline();
    for (const { id } of places) states.hmget(`${this.#prefix}:${bandOf(id)}:${id}`, 'timestamp', 'finishedOn');
    const answers = (await states.exec()) ?? [];
    const over = places.filter(({ isBegun }, index) => {
      const [timestamp, finishedOn] = (answers[index]?.[1] ?? []) as (string | null)[];
      return (timestamp === null && isBegun) || (finishedOn !== null && finishedOn !== undefined);
    });
    await this.#places.leave(
      identity,
      over.map(({ id }) => id),
    );
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
