/**
 * Where counters live. The port that the memory store and every shared store implement.
 *
 * Contract
 *  S1. `reserve` decides over all limits of the set in one step: it charges every one of them, or none and writes nothing.
 *  S2. A missing counter is a fresh one: full bucket, empty window, no slot held.
 *  S3. Instants come from the store's own clock. A clock that steps grants nothing.
 *  S4. A receipt names the window that was charged. A refund goes there or nowhere; a surcharge goes to the current one.
 *  S5. `settle` and `cancel` end a receipt; a second ending changes nothing and returns false. Slots are given back once,
 *      and by what took some: a cost of no requests takes none.
 *  S6. Limits in shadow mode are decided and charged like the others, and never decide the outcome.
 *  S7. Counters are bounded in number. A counter over its limit, or holding a slot, is never given up for a newcomer.
 *  S8. An answer is a value or a promise of one; a synchronous store (`sync`) always answers with the value.
 *  S9. A shared store holds slots for as long as it hears of this process. Slots that went to others meanwhile are told through
 *      `onLost`; the receipt is charged all the same, and still has to be ended.
 *  S10. Limits may be configured anew while sets and receipts are out. A counter survives by the name of its limit while it
 *       counts the same measure by the same algorithm and period, for the same scope and tier: what was used stays used,
 *       whatever the amount is now. Where one of these changed, a store goes on with what is in use, or begins anew. A set
 *       from before may still be asked, and a receipt from before ends where it was charged.
 *  S11. A store that answers with promises says with each decision where the limits of the set stood right after it (`states`).
 *  S12. A promise that is rejected with `HG_STORE_DOWN` says that nothing was charged; with anything else, that it may have been.
 *  S13. What was let through while a shared store could not be asked is told to it afterwards: `adopt` charges a request that
 *      still runs, `record` one that has ended. Neither asks; `record` never fails, and counts once.
 *  S14. A store of several servers says where the counters of a decision live (`placeOf`): one may be gone while the others
 *       are well. `probe` rejects unless charges are taken there, and charges nothing.
 *  S15. A store may pass on between processes what answers taught them (`exchange`). To what it keeps under a name it puts the bytes
 *       told, once or not at all, and of all of them keeps the last `bytesMax`; what they mean is not its business. It answers with
 *       what changed after the mark of an earlier answer, in the order of changes, by the piece, with what was told in it. Names
 *       are bounded: those told longest ago go first. No decision waits for it, and S12 holds for what it rejects with.
 */
import type { Limit, LimitState } from '../model.js';

/** Units by measure; `requests` is also what slots count. Dollars and seconds may be fractions. */
export interface Cost {
  readonly requests: number;
  readonly inputTokens: number;
  readonly outputTokens: number;
  readonly cost: number;
  readonly gpuSeconds: number;
  readonly failures: number;
  readonly toolCalls: number;
}

/** Whose counters: the value of each scope. Absent ones are the empty string. */
export interface Subject {
  readonly identity: string;
  readonly address: string;
  readonly model: string;
  readonly tier: string;
  readonly run: string;
}

/** Limits that are decided together. Made by `store.prepare`, once per combination, and reused. */
export interface LimitSet {
  readonly limits: readonly Limit[];
}

/** What was charged where, to settle or take back later. Opaque to all but the store that made it. */
export interface Receipt {
  readonly set: LimitSet;
  readonly admitted: true;
  /** Shadow limits that would have refused. */
  readonly shadowed: readonly Shortfall[];
  /** Time to wait before going on, for limits that delay, ms. */
  readonly delayMs: number;
  /** Where the limits stood right after the charge (S11). */
  readonly states?: readonly LimitState[];
}

/** Why a set did not admit. */
export interface Shortfall {
  readonly admitted: false;
  /** The limit that takes longest to admit again. */
  readonly limit: Limit;
  /** Time until all limits of the set admit, ms; Infinity when this cost never fits; NaN when only a slot's release can tell. */
  readonly retryAfterMs: number;
  /** Where the limits stood when it was refused (S11). */
  readonly states?: readonly LimitState[];
}

export type Answer<T> = T | Promise<T>;

/** Bytes kept under a name, for all processes. */
export interface LessonBytes {
  readonly name: string;
  readonly bytes: Uint8Array;
}

/** More of them, to be put behind those that are kept. */
export interface LessonNews extends LessonBytes {
  /** How many of the last are kept in all. */
  readonly bytesMax: number;
}

export interface LessonChanges {
  readonly lessons: readonly LessonBytes[];
  /** For the next question: what changed before it was answered now. */
  readonly mark: number;
  /** Whether there were changes that had no room in this answer. */
  readonly more: boolean;
}

export interface Store {
  /** Whether every answer comes without a promise. */
  readonly sync: boolean;
  /** Told before anything else which limits there are, and again whenever the policy changes. */
  configure(limits: readonly Limit[], options: { readonly timeZone: string; readonly keysMax: number }): void;
  /** @param limits some of those configured */
  prepare(limits: readonly Limit[]): LimitSet;
  reserve(set: LimitSet, subject: Subject, cost: Cost): Answer<Receipt | Shortfall>;
  /** Charges more on an open receipt, as output streams. False, with nothing charged, when an enforced limit has no room for it. */
  debit(receipt: Receipt, more: Cost): Answer<boolean>;
  /** Ends a receipt with what it really cost; gives its slots back. False when it had ended before. */
  settle(receipt: Receipt, actual: Cost): Answer<boolean>;
  /** Ends a receipt as if it had never been. */
  cancel(receipt: Receipt): Answer<boolean>;
  /** Where the limits stand, changing nothing. */
  peek(set: LimitSet, subject: Subject): Answer<LimitState[]>;
  stats(): { readonly keys: number; readonly open: number };
  /** Processes that share the counters, this one included, as far as is known; and which of them this one is, from 0. */
  readonly peers?: { readonly count: number; readonly rank: number };
  /** Tells of each receipt whose slots are another's now: its work has to end. For stores that can lose some. */
  onLost?(listener: (receipt: Receipt) => void): void;
  adopt?(set: LimitSet, subject: Subject, cost: Cost): Promise<Receipt>;
  record?(set: LimitSet, subject: Subject, cost: Cost): void;
  placeOf?(set: LimitSet, subject: Subject): string;
  probe?(set: LimitSet, subject: Subject): Promise<void>;
  /** @param after the mark of the last answer; 0 for all there is */
  exchange?(news: readonly LessonNews[], after: number): Promise<LessonChanges>;
  /** Writes what waits to be written, and lets go of what the store keeps open. */
  close?(): Promise<void>;
}
