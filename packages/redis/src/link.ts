/**
 * Runs the Lua files on the server: each command is sent once, except after NOSCRIPT, and says where it expects the server's
 * clock, so that it has no effect when it is executed after everybody gave up.
 */
import { type Clock, HeadgateError } from '@headgate/core';
import type { Cluster, Redis } from 'ioredis';
import { connectionLike, isCluster, type RedisClient } from './connection.js';
import type { Script } from './scripts.js';
import { ServerClock } from './server-clock.js';
import { slotOf } from './slot.js';
import { Watchdog } from './watchdog.js';

/** Commands that are unanswered for this long are lost, and their connection with them; as in lua/shared/begin.lua. */
export const silenceMs = 1_000;

/** An argument of a script. */
type Word = string | Buffer;

export interface LinkOptions {
  readonly clock: Clock;
  readonly random: () => number;
  /** Stands in for the server's clock in tests, epoch ms. */
  readonly serverTime?: () => number;
  /** Tells how long the connection is silent; default `clock`. */
  readonly patience?: Clock;
}

/** First double of every reply: the command was not executed, because the server's clock was not where it was expected. */
const notExecuted = 2;

export class Link {
  readonly isCluster: boolean;
  readonly time: ServerClock;
  readonly #client: Redis | Cluster;
  readonly #clock: Clock;
  readonly #serverTime: (() => number) | undefined;
  readonly #watchdog: Watchdog;
  /** Until the first attempt to connect has succeeded or failed: what is asked meanwhile waits. */
  readonly #begun: Promise<void>;
  readonly #connected: Promise<void>;

  constructor(client: RedisClient, { clock, random, serverTime, patience = clock }: LinkOptions) {
    this.isCluster = isCluster(client);
    this.time = new ServerClock(clock);
    this.#clock = clock;
    this.#serverTime = serverTime;
    this.#client = connectionLike(client, random);
    this.#watchdog = new Watchdog({ clock: patience, silenceMs, onSilence: () => this.#reconnect() });
    this.#client.on('connect', () => this.#expectReady());
    this.#connected = new Promise((resolve) => this.#client.once('ready', resolve));
    this.#begun = this.#firstAttempt(patience);
    // Tried again until it succeeds; a command meanwhile fails at once.
    this.#client.connect().catch(() => {});
  }

  /** A client that looks for its master may do so for ever without saying that it failed. */
  #firstAttempt(patience: Clock): Promise<void> {
    return new Promise((resolve) => {
      const tooLong = patience.after(silenceMs, resolve);
      const end = (): void => {
        tooLong.cancel();
        resolve();
      };
      this.#client.once('ready', end);
      this.#client.once('close', end);
    });
  }

  /** A connection that is made has to become usable in time too. */
  #expectReady(): void {
    this.#watchdog.asked();
    const answered = (): void => {
      this.#client.off('ready', answered);
      this.#client.off('close', answered);
      this.#watchdog.answered();
    };
    this.#client.once('ready', answered);
    this.#client.once('close', answered);
  }

  /** Gives the connection up for a new one; what is under way on it fails. A Cluster sees to its nodes by itself. */
  #reconnect(): void {
    if (!this.isCluster) this.#client.disconnect(true);
  }

  get isReady(): boolean {
    return this.#client.status === 'ready';
  }

  /** Resolves once there has been a usable connection. */
  get connected(): Promise<void> {
    return this.#connected;
  }

  /** Which server of a Cluster holds the key, as far as is known. */
  serverOf(key: string): string {
    return (this.#client as Cluster).slots[slotOf(key)]?.[0] ?? '';
  }

  /** Called whenever a connection has become usable. */
  onReady(listener: () => void): void {
    this.#client.on('ready', listener);
  }

  /**
   * The texts that the script answers, one or several; the second double of each is the instant of the decision.
   * @param numbers the script's list, but for the three of the time
   * @param words further arguments
   * @throws what ioredis throws; HeadgateError `HG_STORE_DOWN` when there is no connection, or the command came too late
   */
  async run(
    script: Script,
    keys: readonly string[],
    numbers: readonly number[],
    words: readonly Word[] = [],
  ): Promise<readonly Buffer[]> {
    const begunAt = this.#clock.now();
    if (!this.isReady) await this.#begun;
    for (;;) {
      if (this.#clock.now() - begunAt > silenceMs) throw down('Redis took too long');
      const sentAt = this.#clock.now();
      const { ahead } = this.time;
      const answer = await this.#send(script, keys, [this.#timed(numbers, ahead), ...words]);
      const texts = Array.isArray(answer) ? answer : [answer];
      const [first] = texts as [Buffer];
      const isExecuted = first.readDoubleLE(0) !== notExecuted;
      this.time.learn(first.readDoubleLE(8) + (isExecuted ? ahead : 0), sentAt);
      if (isExecuted) return texts;
    }
  }

  /** As text: one buffer among the arguments would have ioredis put the command together from buffers, which takes longer. */
  #timed(numbers: readonly number[], ahead: number): string {
    const fake = this.#serverTime === undefined ? 0 : Math.floor(this.#serverTime());
    return `[${[this.time.expected, ahead, fake, ...numbers].join()}]`;
  }

  async #send(script: Script, keys: readonly string[], words: readonly Word[]): Promise<Buffer | Buffer[]> {
    if (!this.isReady) throw down('there is no connection to Redis');
    try {
      return await this.#call('evalsha', script.sha, keys, words).catch((error: unknown) => {
        if (!(error instanceof Error) || !error.message.startsWith('NOSCRIPT')) throw error;
        return this.#call('eval', script.source, keys, words);
      });
    } catch (error) {
      throw isReply(error) ? refusedBy(error) : error;
    }
  }

  #call(command: string, script: string, keys: readonly string[], words: readonly Word[]): Promise<Buffer | Buffer[]> {
    this.#watchdog.asked();
    const answer: Promise<unknown> = this.#client.callBuffer(command, script, keys.length, ...keys, ...words);
    const answered = (): void => this.#watchdog.answered();
    answer.then(answered, answered);
    return answer as Promise<Buffer | Buffer[]>;
  }

  close(): void {
    this.#watchdog.close();
    this.#client.disconnect();
  }
}

/** Nothing was executed. */
export function isDown(error: unknown): boolean {
  return error instanceof HeadgateError && error.code === 'HG_STORE_DOWN';
}

function down(why: string, options?: ErrorOptions): HeadgateError {
  return new HeadgateError('HG_STORE_DOWN', why, options);
}

const isReply = (error: unknown): error is Error => error instanceof Error && error.name === 'ReplyError';

/** Answers with which Redis says that it will execute the command another time. */
const passing = /^(?:OOM|READONLY|LOADING|MASTERDOWN|CLUSTERDOWN|TRYAGAIN|BUSY|NOREPLICAS|MISCONF|NOAUTH) /;

/** Redis answered that it did not do it: no script of ours writes before all that can fail has been done. */
function refusedBy(error: Error): HeadgateError {
  if (passing.test(error.message)) return down(error.message, { cause: error });
  return new HeadgateError('HG_STORE_DATA', error.message, { cause: error });
}
