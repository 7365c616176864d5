/** The stage that charges: all limits of a request or none, more while its answer streams, and what it really was at the end. */
import type { Charged, LimitState, Refusal, Usage } from '../model.js';
import { overLimit, storeDown } from '../refusal.js';
import { oneRequest, type Reservation, type Rules } from '../reservation.js';
import { amountOf, fits } from '../store/columns.js';
import { noCost, withCharges } from '../store/cost.js';
import type { Cost, LimitSet, Receipt, Shortfall, Store, Subject } from '../store/store.js';
import type { Covers } from './cover.js';
import { type Charges, free, type Pricing } from './pricing.js';
import { capAddedMax, outputRoom } from './sizing.js';
import { StreamCharge } from './stream-charge.js';

/** Where the length of an answer is a guess, the least that is set aside for it when more is not to be had. */
const guessMin = 32;

export interface ReservesOptions {
  readonly store: Store;
  readonly pricing: Pricing;
  readonly covers: Covers;
  /** When the next of so many slots, all taken, is expected to be free, ms. */
  readonly slotMs: (slots: number) => number;
  readonly tellWouldRefuse: (reservation: Reservation, refusal: () => Refusal) => void;
  /** Where the store answers later: its slots of limits that queue, and whose they are. */
  readonly later?: LaterSlots | undefined;
  /** Whether what is set aside for the answer is a guess, which may turn out far too large. */
  readonly isGuess: (reservation: Reservation) => boolean;
}

export interface LaterSlots {
  takeLimits(set: LimitSet, subject: Subject): Receipt | undefined;
  giveLimits(receipt: Receipt): void;
  /** Notes whose slots they are. */
  holds(receipt: Receipt, reservation: Reservation): void;
}

const leftIn = ({ remaining }: LimitState): number => remaining;

export class Reserves {
  readonly #store: Store;
  readonly #pricing: Pricing;
  readonly #covers: Covers;
  readonly #slotMs: (slots: number) => number;
  readonly #tellWouldRefuse: ReservesOptions['tellWouldRefuse'];
  readonly #isGuess: ReservesOptions['isGuess'];
  readonly #later: LaterSlots | undefined;

  constructor(options: ReservesOptions) {
    this.#isGuess = options.isGuess;
    this.#store = options.store;
    this.#pricing = options.pricing;
    this.#covers = options.covers;
    this.#tellWouldRefuse = options.tellWouldRefuse;
    this.#slotMs = options.slotMs;
    this.#later = options.later;
  }

