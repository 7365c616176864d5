/** Everything about jobs that needs BullMQ: loaded when a gateway has a Redis to keep them in, and not before. */
import type { Limiter, Timer } from '@headgate/core';
import type { Redis } from 'ioredis';
import { type Backlog, Board, jobsPrefix } from './board.js';
import { Deliveries } from './delivery.js';
import type { OwnRequests } from './own-requests.js';
import { ask, askingConnection, isOutage, type WorkingConnection, workingConnection } from './redis.js';
import { Work } from './work.js';

export interface ServiceOptions {
  readonly limiter: Limiter;
  readonly own: OwnRequests;
  readonly url: string;
  readonly prefix: string;
  readonly onError: (error: unknown) => void;
}

const cleanEveryMs = 60_000;
const countEveryMs = 5_000;
/** Longest wait for Redis when everything else is closed. */
const closeMsMax = 2_000;

export class Service {
  readonly board: Board;
  readonly #limiter: Limiter;
  readonly #asking: Redis;
  readonly #working: WorkingConnection;
  readonly #work: Work;
  readonly #deliveries: Deliveries;
  readonly #workBoard: Board;
  readonly #timers: readonly NodeJS.Timeout[];
  #backlog: Backlog | undefined;
  #stopped: Promise<unknown> | undefined;

  constructor({ limiter, own, url, prefix, onError }: ServiceOptions) {
    const report = (error: unknown): void => {
      if (!isOutage(error) && !isLostLock(error)) onError(error);
    };
    this.#limiter = limiter;
    this.#asking = askingConnection(url).on('error', report);
    this.#working = workingConnection(url);
    const { redis } = this.#working;
    redis.on('error', report);
    const keys = jobsPrefix(prefix);
    this.board = new Board(this.#asking, keys, report);
    this.#workBoard = new Board(redis, keys, report);
    const shared = { limiter, board: this.#workBoard, redis, prefix: keys, onError: report };
    this.#work = new Work({ ...shared, own });
    this.#deliveries = new Deliveries(shared);
    const clean = (): void => void this.ask(() => this.board.clean(limiter.policy.jobs)).catch(() => {});
    const count = (): void => {
      const counted = this.ask(() => this.board.backlog());
      void counted
        .catch(() => undefined)
        .then((backlog) => {
          this.#backlog = backlog;
        });
    };
    this.#timers = [setInterval(clean, cleanEveryMs), setInterval(count, countEveryMs)];
  }

  /** @throws QueueDownError */
  ask<Result>(question: () => Promise<Result>): Promise<Result> {
    return ask(this.#asking, question);
  }

  /** As it was counted lately; undefined while Redis is away. */
  get backlog(): Backlog | undefined {
    return this.#backlog;
  }

  configure(): void {
    this.#work.configure();
  }

  /** Takes no more jobs; resolves when those that run have ended, or have gone back to wait. */
  stop(): Promise<unknown> {
    for (const timer of this.#timers) clearInterval(timer);
    this.#stopped ??= Promise.all([this.#work.close(), this.#deliveries.close()]).catch(() => {});
    return this.#stopped;
  }

  /** Lets go of Redis. What still runs then is taken up by another gateway, as if this one had been killed. */
  async close(): Promise<void> {
    // What cannot be told now is found out by the next gateway.
    if (this.#working.redis.status !== 'ready') return this.#end();
    const closed = this.stop().then(() => Promise.all([this.board.close(), this.#workBoard.close()]));
    let timer: Timer | undefined;
    const tooLong = new Promise<void>((resolve) => {
      timer = this.#limiter.clock.after(closeMsMax, resolve);
    });
    await Promise.race([closed.catch(() => {}), tooLong]);
    timer?.cancel();
    this.#end();
  }

  #end(): void {
    for (const timer of this.#timers) clearInterval(timer);
    this.#work.end();
    this.#asking.disconnect();
    this.#working.disconnect();
  }
}

/** A job that another gateway has taken over: it ends there. */
function isLostLock(error: unknown): boolean {
  return (
    error instanceof Error &&
    /could not renew lock|Missing lock|Lock mismatch|is not in the active state/i.test(error.message)
  );
}
