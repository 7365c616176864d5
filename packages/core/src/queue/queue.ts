/**
 * The bounded waiting room. Whoever finds no slot waits here and is handed the slot by whoever frees it: `dispatch` runs
 * inside the release, so a latecomer never finds the slot free (I6).
 *
 *            enter                    dispatch: grant() is true
 *   (new) ----------> waiting ------------------------------------> granted
 *                        |   deadline ....... evicted 'queue-timeout'
 *                        |   a full room .... evicted 'queue-full', when it holds more than its share and a newcomer less
 *                        |   evictAll ....... evicted, for the reason given
 *                        '-- leave .......... left (the client has gone; nobody is told)
 *
 * Waiters that need the same things form a line: if its head cannot go, nobody behind it can, so a dispatch looks at one
 * waiter per line and a busy model does not hold up another one; whoever would rather wait stands apart. Who is the head is decided by band and by what each
 * identity was served (order.ts, fairness.ts). Entering and letting through cost O(log n).
 */
import type { Clock } from '../kernel/clock.js';
import type { Identity, QueueStats } from '../model.js';
import type { Charge } from './charge.js';
import { Crowds } from './crowd.js';
import { Drain } from './drain.js';
import { Fairness, type Size } from './fairness.js';
import type { Entry } from './line.js';
import { Lines } from './lines.js';
import { Order } from './order.js';
import { isSameOrder, type QueueOptions, type QueueRules, rulesOf } from './rules.js';
import type { EvictionReason, Waiter } from './waiter.js';

export type { EvictionReason, Waiter } from './waiter.js';

export interface EnterOptions {
  /** The time left to wait, when some of it was spent before; default the queue's own. */
  readonly waitMs?: number;
  /** Put before those who were never let through. */
  readonly returned?: boolean;
}

/** Leaves the room without being told anything; false when the waiter was no longer in it. */
export type Leave = () => boolean;

/** What a newcomer would find. */
export interface Prospect {
  /** Its place among those who wait for the same things, from 1; an estimate where identities and priorities share. */
  readonly position: number;
  /** Mean time between two who are let through, ms; undefined where none was yet. */
  readonly intervalMs: number | undefined;
}

const anyone: Identity = { id: '', tier: '', weight: 1, priority: 'normal' };

export class WaitingRoom {
  readonly #clock: Clock;
  #rules: QueueRules;
  readonly #fairness: Fairness;
  readonly #lines: Lines;
  readonly #order: Order;
  readonly #crowds: Crowds;
  /** Of all lines together. */
  readonly #drain = new Drain();
  #sequence = 0;
  #size = 0;
  #dispatching = false;
  /** Rules to take up. */
  #next: QueueRules | undefined;
  #again = false;
  /** The one being asked: whatever its grant sets off, it neither leaves nor is evicted until it has answered. */
  #asked: Entry | undefined;

  constructor(clock: Clock, options: QueueOptions) {
    this.#clock = clock;
    this.#rules = rulesOf(options);
    this.#fairness = new Fairness(this.#rules);
    this.#order = new Order(this.#fairness.bands, this.#rules);
    this.#lines = new Lines(clock, this.#order);
    this.#crowds = new Crowds(this.#rules.priority);
  }

  get size(): number {
    return this.#size;
  }

  get full(): boolean {
    return this.#size >= this.#rules.depth;
  }

  /** Whether somebody already waits for the same things: then a newcomer must wait behind. */
  hasLine(line: string): boolean {
    return this.#lines.has(line);
  }

  /** Whether there is a place, free or held by an identity that holds more than its share while this one holds less. */
  hasPlaceFor(identity: Identity = anyone): boolean {
    return !this.full || this.#crowds.crowdedOutBy(this.#fairness.peek(identity)) !== undefined;
  }

