/**
 * A shared store for tests: counters in memory, asked from afar. Several processes may have one each on the same counters; each
 * can be cut off, slow, or told nothing of what it did.
 */
import type { Clock } from '../../src/kernel/clock.js';
import { HeadgateError } from '../../src/kernel/errors.js';
import type { Limit, LimitState } from '../../src/model.js';
import { MemoryStore } from '../../src/store/memory.js';
import type { Cost, LimitSet, Receipt, Shortfall, Store, Subject } from '../../src/store/store.js';
import type { Shelf } from './shelf.js';

export type Weather = 'well' | 'gone' | 'silent' | 'replies lost';

export class LaterStore implements Store {
  readonly sync = false;
  readonly counters: MemoryStore;
  readonly #clock: Clock;
  weather: Weather = 'well';
  /** Subjects whose counters are on a server that is gone, by name of the place. */
  readonly placesGone = new Set<string>();
  /** Whether it answers questions, and takes no charges. */
  isFull = false;
  /** Until an answer is here, ms; half of it until the store does what it is asked. */
  latencyMs = 0;
  closed = false;
  /** Whether endings are on their way for longer than questions, as those of a journal. */
  endingsLater = false;
  peers: { count: number; rank: number } = { count: 1, rank: 0 };
  /** What was asked, in words. */
  readonly asked: string[] = [];
  #lost: (receipt: Receipt) => void = () => {};
  readonly #waiting: (() => void)[] = [];

  readonly exchange?: NonNullable<Store['exchange']>;

  /** @param shelf of what its processes tell each other; they tell nothing where there is none */
  constructor(clock: Clock, counters = new MemoryStore(clock), shelf?: Shelf) {
    this.#clock = clock;
    this.counters = counters;
    if (shelf === undefined) return;
    this.exchange = (news, after) => this.#later('exchange', () => shelf.exchange(news, after));
  }

  /** The weather is good again: what was kept waiting happens now. */
  recover(): void {
    this.weather = 'well';
    for (const go of this.#waiting.splice(0)) go();
  }

  /** The place of an identity is its first letter. */
  placeOf(_set: LimitSet, { identity }: Subject): string {
    return identity[0] ?? '';
  }

  probe(_set: LimitSet, { identity }: Subject): Promise<void> {
    return this.#later(`probe ${identity}`, () => {}, identity, true);
  }

  #later<T>(what: string, work: () => T, identity = '', writes = false): Promise<T> {
    this.asked.push(what);
    const isGone = this.weather === 'gone' || this.placesGone.has(identity[0] ?? '') || (writes && this.isFull);
    if (isGone) return Promise.reject(new HeadgateError('HG_STORE_DOWN', 'gone'));
    const halfMs = this.latencyMs / 2;
    return new Promise((resolve, reject) => {
      const arrive = (): void => {
        const value = work();
        if (this.weather === 'replies lost') reject(new Error('the connection was closed'));
        else if (halfMs === 0) resolve(value);
        else this.#clock.after(halfMs, () => resolve(value));
      };
      if (this.weather === 'silent') this.#waiting.push(arrive);
      else if (halfMs === 0) arrive();
      else this.#clock.after(halfMs, arrive);
    });
  }

  configure(limits: readonly Limit[], options: { readonly timeZone: string; readonly keysMax: number }): void {
    // The processes have one policy: the counters are told of it once.
    const words = JSON.stringify(limits);
    if (configured.get(this.counters) === words) return;
    configured.set(this.counters, words);
    this.counters.configure(limits, options);
  }

  prepare(limits: readonly Limit[]): LimitSet {
    return this.counters.prepare(limits);
  }

  reserve(set: LimitSet, subject: Subject, cost: Cost): Promise<Receipt | Shortfall> {
    const decide = (): Receipt | Shortfall => {
      const answer = this.counters.reserve(set, subject, cost);
      return Object.assign(answer, { states: this.counters.peek(set, subject) });
    };
    return this.#later('reserve', decide, subject.identity, true);
  }

  adopt(set: LimitSet, subject: Subject, cost: Cost): Promise<Receipt> {
    return this.#later('adopt', () => this.counters.charge(set, subject, cost), subject.identity, true);
  }

  record(set: LimitSet, subject: Subject, cost: Cost): void {
    this.asked.push('record');
    const write = (): void => {
      this.counters.settle(this.counters.charge(set, subject, cost), cost);
    };
    if (this.weather === 'well') write();
    else this.#waiting.push(write);
  }

  debit(receipt: Receipt, more: Cost): Promise<boolean> {
    return this.#later('debit', () => this.counters.debit(receipt, more));
  }

  settle(receipt: Receipt, actual: Cost): Promise<boolean> {
    this.asked.push('settle');
    if (this.closed) return Promise.resolve(false);
    return new Promise((resolve) => {
      const write = (): void => resolve(this.counters.settle(receipt, actual));
      this.#end(write);
    });
  }

  cancel(receipt: Receipt): Promise<boolean> {
    this.asked.push('cancel');
    if (this.closed) return Promise.resolve(false);
    return new Promise((resolve) => {
      const write = (): void => resolve(this.counters.cancel(receipt));
      this.#end(write);
    });
  }

  #end(write: () => void): void {
    if (this.weather !== 'well') this.#waiting.push(write);
    else if (this.endingsLater) queueMicrotask(() => queueMicrotask(write));
    else write();
  }

  /** What is told from now on is lost. */
  async close(): Promise<void> {
    this.closed = true;
  }

  peek(set: LimitSet, subject: Subject): Promise<LimitState[]> {
    return this.#later('peek', () => this.counters.peek(set, subject), subject.identity);
  }

  stats(): { keys: number; open: number } {
    return this.counters.stats();
  }

  onLost(listener: (receipt: Receipt) => void): void {
    this.#lost = listener;
  }

  /** Its slots are another's now. */
  lose(receipt: Receipt): void {
    this.#lost(receipt);
  }
}

const configured = new WeakMap<MemoryStore, string>();