  /** Charges all limits that are decided at once, or none. */
  reserve(reservation: Reservation): Refusal | undefined | Promise<Refusal | undefined> {
    const answer = this.#store.reserve(reservation.rules.atOnce, reservation.subject, reservation.cost);
    if (!(answer instanceof Promise)) return this.#reservedOrLess(reservation, answer);
    return answer.then((known) => this.#reservedOrLess(reservation, known), storeDown);
  }

  /** The refusal for a limit that even untouched has no room for the request. */
  neverFits(reservation: Reservation): Refusal | undefined {
    const { rules, cost: whole, identity, model } = reservation;
    const { inputTokens, outputTokens } = whole;
    const least = this.#isGuess(reservation) ? Math.min(outputTokens, guessMin) : outputTokens;
    const { cost, gpuSeconds } = this.#pricing.charges(model, inputTokens, least);
    const needed = withCharges(whole, { inputTokens, outputTokens: least, cost, gpuSeconds });
    const limit = rules.atOnce.limits.find((one) => one.mode === 'enforce' && !fits(one, needed));
    if (limit === undefined) return undefined;
    return overLimit({ admitted: false, limit, retryAfterMs: Number.POSITIVE_INFINITY }, identity.id, this.#slotMs);
  }

  /** A guess gives way to what the limits still hold: it must not keep small limits from ever being used up. */
  #reservedOrLess(
    reservation: Reservation,
    answer: Receipt | Shortfall,
  ): Refusal | undefined | Promise<Refusal | undefined> {
    const { rules, subject, cost } = reservation;
    if (
      answer.admitted ||
      cost.outputTokens <= guessMin ||
      !this.#isGuess(reservation) ||
      this.#coversBackMs(reservation, answer) !== undefined
    )
      return this.#reserved(reservation, answer);
    reservation.cost = this.#lessOutput(reservation, answer);
    const again = this.#store.reserve(rules.atOnce, subject, reservation.cost);
    if (again instanceof Promise) return again.then((known) => this.#reserved(reservation, known), storeDown);
    return this.#reserved(reservation, again);
  }

  #lessOutput({ rules, subject, model, cost: reserved }: Reservation, { states: told }: Shortfall): Cost {
    const { inputTokens } = reserved;
    // Where nobody says what is left the least is asked: what is more is charged as it streams.
    const states = told ?? (this.#store.sync ? this.#statesNow(rules, subject) : undefined);
    const room = states === undefined ? 0 : outputRoom(states, leftIn, inputTokens, this.#chargesOf(model));
    const outputTokens = Math.min(reserved.outputTokens, Math.max(guessMin, room));
    const { cost, gpuSeconds } = this.#pricing.charges(model, inputTokens, outputTokens);
    return withCharges(reserved, { inputTokens, outputTokens, cost, gpuSeconds });
  }

  /** Of a synchronous store. */
  #statesNow({ atOnce }: Rules, subject: Subject): readonly LimitState[] {
    return this.#store.peek(atOnce, subject) as LimitState[];
  }

  #chargesOf(model: string): (inputTokens: number, outputTokens: number) => Charges {
    return (inputTokens, outputTokens) => this.#pricing.charges(model, inputTokens, outputTokens);
  }

  #reserved(reservation: Reservation, answer: Receipt | Shortfall): Refusal | undefined {
    reservation.states = answer.states;
    if (!answer.admitted) return this.#overLimit(reservation, answer);
    reservation.receipt = answer;
    this.#later?.holds(answer, reservation);
    for (const shortfall of answer.shadowed) {
      this.#tellWouldRefuse(reservation, () => overLimit(shortfall, reservation.identity.id, this.#slotMs));
    }
    return undefined;
  }

