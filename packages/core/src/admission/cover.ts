/**
 * What covers answers that come in one piece. Nobody can end one where a budget does, so all that its backend is let write is charged
 * before it begins: once it has its slot, since a cover that waits in the queue would keep others out for nothing.
 *
 * Covers come back when their answers end, which is soon: who finds them in the way is told to come again then, and not when the
 * window has moved on; and no alert is told of what is only covered.
 */
import type { Limit, LimitState } from '../model.js';
import type { Cover, Reservation } from '../reservation.js';
import { amountOf } from '../store/columns.js';
import { noCost, withCharges } from '../store/cost.js';
import type { Cost, Receipt, Shortfall, Store, Subject } from '../store/store.js';
import { subjectKey } from '../store/subject.js';
import { type Charges, free, type Pricing } from './pricing.js';
import { capAddedMax, outputRoom } from './sizing.js';

/** Of what the limits could ever hold, what an answer may have that was declared no cap, or one that never fits. */
const shareUncapped = 1 / 4;

export interface CoversOptions {
  readonly store: Store;
  readonly pricing: Pricing;
}

/** Units that answers hold which run now. */
interface Held {
  units: number;
  answers: number;
}

export class Covers {
  readonly #store: Store;
  readonly #pricing: Pricing;
  /** By limit and whom it counts. */
  readonly #held = new Map<string, Held>();

  constructor({ store, pricing }: CoversOptions) {
    this.#store = store;
    this.#pricing = pricing;
  }

  /** Covers an answer that was let through, as far as the limits have room. */
  cover(reservation: Reservation): void | Promise<void> {
    const { receipt, cost, coverWanted: wanted } = reservation;
    reservation.coverWanted = 0;
    if (receipt === undefined || wanted <= cost.outputTokens) return undefined;
    return this.#reserve(reservation, wanted - cost.outputTokens, true);
  }

  /** By a charge of its own: what is given back goes to the window that was charged, and that of the request may be another by now. */
  #reserve(reservation: Reservation, tokens: number, isFirst: boolean): void | Promise<void> {
    const { rules, model, subject } = reservation;
    const { cost, gpuSeconds } = rules.priced ? this.#pricing.charges(model, 0, tokens) : free;
    const more = withCharges(noCost, { inputTokens: 0, outputTokens: tokens, cost, gpuSeconds });
    const answer = this.#store.reserve(rules.atOnce, subject, more);
    const told = (known: Receipt | Shortfall): void | Promise<void> => {
      if (known.admitted) this.#holds(reservation, known, more);
      else if (isFirst) return this.#less(reservation, tokens, known);
      return undefined;
    };
    // Where the store cannot say, nothing is covered, and the cap is what was expected.
    return answer instanceof Promise ? answer.then(told, () => {}) : told(answer);
  }

  /** Half of what there is, so that others who come while it runs find something too. */
  #less(reservation: Reservation, tokens: number, { states }: Shortfall): void | Promise<void> {
    const half = (known: readonly LimitState[]): void | Promise<void> => {
      const less = Math.floor(Math.min(tokens - 1, this.#room(reservation, known) / 2));
      return less > 0 ? this.#reserve(reservation, less, false) : undefined;
    };
    if (states !== undefined) return half(states);
    const peeked = this.#store.peek(reservation.rules.atOnce, reservation.subject);
    return peeked instanceof Promise ? peeked.then(half, () => {}) : half(peeked);
  }

  #room({ model }: Reservation, states: readonly LimitState[]): number {
    const chargesOf = (input: number, output: number): Charges => this.#pricing.charges(model, input, output);
    return outputRoom(states, ({ remaining }) => remaining, 0, chargesOf);
  }

  #holds(reservation: Reservation, receipt: Receipt, cost: Cost): void {
    if (reservation.isOver) {
      void this.#store.cancel(receipt);
      return;
    }
    reservation.cover = { receipt, cost };
    this.#add(reservation, reservation.cover, 1);
  }

  /** The answer is over: what it was covered with comes back. */
  over(reservation: Reservation): void {
    const { cover } = reservation;
    reservation.isOver = true;
    if (cover === undefined) return;
    reservation.cover = undefined;
    const isBack = (): void => this.#add(reservation, cover, -1);
    const written = this.#store.cancel(cover.receipt);
    // Until it is written, whoever asks the store finds it charged.
    if (written instanceof Promise) void written.then(isBack, isBack);
    else isBack();
  }

  #add({ rules, subject }: Reservation, { receipt, cost }: Cover, sign: 1 | -1): void {
    for (const { name, per, measure } of rules.atOnce.limits) {
      const units = amountOf(measure, cost);
      // A dry run that had no room for it has not counted it.
      if (units === 0 || receipt.shadowed.some(({ limit }) => limit.name === name)) continue;
      const key = keyOf(name, per, subject);
      const held = this.#held.get(key) ?? { units: 0, answers: 0 };
      held.units += sign * units;
      held.answers += sign;
      if (held.answers > 0) this.#held.set(key, held);
      else this.#held.delete(key);
    }
  }

  /** Of what a limit counts, in its own unit, what answers of this process are only covered with. */
  held({ name, per }: Pick<Limit, 'name' | 'per'>, subject: Subject): number {
    return this.#held.size === 0 ? 0 : (this.#held.get(keyOf(name, per, subject))?.units ?? 0);
  }
}

function keyOf(name: string, per: Limit['per'], subject: Subject): string {
  return `${name} ${subjectKey(per, subject)}`;
}

/**
 * What is to be charged in all for the output of an answer in one piece: what was declared where the limits could ever hold it, else
 * a part of them.
 * @param room what the limits could ever hold; Infinity where none counts output, and nothing has to be covered
 */
export function coverOf(outputTokensMax: number, room: number): number {
  if (room === Number.POSITIVE_INFINITY) return 0;
  return outputTokensMax <= room ? outputTokensMax : Math.min(capAddedMax, Math.floor(room * shareUncapped));
}
