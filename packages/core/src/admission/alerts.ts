/**
 * Tells when a limit has the share of its amount in use at which its policy asks to be told: after each charge and each
 * settlement, once per window and counter, however many requests pass meanwhile.
 */
import { LRUCache } from 'lru-cache';
import type { LimiterEvents } from '../events.js';
import type { Clock } from '../kernel/clock.js';
import type { Events } from '../kernel/events.js';
import type { Limit, LimitState } from '../model.js';
import type { Reservation, Rules } from '../reservation.js';
import type { Store } from '../store/store.js';
import { subjectKey } from '../store/subject.js';
import type { Covers } from './cover.js';

/** Counters remembered as told; past this the oldest may be told a second time. */
const toldMax = 10_000;
/** Slots have no window: a limit on them is told again after this long at the soonest, ms. */
const slotsWindowMs = 60_000;

/** What was charged, as far as alerts look at it. */
export interface ChargedOnLimits extends Pick<Reservation, 'subject' | 'about'> {
  readonly rules: Pick<Rules, 'alerted'>;
}

export class Alerts {
  readonly #covers: Covers;
  readonly #store: Store;
  readonly #clock: Clock;
  readonly #events: Events<LimiterEvents>;
  /** Until when a counter has been told of, on the clock, ms. */
  readonly #toldUntil = new LRUCache<string, number>({ max: toldMax });

  /** @param covers what was charged only to cover answers that run: nobody has used it */
  constructor(store: Store, clock: Clock, events: Events<LimiterEvents>, covers: Covers) {
    this.#covers = covers;
    this.#store = store;
    this.#clock = clock;
    this.#events = events;
  }

  /** Looks at a request that was just admitted. */
  admitted(reservation: Reservation): void {
    this.#checkContext(reservation);
    this.charged(reservation);
  }

  #checkContext(reservation: Reservation): void {
    const { rules, cost, contextTokens } = reservation;
    const { contextAlert } = rules.tier;
    if (contextAlert === undefined || contextTokens === undefined) return;
    const { inputTokens } = cost;
    const share = inputTokens / contextTokens;
    if (share < contextAlert) return;
    this.#events.emit('context-alert', { ...reservation.about, inputTokens, contextTokens, share });
  }

  /** Looks at the limits of a request that was just charged. */
  charged(reservation: ChargedOnLimits): void {
    const { alerted } = reservation.rules;
    if (alerted === undefined) return;
    const states = this.#store.peek(alerted, reservation.subject);
    if (!(states instanceof Promise)) this.#checkAll(reservation, states);
    // A store that cannot answer now has told whoever asks about the request itself.
    else
      states.then(
        (known) => this.#checkAll(reservation, known),
        () => {},
      );
  }

  #checkAll(reservation: ChargedOnLimits, states: readonly LimitState[]): void {
    for (const state of states) {
      const limit = reservation.rules.alerted!.limits.find(({ name }) => name === state.name)!;
      // The policy has changed meanwhile: the next request looks with the new limit.
      if (limit.amount !== state.limit) continue;
      // In this order one of ten is 0.1, and not a little less.
      const covered = this.#covers.held(limit, reservation.subject);
      const share = (limit.capacity - state.remaining - covered) / limit.capacity;
      if (share >= limit.alertAt! && this.#isFirst(limit, state, reservation)) {
        const subject = subjectKey(limit.per, reservation.subject);
        this.#events.emit('limit-alert', { ...reservation.about, limit: limit.name, subject, share, state });
      }
    }
  }

  #isFirst(limit: Limit, state: LimitState, { subject }: ChargedOnLimits): boolean {
    const key = `${limit.name} ${subjectKey(limit.per, subject)}`;
    const now = this.#clock.now();
    if (now < (this.#toldUntil.get(key) ?? Number.NEGATIVE_INFINITY)) return false;
    const windowMs = limit.algorithm === 'calendar' ? state.resetMs : limit.periodMs || slotsWindowMs;
    this.#toldUntil.set(key, now + windowMs);
    return true;
  }
}
