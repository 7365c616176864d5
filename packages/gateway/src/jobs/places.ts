/**
 * Which jobs of each identity wait or run: for the bound on their number, and so that identities take turns. A job is
 * ordered in its band by its place among those of its own identity, so the first job of anybody comes before the second of
 * anybody else, however many were submitted first. Asking for a higher priority gets a job before the others of its own.
 */
import type { Priority } from '@headgate/core';
import type { Redis } from 'ioredis';

const ranks: Readonly<Record<Priority, number>> = { high: 0, normal: 1, low: 2 };

const takeScript = `
if redis.call('ZCARD', KEYS[1]) >= tonumber(ARGV[3]) then return -1 end
local place = redis.call('ZCOUNT', KEYS[1], '-inf', ARGV[2])
redis.call('ZADD', KEYS[1], ARGV[2], ARGV[1])
redis.call('PEXPIRE', KEYS[1], ARGV[4])
return place
`;

export interface PlaceRequest {
  readonly identity: string;
  readonly job: string;
  readonly priority: Priority;
  readonly placesMax: number;
  /** After so long without a job of this identity nothing is remembered, ms. */
  readonly keepMs: number;
}

export class Places {
  readonly #redis: Redis;
  readonly #prefix: string;

  constructor(redis: Redis, prefix: string) {
    this.#redis = redis;
    this.#prefix = prefix;
  }

  /** The place of the job among its identity's, from 0; undefined when there are too many. */
  async take({ identity, job, priority, placesMax, keepMs }: PlaceRequest): Promise<number | undefined> {
    const key = this.#key(identity);
    const args = [job, ranks[priority], placesMax, keepMs].map(String);
    const place = Number(await this.#redis.eval(takeScript, '1', key, ...args));
    return place < 0 ? undefined : place;
  }

  async leave(identity: string, jobs: readonly string[]): Promise<void> {
    if (jobs.length > 0) await this.#redis.zrem(this.#key(identity), ...jobs);
  }

  /** All jobs of the identity that have a place. */
  of(identity: string): Promise<string[]> {
    return this.#redis.zrange(this.#key(identity), '0', '-1');
  }

  #key(identity: string): string {
    return `${this.#prefix}:open:${identity}`;
  }
}
