/** The connections of jobs to Redis, which are none of the store's: those that take jobs block, and wait for a server that is away. */
import { Redis } from 'ioredis';

/** Longest time for a command that a client waits for, ms. */
const answerMsMax = 5_000;
const reconnectMsMax = 2_000;

/** Redis cannot be reached, or does not answer in time. */
export class QueueDownError extends Error {
  override readonly name = 'QueueDownError';
}

const retryStrategy = (times: number): number => Math.min(reconnectMsMax, 50 * times);

/** For commands that are asked for by a client: they fail soon where they cannot be done, and are not sent twice. */
export function askingConnection(url: string): Redis {
  return new Redis(url, {
    maxRetriesPerRequest: 0,
    enableOfflineQueue: false,
    autoResendUnfulfilledCommands: false,
    retryStrategy,
  });
}

export interface WorkingConnection {
  readonly redis: Redis;
  /** Closes it and all that were made like it. */
  disconnect(): void;
}

/** For those who take jobs: their commands are done once Redis is there. Each of them makes another one like it, to wait on. */
export function workingConnection(url: string): WorkingConnection {
  let isOver = false;
  // Also where one of them is connected once more afterwards.
  const untilOver = (times: number): number | null => (isOver ? null : retryStrategy(times));
  const redis = new Redis(url, { maxRetriesPerRequest: null, retryStrategy: untilOver });
  const all = [redis];
  const duplicate = redis.duplicate.bind(redis);
  const duplicateKept: Redis['duplicate'] = (...options) => {
    const another = duplicate(...options);
    all.push(another);
    return another;
  };
  redis.duplicate = duplicateKept;
  return {
    redis,
    disconnect: () => {
      isOver = true;
      for (const one of all) one.disconnect();
    },
  };
}

/** @throws QueueDownError */
export async function ask<Result>(connection: Redis, question: () => Promise<Result>): Promise<Result> {
  if (connection.status !== 'ready') throw new QueueDownError();
  let timer: NodeJS.Timeout | undefined;
  const tooLong = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new QueueDownError()), answerMsMax);
  });
  try {
    return await Promise.race([question(), tooLong]);
  } catch (error) {
    throw isOutage(error) ? new QueueDownError() : error;
  } finally {
    clearTimeout(timer);
  }
}

/** Redis being away is told by the store, once. */
export function isOutage(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  const { code = '' } = error as NodeJS.ErrnoException;
  return (
    /^E(CONN|PIPE|HOST|NET|TIMEDOUT|AI_)/.test(code) ||
    /Connection is closed|Stream isn't writeable|max retries per request|LOADING/i.test(error.message)
  );
}
