/** Decisions over all parts of a set: one command each, all of them or none. */
import type { Cost } from '@headgate/core';
import type { Charger, Question, Verdict } from './charger.js';
import { chargeOf, type Outcome } from './charging.js';
import type { Endings } from './endings.js';
import type { Holds } from './holds.js';
import type { Lender } from './lender.js';
import { isDown } from './link.js';
import { type Charge, keysOf, type Part, type RedisReceipt } from './receipt.js';

/** What a part is asked; undefined when nothing is. @param p its place in the set */
type QuestionOf = (part: Part, p: number) => Question | undefined;

export interface DecisionsOptions {
  readonly charger: Charger;
  readonly endings: Endings;
  readonly holds: Holds;
  readonly lender: Lender;
  readonly node: number;
}

export class Decisions {
  readonly #options: DecisionsOptions;

  constructor(options: DecisionsOptions) {
    this.#options = options;
  }

  /**
   * Charges the parts one after the other, and takes the earlier ones back when a later one refuses.
   * @param onDoubt told of the part of which nobody knows whether it was charged, before that is thrown
   */
  async charge(
    parts: readonly Part[],
    cost: Cost,
    questionOf: QuestionOf,
    onDoubt: (p: number) => void = () => {},
  ): Promise<Outcome> {
    const { endings, node } = this.#options;
    const seen: Verdict[] = [];
    const charges: Charge[] = [];
    let at = 0;
    try {
      for (const [p, part] of parts.entries()) {
        at = p;
        const question = questionOf(part, p);
        if (question === undefined) continue;
        const verdict = await this.#asking(part, question);
        seen.push(verdict);
        if (!verdict.isCharged) {
          endings.takeBack(charges);
          return { admitted: false, charges: [], seen };
        }
        charges.push(chargeOf(part, cost, question.keys, verdict, node));
      }
    } catch (error) {
      endings.takeBack(charges);
      if (!isDown(error)) onDoubt(at);
      throw error;
    }
    return { admitted: true, charges, seen };
  }

  #asking({ groups }: Part, question: Question): Promise<Verdict> {
    const { charger, holds } = this.#options;
    let asked = charger.ask(question);
    for (const [g, { table }] of groups.entries()) {
      if (table.slots > 0) asked = holds.during(question.keys[g]!, asked);
    }
    return asked;
  }

  /** As `charge`, and once more when it may have been a share of this very process that was in the way. */
  async insist(
    { set, subject }: Pick<RedisReceipt, 'set' | 'subject'>,
    cost: Cost,
    questionOf: QuestionOf,
    onDoubt?: (p: number) => void,
  ): Promise<Outcome> {
    const told = await this.charge(set.parts, cost, questionOf, onDoubt);
    if (told.admitted || !this.#options.lender.giveBackOf(keysOf(set, subject))) return told;
    return this.charge(set.parts, cost, questionOf, onDoubt);
  }
}
