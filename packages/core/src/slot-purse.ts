/**
 * Slots of a shared store that are waited for. The store is asked behind the scenes, since a waiter is let through in one go
 * or not at all; a slot that comes is held here for a moment, and whoever waits for it here is told.
 *
 *   take: nothing held --ask--> refused --pause--> told again (and asked again, if somebody still waits)
 *                         \---> held ----> told --take--> out --give--> held, for who waits here, or given back
 *                                 \--nobody took it for a moment--> given back
 *
 * Processes that wait for the same slots ask again every so often, each in its own time. A process may hand a slot from one
 * of its own to the next only for so long; then it goes back, and all ask for it alike.
 */
import type { Clock, Timer } from './kernel/clock.js';
import type { Random } from './kernel/random.js';
import { oneRequest } from './reservation.js';
import type { LimitSet, Receipt, Store, Subject } from './store/store.js';
import { subjectKey } from './store/subject.js';

/** How long a slot that nobody uses is held, ms. */
const idleMs = 250;
/** Between two questions for slots that were not to be had, ms: this much, and up to twice as much. */
const askEveryMs = 25;
/** How long a process hands a slot on among its own, ms. */
const tenureMs = 1_000;

interface Slots {
  readonly set: LimitSet;
  readonly subject: Subject;
  readonly held: Receipt[];
  isAsking: boolean;
  pause: Timer | undefined;
  idle: Timer | undefined;
}

export interface SlotPurseOptions {
  readonly store: Store;
  readonly clock: Clock;
  readonly random: Random;
  /** Told when slots may be had that were not there before. */
  readonly onArrived: () => void;
}

export class SlotPurse {
  readonly #options: SlotPurseOptions;
  readonly #sets = new Map<LimitSet, Map<string, Slots>>();
  #isClosed = false;
  /** Slots that this process has: whose they are, and since when. */
  readonly #taken = new WeakMap<
    Receipt,
    { readonly set: LimitSet; readonly subject: Subject; readonly since: number }
  >();

  constructor(options: SlotPurseOptions) {
    this.#options = options;
  }

  /** Slots of all limits of the set, if they are held here; if not, they are asked for. */
  take(set: LimitSet, subject: Subject): Receipt | undefined {
    const slots = this.#slotsOf(set, subject);
    const receipt = slots.held.pop();
    if (receipt === undefined && !slots.isAsking && slots.pause === undefined) void this.#ask(slots);
    return receipt;
  }

  /** Asks for one more, and waits for the answer, but not for a slot. Rejects when the store is down. */
  async fetch(set: LimitSet, subject: Subject): Promise<Receipt | undefined> {
    const answer = await this.#options.store.reserve(set, subject, oneRequest);
    if (!answer.admitted) return undefined;
    this.#taken.set(answer, { set, subject, since: this.#options.clock.now() });
    return answer;
  }

  /** Holds what was fetched until it is taken. */
  keep(receipt: Receipt): void {
    const { set, subject } = this.#taken.get(receipt)!;
    this.#hold(this.#slotsOf(set, subject), receipt);
  }

  #slotsOf(set: LimitSet, subject: Subject): Slots {
    let bySubject = this.#sets.get(set);
    if (bySubject === undefined) {
      bySubject = new Map();
      this.#sets.set(set, bySubject);
    }
    const key = JSON.stringify(set.limits.map(({ per }) => subjectKey(per, subject)));
    let slots = bySubject.get(key);
    if (slots === undefined) {
      slots = { set, subject, held: [], isAsking: false, pause: undefined, idle: undefined };
      bySubject.set(key, slots);
    }
    return slots;
  }

  async #ask(slots: Slots): Promise<void> {
    const { store, clock, onArrived } = this.#options;
    slots.isAsking = true;
    const answer = await Promise.resolve(store.reserve(slots.set, slots.subject, oneRequest)).catch(() => undefined);
    slots.isAsking = false;
    if (answer?.admitted !== true) {
      this.#pause(slots);
      return;
    }
    this.#taken.set(answer, { set: slots.set, subject: slots.subject, since: clock.now() });
    this.#hold(slots, answer);
    onArrived();
  }

  /** Nobody asks for a while; then whoever still waits does. */
  #pause(slots: Slots): void {
    const { clock, random, onArrived } = this.#options;
    slots.pause ??= clock.after(askEveryMs * (1 + random()), () => {
      slots.pause = undefined;
      onArrived();
      this.#forget(slots);
    });
  }

  #hold(slots: Slots, receipt: Receipt): void {
    if (this.#isClosed) {
      void this.#options.store.cancel(receipt);
      return;
    }
    slots.held.push(receipt);
    slots.idle ??= this.#options.clock.after(idleMs, () => {
      slots.idle = undefined;
      for (const unused of slots.held.splice(0)) void this.#options.store.cancel(unused);
      this.#forget(slots);
    });
  }

  /** @param isWanted whether somebody here waits for slots */
  give(receipt: Receipt, isWanted: boolean): void {
    const { store, clock } = this.#options;
    const { set, subject, since } = this.#taken.get(receipt)!;
    if (!isWanted) void store.cancel(receipt);
    else if (clock.now() - since < tenureMs) this.#hold(this.#slotsOf(set, subject), receipt);
    else {
      void store.cancel(receipt);
      // Who waits elsewhere asks first.
      this.#pause(this.#slotsOf(set, subject));
    }
  }

  /** A slot that is another's now is not handed on. */
  lose(receipt: Receipt): void {
    const taken = this.#taken.get(receipt);
    const held = taken === undefined ? [] : this.#slotsOf(taken.set, taken.subject).held;
    const at = held.indexOf(receipt);
    if (at < 0) return;
    held.splice(at, 1);
    void this.#options.store.cancel(receipt);
  }

  /** Gives back what nobody here will take any more. */
  close(): void {
    this.#isClosed = true;
    for (const bySubject of this.#sets.values()) {
      for (const { held, idle, pause } of bySubject.values()) {
        idle?.cancel();
        pause?.cancel();
        for (const unused of held.splice(0)) void this.#options.store.cancel(unused);
      }
    }
    this.#sets.clear();
  }

  /** Keeps nothing of subjects that nobody asks about. */
  #forget(slots: Slots): void {
    const { set, subject, held, isAsking, pause, idle } = slots;
    if (held.length > 0 || isAsking || pause !== undefined || idle !== undefined) return;
    const bySubject = this.#sets.get(set);
    const key = JSON.stringify(set.limits.map(({ per }) => subjectKey(per, subject)));
    if (bySubject?.get(key) !== slots) return;
    bySubject.delete(key);
    if (bySubject.size === 0) this.#sets.delete(set);
  }
}
