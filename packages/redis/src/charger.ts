/**
 * Sends decisions to charge.lua. A decision that finds the line free goes at once; those that come while two commands are
 * under way go together in the next. That costs nobody time, and spares Redis and this process most of what a command costs.
 */
import { type Clock, HeadgateError } from '@headgate/core';
import { type Link, silenceMs } from './link.js';
import { lengthsIn, type Rows } from './row.js';
import { charge } from './scripts.js';
import type { Plan } from './table.js';

/** One decision over some rows. */
export interface Question {
  readonly keys: readonly string[];
  /** By row. */
  readonly plans: readonly Plan[];
  /** By column of each row in turn. */
  readonly units: readonly number[];
}

/** Its rows are as written, or as found where nothing was charged; part of a larger buffer: copy what is kept. */
export interface Verdict extends Rows {
  readonly isCharged: boolean;
  /** The instant of the decision on the server's clock, epoch ms. */
  readonly now: number;
  /** By column of each row in turn: '0' where nothing was charged. */
  readonly flags: string;
}

interface Asked {
  readonly question: Question;
  readonly at: number;
  readonly resolve: (verdict: Verdict) => void;
  readonly reject: (error: unknown) => void;
}

export interface ChargerOptions {
  readonly link: Link;
  readonly clock: Clock;
  readonly node: number;
  readonly leaseMs: number;
}

/** Commands under way before decisions are gathered: one works in Redis while the other is written or read here. */
const underWayMax = 2;
/** Decisions in one command: Redis serves nobody else meanwhile. */
const togetherMax = 64;

export class Charger {
  readonly #options: ChargerOptions;
  #waiting: Asked[] = [];
  #underWay = 0;

  constructor(options: ChargerOptions) {
    this.#options = options;
  }

  ask(question: Question): Promise<Verdict> {
    return new Promise((resolve, reject) => {
      const asked = { question, at: this.#options.clock.now(), resolve, reject };
      // Rows of several decisions live on several servers of a Cluster: there each goes for itself.
      if (this.#options.link.isCluster) void this.#send([asked]);
      else {
        this.#waiting.push(asked);
        this.#sendNext();
      }
    });
  }

  #sendNext(): void {
    while (this.#underWay < underWayMax && this.#waiting.length > 0) {
      const together = this.#waiting.length <= togetherMax ? this.#waiting : this.#waiting.splice(0, togetherMax);
      if (together === this.#waiting) this.#waiting = [];
      void this.#send(together);
    }
  }

  async #send(together: readonly Asked[]): Promise<void> {
    this.#underWay++;
    try {
      const { link, clock } = this.#options;
      // Whoever asked has given up: what would be charged now nobody would use.
      const isLate = clock.now() - together[0]!.at > silenceMs;
      if (isLate) throw new HeadgateError('HG_STORE_DOWN', 'Redis took too long');
      const { keys, numbers, words } = this.#spelt(together);
      const answers = await link.run(charge, keys, numbers, words);
      for (const [i, { question, resolve }] of together.entries()) resolve(verdictOf(question, answers[i]!));
    } catch (error) {
      // One row that cannot be read is no reason for those who were only asked with it: nothing was written yet.
      if (together.length > 1 && isUnreadable(error) && areApart(together))
        for (const one of together) void this.#send([one]);
      else for (const { reject } of together) reject(error);
    } finally {
      this.#underWay--;
      this.#sendNext();
    }
  }

  #spelt(together: readonly Asked[]): { keys: string[]; numbers: number[]; words: string[] } {
    const { node, leaseMs, link } = this.#options;
    const keys: string[] = [];
    const words: string[] = [];
    const known = new Map<Plan, number>();
    const numbers = [node, leaseMs, 0];
    const { wall } = link.time;
    for (const { question } of together) {
      const { plans, units } = question;
      keys.push(...question.keys);
      numbers.push(plans.length);
      let at = 0;
      for (const plan of plans) {
        let number = known.get(plan);
        if (number === undefined) {
          number = known.size + 1;
          known.set(plan, number);
          words.push(...plan.words(wall));
          if (plan.table.hasTail) numbers[2] = 1;
        }
        numbers.push(number);
        for (let c = plan.table.columns.length; c > 0; c--) numbers.push(units[at++]!);
      }
    }
    return { keys, numbers, words };
  }
}

function isUnreadable(error: unknown): boolean {
  return error instanceof HeadgateError && error.code === 'HG_STORE_DATA';
}

/** Whether no row is asked for under two policies: one that is would be written in between. */
function areApart(together: readonly Asked[]): boolean {
  const tables = new Map<string, Plan['table']>();
  for (const { question } of together) {
    for (const [g, key] of question.keys.entries()) {
      const { table } = question.plans[g]!;
      if ((tables.get(key) ?? table) !== table) return false;
      tables.set(key, table);
    }
  }
  return true;
}

function verdictOf({ plans }: Question, answer: Buffer): Verdict {
  const status = answer.readDoubleLE(0);
  let flags = '';
  for (const plan of plans) flags += plan.flags;
  let at = 16 + 8 * plans.length;
  if (status === 3) {
    flags = answer.toString('latin1', at, at + flags.length);
    at += flags.length;
  }
  const lengths = lengthsIn(answer, 16, plans.length);
  return { isCharged: status !== 0, now: answer.readDoubleLE(8), flags, text: answer.subarray(at), lengths };
}
