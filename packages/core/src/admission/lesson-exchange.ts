/**
 * Tells other processes, through the store they share, what answers taught here, and takes up what they were taught: at once when
 * it begins, so that a process that starts does not begin with guesses; every few seconds; and for the last time when it is closed.
 * No decision waits for it or asks it anything. A store that is slow, gone or full of nonsense changes nothing but its counts.
 */
import type { Clock, Timer } from '../kernel/clock.js';
import { HeadgateError } from '../kernel/errors.js';
import type { Random } from '../kernel/random.js';
import type { LessonChanges, Store } from '../store/store.js';
import type { SharedLearner, Telling } from './shared-lessons.js';

/** What answers taught, exchanged with other processes since the start; lessons are counted each time. */
export interface LessonStats {
  /** Exchanges that the store answered. */
  readonly answered: number;
  /** Those that it did not, or not in time. */
  readonly failed: number;
  readonly told: number;
  readonly heard: number;
  /** Heard, but not, or not wholly, what this version writes; that was passed over. */
  readonly unreadable: number;
}

export interface LessonExchangeOptions {
  readonly exchange: NonNullable<Store['exchange']>;
  readonly learners: readonly SharedLearner[];
  readonly clock: Clock;
  readonly random: Random;
}

const everyMs = 5_000;
/** Lessons of each learner told at once. */
const tellMax = 32;
/** Answers in a row that say that there is more. */
const piecesMax = 500;
/** After this long an exchange has failed, ms. */
const patienceMs = 2_000;
/** How long closing waits for what is told last, ms. */
const closeMs = 1_000;
const lastPiecesMax = 8;

export class LessonExchange {
  readonly #options: LessonExchangeOptions;
  #stats = { answered: 0, failed: 0, told: 0, heard: 0, unreadable: 0 };
  #mark = 0;
  #timer: Timer | undefined;
  #isClosed = false;
  /** The round that is under way, or was last. */
  #round: Promise<void>;

  constructor(options: LessonExchangeOptions) {
    this.#options = options;
    this.#round = this.#exchange();
  }

  get stats(): LessonStats {
    return { ...this.#stats };
  }

  async #exchange(): Promise<void> {
    for (let pieces = 0; pieces < piecesMax && !this.#isClosed; pieces++) {
      if (!(await this.#exchangeOnce(false))?.more) break;
    }
    if (this.#isClosed) return;
    const { clock, random } = this.#options;
    // Not all processes in the same instant.
    const pauseMs = everyMs * (0.75 + random() / 2);
    this.#timer = clock.after(pauseMs, () => {
      this.#round = this.#exchange();
    });
  }

  /** Undefined when it failed, or had nothing more to say. */
  async #exchangeOnce(isLast: boolean): Promise<LessonChanges | undefined> {
    const { exchange, learners, clock } = this.#options;
    const news = learners.flatMap((learner) => learner.tell(tellMax, clock.now(), isLast));
    if (isLast && news.length === 0) return undefined;
    let changes: LessonChanges;
    try {
      changes = await this.#inTime(exchange(news, this.#mark));
    } catch (error) {
      this.#stats.failed++;
      // With anything else they may have been told, and nothing is told twice.
      if (error instanceof HeadgateError && error.code === 'HG_STORE_DOWN') takeBack(news);
      return undefined;
    }
    this.#stats.answered++;
    this.#stats.told += news.length;
    this.#mark = changes.mark;
    for (const { name, bytes } of changes.lessons) this.#hear(name, bytes);
    return changes;
  }

  #hear(name: string, bytes: Uint8Array): void {
    const learner = this.#options.learners.find((one) => name.startsWith(`${one.name}/`));
    this.#stats.heard++;
    if (learner?.hear(name, bytes) !== true) this.#stats.unreadable++;
  }

  #inTime<T>(answer: Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      const late = this.#options.clock.after(patienceMs, () => reject(new Error('no answer in time')));
      answer.then(resolve, reject).finally(() => late.cancel());
    });
  }

  /** Tells the rest. */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#timer?.cancel();
    await new Promise<void>((resolve) => {
      const late = this.#options.clock.after(closeMs, resolve);
      void this.#tellRest().then(() => {
        late.cancel();
        resolve();
      });
    });
  }

  async #tellRest(): Promise<void> {
    await this.#round;
    for (let pieces = 0; pieces < lastPiecesMax; pieces++) {
      if ((await this.#exchangeOnce(true)) === undefined) return;
    }
  }
}

function takeBack(news: readonly Telling[]): void {
  for (const one of news) one.takeBack();
}