  #overLimit(reservation: Reservation, answer: Shortfall): Refusal {
    const soonMs = this.#coversBackMs(reservation, answer);
    const { id } = reservation.identity;
    if (soonMs === undefined) return overLimit(answer, id, this.#slotMs);
    const { limit, retryAfterMs } = answer;
    const soon = { admitted: false, limit, retryAfterMs: Math.min(retryAfterMs, soonMs) } as const;
    return overLimit(soon, id, this.#slotMs, false);
  }

  /**
   * When there may be room by what answers that run here are only covered with, ms: once these have ended, and once there is room
   * for a request where that is also missing. Undefined where covers are not in the way, or more than they is.
   */
  #coversBackMs({ rules, subject, cost }: Reservation, { limit, states: told }: Shortfall): number | undefined {
    if (this.#covers.held(limit, subject) === 0) return undefined;
    const states = told ?? (this.#store.sync ? this.#statesNow(rules, subject) : []);
    if (states.length === 0) return undefined;
    let soonMs = this.#slotMs(1);
    for (const { name, measure, mode, remaining, nextMs } of states) {
      const need = amountOf(measure, cost);
      if (mode === 'shadow' || remaining >= need) continue;
      const { per } = rules.atOnce.limits.find((one) => one.name === name)!;
      if (remaining + this.#covers.held({ name, per }, subject) >= need) continue;
      if (measure !== 'requests') return undefined;
      soonMs = Math.max(soonMs, nextMs);
    }
    return soonMs;
  }

  /** Takes the slots of limits that are waited for; true where there are none. */
  takeSlots(reservation: Reservation): boolean {
    const { queued } = reservation.rules;
    if (queued === undefined || reservation.queuedReceipt !== undefined) return true;
    const receipt = this.#slotsOf(queued, reservation.subject);
    if (receipt === undefined) return false;
    this.#later?.holds(receipt, reservation);
    reservation.queuedReceipt = receipt;
    return true;
  }

  #slotsOf(queued: LimitSet, subject: Subject): Receipt | undefined {
    if (this.#later !== undefined) return this.#later.takeLimits(queued, subject);
    const answer = this.#store.reserve(queued, subject, oneRequest) as Receipt | Shortfall;
    return answer.admitted ? answer : undefined;
  }

  /** Gives them back. */
  giveSlots(reservation: Reservation): void {
    const { queuedReceipt } = reservation;
    reservation.queuedReceipt = undefined;
    if (queuedReceipt === undefined) return;
    if (this.#later !== undefined) this.#later.giveLimits(queuedReceipt);
    else this.#store.cancel(queuedReceipt);
  }

  /** Charges output beyond what was reserved; false, and nothing charged, when a limit has no room for it. */
  debit(reservation: Reservation, outputTokens: number): boolean {
    const { receipt, rules, model } = reservation;
    if (receipt === undefined || !rules.measured) return true;
    const debit = (tokens: number) => {
      const { cost, gpuSeconds } = rules.priced ? this.#pricing.charges(model, 0, tokens) : free;
      return this.#store.debit(
        receipt,
        withCharges(noCost, { inputTokens: 0, outputTokens: tokens, cost, gpuSeconds }),
      );
    };
    if (this.#store.sync) return debit(outputTokens) as boolean;
    reservation.streamed ??= new StreamCharge(async (tokens) => debit(tokens));
    return reservation.streamed.use(outputTokens);
  }

  /** The cap to ask the backend for: the one declared, or what the enforced limits can still take, what is set aside included. */
  outputTokensMax(reservation: Reservation): number {
    const { receipt, rules, cost, model, outputTokensMax } = reservation;
    if (receipt === undefined || !rules.measured) return outputTokensMax;
    if (reservation.inOnePiece) {
      const charged = cost.outputTokens + (reservation.cover?.cost.outputTokens ?? 0);
      const isUncapped = outputTokensMax === Number.POSITIVE_INFINITY && charged >= capAddedMax;
      return isUncapped ? outputTokensMax : Math.min(outputTokensMax, charged);
    }
    const states = this.#statesOf(reservation, rules.atOnce);
    const room = cost.outputTokens + outputRoom(states, leftIn, 0, this.#chargesOf(model));
    if (outputTokensMax === Number.POSITIVE_INFINITY && room > capAddedMax) return outputTokensMax;
    return Math.min(outputTokensMax, room);
  }

  /** Corrects the charge to what was used, and returns it. */
  settle(reservation: Reservation, usage: Usage): Charged {
    const { receipt, rules, cost: reserved, model } = reservation;
    const { inputTokens = 0, outputTokens = 0 } = usage;
    const { cost, gpuSeconds } = this.#pricing.charges(model, inputTokens, outputTokens, usage.gpuSeconds);
    const charged = { inputTokens, outputTokens, cost, gpuSeconds };
    // What no limit counts is not told to the store: the request is what it was reserved as.
    if (receipt !== undefined) this.#store.settle(receipt, rules.measured ? withCharges(reserved, charged) : reserved);
    // In the order in which they were charged: a bucket gives back what is surely a charge's own, and what came back since may not be.
    this.#covers.over(reservation);
    this.#pricing.learn(model, usage);
    return charged;
  }

  /** Takes the charge back whole. */
  cancel(reservation: Reservation): void {
    if (reservation.receipt !== undefined) this.#store.cancel(reservation.receipt);
    this.#covers.over(reservation);
    reservation.receipt = undefined;
  }

  /** Where every limit of the request stands now; of a store that answers later, where it stood when it was decided. */
  limitsOf(reservation: Reservation): readonly LimitState[] {
    const { atOnce, queued } = reservation.rules;
    const states = this.#statesOf(reservation, atOnce);
    if (queued === undefined) return states;
    if (!this.#store.sync) return [...states, ...(reservation.queuedReceipt?.states ?? [])];
    return [...states, ...this.#statesOf(reservation, queued)];
  }

  #statesOf({ subject, states }: Reservation, set: LimitSet): readonly LimitState[] {
    return this.#store.sync ? (this.#store.peek(set, subject) as LimitState[]) : (states ?? []);
  }

  /** Where they stand now, whatever the store. */
  async peek({ rules, subject }: Reservation): Promise<readonly LimitState[]> {
    const sets = rules.queued === undefined ? [rules.atOnce] : [rules.atOnce, rules.queued];
    return (await Promise.all(sets.map((set) => this.#store.peek(set, subject)))).flat();
  }
}
