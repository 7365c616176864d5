/**
 * Stands before a shared store, so that no request waits for it longer than a deadline, and none hangs or fails because it is
 * gone. What holds instead is the policy's `onDown`:
 *
 *   open         everything is let through
 *   closed       everything is refused: `reserve` rejects with `HG_STORE_DOWN`
 *   local-share  each process lets through its share of every limit, counted here
 *
 * Whatever was let through without the store is told to it when it is back: what still runs is adopted, what has ended is
 * recorded. A decision that comes too late to be waited for is not lost: its charge becomes that of the request that went on
 * without it, or is taken back when that was refused.
 */
import type { Clock } from '../kernel/clock.js';
import { HeadgateError } from '../kernel/errors.js';
import { type Random, systemRandom } from '../kernel/random.js';
import type { Limit, LimitState } from '../model.js';
import { Circuits, type PlaceCircuit } from './circuits.js';
import { beyond, noCost, sum } from './cost.js';
import { GuardedReceipt } from './guarded-receipt.js';
import { LocalShare, type Peers } from './local-share.js';
import { type OnAsked, Patience } from './patience.js';
import type { Answer, Cost, LimitSet, Receipt, Shortfall, Store, Subject } from './store.js';

export type OnDown = 'open' | 'closed' | 'local-share';

export interface GuardOptions {
  readonly clock: Clock;
  readonly random?: Random;
  readonly onDown: OnDown;
  /** Longest wait for an answer of the store, ms. Default 50. */
  readonly deadlineMs?: number;
  /** Told when decisions begin to be made without the store, and why, and when they no longer are. */
  readonly onChange?: (isDown: boolean, cause?: unknown) => void;
  /** Told of every question to the store that a request waits for. */
  readonly onAsked?: OnAsked;
}

const alone: Peers = { count: 1, rank: 0 };

export class GuardedStore implements Store {
  readonly sync = false;
  readonly #store: Store;
  readonly #onDown: OnDown;
  readonly #patience: Patience;
  readonly #circuits: Circuits;
  readonly #share: LocalShare | undefined;
  /** Let through without the store, and still running. */
  readonly #alone = new Set<GuardedReceipt>();
  readonly #guarded = new WeakMap<Receipt, GuardedReceipt>();
  #open = 0;
  #lost: (receipt: Receipt) => void = () => {};
  /** Nobody waits for it, so it is not guarded. */
  readonly exchange?: NonNullable<Store['exchange']>;

