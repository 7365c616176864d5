/**
 * Which jobs of each identity wait or run: for the bound on their number, and so that identities take turns. A job is
 * ordered in its band by its place among those of its own identity, so the first job of anybody comes before the second of
 * anybody else, however many were submitted first. Asking for a higher priority gets a job before the others of its own.
 */
import type { Priority } from '@headgate/core';
import type { Redis } from 'ioredis';
import type { Again } from './again.js';

const ranks: Readonly<Record<Priority, number>> = { high: 0, normal: 1, low: 2 };
/** A place is a number of its rank and, below that, of when it was taken: epoch ms, which reach 2^42 in the year 2109. */
const rankStep = 2 ** 42;

/** A place whose job is not there is being used at this moment, or its gateway was killed: for so long it is the first, ms. */
const beginMsMax = 60_000;

/**
 * With a key: the job that it was used for, as long as there is that job or its place. A key is taken in one step with a place,
 * so what died before it added its job left a place, which the same submission finds and adds that job to.
 */
const takeScript = `
local key = KEYS[2]
local known = key and redis.call('GET', key)
if known then
  local id, digest, at = string.match(known, '^(%S+) (%S+) (%S+)$')
  local isKept = redis.call('EXISTS', ARGV[7] .. ':' .. string.match(id, '^job_(%a+)_') .. ':' .. id) == 1
  if isKept or redis.call('ZSCORE', KEYS[1], id) then
    if digest == ARGV[5] then
      -- A mark of one by that id, which is gone, is not meant for the one that is added now.
      if not isKept then redis.call('DEL', ARGV[7] .. ':cancel:' .. id) end
      return { id, math.max(0, redis.call('ZCOUNT', KEYS[1], '-inf', ARGV[8]) - 1), isKept and 1 or 0 }
    end
    if isKept or ARGV[6] - at < ${beginMsMax} then return 'other' end
    redis.call('ZREM', KEYS[1], id)
  end
end
if redis.call('ZCARD', KEYS[1]) >= tonumber(ARGV[3]) then return 'full' end
local place = redis.call('ZCOUNT', KEYS[1], '-inf', ARGV[8])
redis.call('ZADD', KEYS[1], ARGV[2], ARGV[1])
redis.call('PEXPIRE', KEYS[1], ARGV[4])
if key then redis.call('SET', key, ARGV[1] .. ' ' .. ARGV[5] .. ' ' .. ARGV[6], 'PX', ARGV[4]) end
return { ARGV[1], place, 0 }
`;

export interface PlaceRequest {
  readonly identity: string;
  readonly job: string;
  readonly priority: Priority;
  readonly placesMax: number;
  /** After so long without a job of this identity nothing is remembered, ms. */
  readonly keepMs: number;
  readonly again: Again | undefined;
  /** Epoch ms. */
  readonly submittedAt: number;
}

export interface Place {
  /** The job's own, or that of the one which the key was used for. */
  readonly id: string;
  /** Among those of its identity, from 0. */
  readonly place: number;
  /** Whether the job is there already, waiting, running or over. */
  readonly isKept: boolean;
}

/** 'full': there are too many; 'other': the key was used for something else. */
export type Taken = Place | 'full' | 'other';

export class Places {
  readonly #redis: Redis;
  readonly #prefix: string;

  constructor(redis: Redis, prefix: string) {
    this.#redis = redis;
    this.#prefix = prefix;
  }

  async take({ identity, job, priority, placesMax, keepMs, again, submittedAt }: PlaceRequest): Promise<Taken> {
    const keys = [this.#key(identity), ...(again === undefined ? [] : [this.#againKey(again.key)])];
    const rank = ranks[priority] * rankStep;
    const about = [job, rank + submittedAt, placesMax, keepMs, again?.digest ?? '', submittedAt, this.#prefix];
    const args = [...about, `(${rank + rankStep}`].map(String);
    const answer = (await this.#redis.eval(takeScript, keys.length, ...keys, ...args)) as
      | 'full'
      | 'other'
      | [id: string, place: number, isKept: number];
    if (typeof answer === 'string') return answer;
    const [id, place, isKept] = answer;
    return { id, place, isKept: isKept === 1 };
  }

  /** What a key was used for, if it is remembered; the job may be gone. */
  async known(key: string): Promise<{ readonly id: string; readonly digest: string } | undefined> {
    const [id, digest] = (await this.#redis.get(this.#againKey(key)))?.split(' ') ?? [];
    return id === undefined || digest === undefined ? undefined : { id, digest };
  }

  async leave(identity: string, jobs: readonly string[]): Promise<void> {
    if (jobs.length > 0) await this.#redis.zrem(this.#key(identity), ...jobs);
  }

  /** All jobs of the identity that have a place, and whether each must have been added by now, if it ever will be. */
  async of(identity: string, now: number): Promise<{ readonly id: string; readonly isBegun: boolean }[]> {
    const answer = await this.#redis.zrange(this.#key(identity), '0', '-1', 'WITHSCORES');
    const places: { id: string; isBegun: boolean }[] = [];
    for (let i = 0; i + 1 < answer.length; i += 2) {
      places.push({ id: answer[i]!, isBegun: now - (Number(answer[i + 1]) % rankStep) >= beginMsMax });
    }
    return places;
  }

  #key(identity: string): string {
    return `${this.#prefix}:open:${identity}`;
  }

  #againKey(key: string): string {
    return `${this.#prefix}:again:${key}`;
  }
}