  /** Takes up other rules. Who waits goes on waiting, in the order of the new ones and for as long as the old ones said. */
  configure(options: QueueOptions): void {
    // In the middle of a dispatch the order is being gone through: the rules change when that is done.
    this.#next = rulesOf(options);
    if (!this.#dispatching) this.#changeRules();
  }

  #changeRules(): void {
    if (this.#next === undefined) return;
    const rules = this.#next;
    this.#next = undefined;
    const waiting = isSameOrder(rules, this.#rules) ? [] : this.#inOrderOfArrival();
    for (const entry of waiting) this.#unlink(entry);
    this.#rules = this.#order.rules = rules;
    this.#fairness.configure(rules);
    this.#crowds.priority = rules.priority;
    for (const entry of waiting) this.#link(entry);
  }

  /** All but those who came back. */
  #inOrderOfArrival(): Entry[] {
    const bands = this.#lines.all().flatMap((line) => [...line.bands.values()]);
    return bands.flatMap(({ byAge }) => [...byAge]).sort((a, b) => a.sequence - b.sequence);
  }

  /** Counts a request for its identity that has been let through, whether or not it waited here. */
  begin(identity: Identity, size: Size): Charge {
    return this.#fairness.begin(identity, size);
  }

  /** Joins the line. The caller has checked `hasPlaceFor`, except for who comes back, for whom there is always one. */
  enter(waiter: Waiter, { waitMs = this.#rules.waitMs, returned = false }: EnterOptions = {}): Leave {
    const entry = returned ? this.#addReturned(waiter) : this.#add(waiter);
    if (this.#size++ === 0) this.#drain.begin(this.#clock.now());
    entry.timer = this.#clock.after(waitMs, () => this.#evict(entry, 'queue-timeout'));
    return () => this.#remove(entry);
  }

  #addReturned(waiter: Waiter): Entry {
    const entry = this.#entry(waiter);
    this.#lines.placeReturned(entry);
    return entry;
  }

  #add(waiter: Waiter): Entry {
    if (this.full) {
      const crowding = this.#crowds.crowdedOutBy(this.#fairness.counterOf(waiter.identity ?? anyone));
      if (crowding !== undefined) this.#evict(crowding, 'queue-full');
    }
    const entry = this.#entry(waiter);
    this.#link(entry);
    return entry;
  }

  #link(entry: Entry): void {
    const counter = this.#fairness.counterOf(entry.waiter.identity ?? anyone);
    this.#fairness.joined(counter, entry.line.bands.get(counter.band)?.first.counter.served);
    this.#lines.place(entry, counter);
    this.#crowds.add(entry, counter);
  }

  #entry(waiter: Waiter): Entry {
    const line = this.#lines.join(waiter.line);
    return {
      waiter,
      line,
      share: undefined,
      sequence: this.#sequence++,
      enteredAt: this.#clock.now(),
      timer: undefined,
    };
  }

  #evict(entry: Entry, reason: EvictionReason): void {
    if (this.#remove(entry)) entry.waiter.evict(reason);
  }

  #remove(entry: Entry): boolean {
    if (entry === this.#asked || entry.link?.list === undefined) return false;
    entry.timer?.cancel();
    this.#unlink(entry);
    this.#lines.leave(entry.line);
    if (--this.#size === 0) this.#drain.end();
    return true;
  }

  #unlink(entry: Entry): void {
    this.#lines.displace(entry);
    if (entry.share === undefined) return;
    const { counter } = entry.share;
    this.#fairness.left(counter);
    this.#crowds.delete(entry, counter);
  }

  /** Lets through whoever can go now. Called after every release and every change of the backends. */
  dispatch(): void {
    if (this.#dispatching) {
      this.#again = true;
      return;
    }
    this.#dispatching = true;
    try {
      do {
        this.#again = false;
        this.#order.dispatch(this.#clock.now(), (entry) => this.#ask(entry));
      } while (this.#again);
    } finally {
      this.#dispatching = false;
      this.#asked = undefined;
      this.#changeRules();
    }
  }

  #ask(entry: Entry): boolean {
    this.#asked = entry;
    const answer = entry.waiter.grant();
    this.#asked = undefined;
    if (answer === 'later') this.#lines.setApart(entry);
    if (answer !== true) return false;
    const now = this.#clock.now();
    this.#drain.letThrough(now);
    this.#lines.drains.of(entry.line.name).letThrough(now);
    this.#remove(entry);
    return true;
  }

  evictAll(reason: EvictionReason): void {
    for (const { returned, bands } of this.#lines.all()) {
      const waiting = [...returned, ...[...bands.values()].flatMap(({ byAge }) => [...byAge])];
      for (const entry of waiting) this.#evict(entry, reason);
    }
  }

  /** What somebody who joined the line now would find. */
  prospect(lineName: string, identity: Identity = anyone): Prospect {
    const line = this.#lines.get(lineName);
    const intervalMs = this.#lines.drains.intervalMs(lineName, this.#clock.now());
    const counter = this.#fairness.peek(identity);
    const apart = this.#lines.apartFrom(lineName);
    return { position: apart + (line === undefined ? 1 : this.#order.positionIn(line, counter)), intervalMs };
  }

  stats(): QueueStats {
    const now = this.#clock.now();
    let oldest = now;
    for (const { returned, bands } of this.#lines.all()) {
      for (const first of [returned.first, ...[...bands.values()].map(({ byAge }) => byAge.first)]) {
        if (first !== undefined) oldest = Math.min(oldest, first.enteredAt);
      }
    }
    const [high = 0, normal = 0, low = 0] = this.#fairness.bands.map(({ counter }) => counter.waiting);
    const intervalMs = this.#drain.intervalMs(now);
    return {
      waiting: { high, normal, low },
      oldestMs: now - oldest,
      ...(intervalMs === undefined ? {} : { intervalMs }),
    };
  }
}