  constructor(store: Store, options: GuardOptions) {
    const { clock, random = systemRandom, onDown, deadlineMs = 50, onChange = () => {}, onAsked = () => {} } = options;
    this.#store = store;
    this.#onDown = onDown;
    this.#patience = new Patience(clock, deadlineMs, onAsked);
    this.#share = onDown === 'local-share' ? new LocalShare(clock) : undefined;
    this.#circuits = new Circuits({
      store,
      clock,
      random,
      patience: this.#patience,
      onChange,
      onBack: () => this.#tellWhatRuns(),
    });
    if (store.exchange !== undefined) this.exchange = store.exchange.bind(store);
    store.onLost?.((shared) => this.#lost(this.#guarded.get(shared) ?? shared));
  }

  get peers(): Peers {
    return this.#store.peers ?? alone;
  }

  onLost(listener: (receipt: Receipt) => void): void {
    this.#lost = listener;
  }

  configure(limits: readonly Limit[], options: { readonly timeZone: string; readonly keysMax: number }): void {
    this.#store.configure(limits, options);
    this.#share?.configure(limits, options.timeZone, options.keysMax);
  }

  prepare(limits: readonly Limit[]): LimitSet {
    return this.#store.prepare(limits);
  }

  async reserve(set: LimitSet, subject: Subject, cost: Cost): Promise<Receipt | Shortfall> {
    const circuit = this.#circuits.of(set, subject);
    if (circuit.isOpen) return this.#decideAlone(set, subject, cost) ?? Promise.reject(down());
    circuit.last = [set, subject];
    const asked = this.#store.reserve(set, subject, cost);
    // Decided without asking anybody: there is nothing to wait for, nor anything learnt of whether the store is there.
    if (!(asked instanceof Promise)) return asked.admitted ? this.#letThrough(asked, subject, cost) : asked;
    try {
      const answer = await this.#patience.wait(asked, circuit);
      return answer.admitted ? this.#letThrough(answer, subject, cost) : answer;
    } catch (error) {
      failed(circuit, error);
      const alone = this.#decideAlone(set, subject, cost);
      this.#await(alone?.admitted === true ? alone : undefined, asked, cost);
      return alone ?? Promise.reject(down());
    }
  }

  /** The store let it through. */
  #letThrough(shared: Receipt, subject: Subject, cost: Cost): GuardedReceipt {
    const local = this.#share?.charge(shared.set, subject, cost);
    const receipt = new GuardedReceipt(shared.set, subject, cost, local, shared);
    this.#joins(receipt, shared);
    this.#open++;
    return receipt;
  }

  #joins(receipt: GuardedReceipt, shared: Receipt): void {
    receipt.standing = 'shared';
    receipt.shared = shared;
    this.#guarded.set(shared, receipt);
    this.#alone.delete(receipt);
  }

  /** As large as it is for the processes that there are. */
  #ownShare(): LocalShare | undefined {
    this.#share?.follow(this.peers);
    return this.#share;
  }

  /** Undefined: nothing is let through, because the policy says so, or because the share is too small for what the limit has room for. */
  #decideAlone(set: LimitSet, subject: Subject, cost: Cost): GuardedReceipt | Shortfall | undefined {
    if (this.#onDown === 'closed') return undefined;
    const local = this.#ownShare()?.reserve(set, subject, cost);
    if (this.#share !== undefined && local === undefined) return undefined;
    if (local?.admitted === false) return local;
    const receipt = new GuardedReceipt(set, subject, cost, local, local);
    receipt.states = this.#share?.peek(set, subject) ?? [];
    this.#alone.add(receipt);
    this.#open++;
    return receipt;
  }

  /**
   * An answer that nobody waits for.
   * @param receipt of the request that went on meanwhile; undefined when it was refused
   * @param cost what was asked for
   */
  #await(receipt: GuardedReceipt | undefined, asked: Promise<Receipt | Shortfall>, cost: Cost): void {
    if (receipt !== undefined) receipt.standing = 'awaited';
    asked.then(
      (answer) => {
        if (!answer.admitted) this.#isAlone(receipt);
        else if (receipt === undefined) void this.#store.cancel(answer);
        else if (receipt.actual !== undefined) void this.#store.settle(answer, receipt.actual);
        else this.#joins(receipt, answer);
      },
      (error: unknown) => {
        if (isDown(error)) this.#isAlone(receipt);
        else if (receipt !== undefined) this.#isUnknown(receipt, cost);
      },
    );
  }

  /** The store knows nothing of it. */
  #isAlone(receipt: GuardedReceipt | undefined): void {
    if (receipt === undefined) return;
    receipt.standing = 'alone';
    if (receipt.actual !== undefined) this.#record(receipt, receipt.actual);
  }

  /** It is taken to have been charged: only what it uses beyond is. */
  #isUnknown(receipt: GuardedReceipt, cost: Cost): void {
    receipt.standing = 'unknown';
    receipt.assumed = cost;
    this.#alone.delete(receipt);
    if (receipt.actual !== undefined) this.#record(receipt, beyond(receipt.actual, cost));
  }

  #record({ set, subject }: GuardedReceipt, actual: Cost): void {
    if (actual !== noCost) this.#store.record?.(set, subject, actual);
  }

  /** A place of the store is back: what still runs is charged there, slots included. */
  #tellWhatRuns(): void {
    const { adopt } = this.#store;
    if (adopt === undefined) return;
    for (const receipt of this.#alone) {
      const { set, subject, charged } = receipt;
      if (receipt.standing !== 'alone' || this.#circuits.of(set, subject).isOpen) continue;
      this.#await(receipt, adopt.call(this.#store, set, subject, charged), charged);
    }
  }

  async debit(open: Receipt, more: Cost): Promise<boolean> {
    const receipt = open as GuardedReceipt;
    const { local, shared } = receipt;
    if (receipt.actual !== undefined) return false;
    const circuit = this.#circuits.of(receipt.set, receipt.subject);
    if (shared !== undefined && !circuit.isOpen) {
      try {
        return this.#debited(receipt, more, await this.#patience.wait(this.#store.debit(shared, more), circuit));
      } catch (error) {
        failed(circuit, error);
      }
    }
    // What runs goes on where nothing here counts it; it is charged when it ends.
    return this.#debited(receipt, more, local === undefined || this.#ownShare()!.debit(local, more));
  }

  #debited(receipt: GuardedReceipt, more: Cost, isCharged: boolean): boolean {
    if (isCharged) receipt.charged = sum(receipt.charged, more);
    return isCharged;
  }

  settle(open: Receipt, actual: Cost): Answer<boolean> {
    const receipt = open as GuardedReceipt;
    if (receipt.actual !== undefined) return false;
    receipt.actual = actual;
    this.#open--;
    this.#alone.delete(receipt);
    const { local, shared, standing } = receipt;
    if (local !== undefined) this.#share!.settle(local, actual);
    if (standing === 'alone') this.#record(receipt, actual);
    if (standing === 'unknown') this.#record(receipt, beyond(actual, receipt.assumed));
    if (shared === undefined) return true;
    const written = this.#store.settle(shared, actual);
    const circuit = this.#circuits.of(receipt.set, receipt.subject);
    // It is settled; when that is written is the store's business.
    if (circuit.isOpen || !(written instanceof Promise)) return true;
    return this.#patience.wait(written, circuit).catch(() => true);
  }

  cancel(receipt: Receipt): Answer<boolean> {
    return this.settle(receipt, noCost);
  }

  async peek(set: LimitSet, subject: Subject): Promise<LimitState[]> {
    const circuit = this.#circuits.of(set, subject);
    if (!circuit.isOpen) {
      circuit.last = [set, subject];
      try {
        return await this.#patience.wait(this.#store.peek(set, subject), circuit);
      } catch (error) {
        failed(circuit, error);
      }
    }
    return this.#ownShare()?.peek(set, subject) ?? [];
  }

  stats(): { readonly keys: number; readonly open: number } {
    return { keys: this.#store.stats().keys, open: this.#open };
  }

  async close(): Promise<void> {
    this.#circuits.close();
    await this.#store.close?.();
  }
}

function failed(circuit: PlaceCircuit, error: unknown): void {
  // One counter that cannot be read says nothing about the store.
  if (codeOf(error) !== 'HG_STORE_DATA') circuit.failed(error, isDown(error));
}

function down(): HeadgateError {
  return new HeadgateError(
    'HG_STORE_DOWN',
    'the shared store does not answer, and the policy lets nothing through without it',
  );
}

/** The store says that it charged nothing. */
function isDown(error: unknown): boolean {
  return codeOf(error) === 'HG_STORE_DOWN';
}

function codeOf(error: unknown): string | undefined {
  return error instanceof HeadgateError ? error.code : undefined;
}
