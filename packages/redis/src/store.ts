/**
 * The store of many processes: the counters of the contract in `@headgate/core`, kept in Redis and decided there, one script
 * for a whole decision. See docs/stores/redis.md for what is kept, and lua/ for the decisions themselves.
 */
import { randomInt } from 'node:crypto';
import {
  type Answer,
  type Clock,
  type Cost,
  HeadgateError,
  type Limit,
  type LimitSet,
  type LimitState,
  type Receipt,
  type Shortfall,
  type Store,
  type Subject,
} from '@headgate/core';
import { noCost, sum } from '@headgate/core/store';
import { Charger, type Question } from './charger.js';
import { debiting, type Outcome, recording, reserving, type Seen, Sight } from './charging.js';
import { Decisions } from './decisions.js';
import { Endings } from './endings.js';
import { Holds } from './holds.js';
import { canBeLent, type Desk, HotKeys, type HotKeysOptions } from './hot-keys.js';
import { Journal } from './journal.js';
import { Lender } from './lender.js';
import { lessonExchange } from './lessons.js';
import type { Link } from './link.js';
import { Members } from './members.js';
import { placeOf, probePlaces, readRows } from './places.js';
import { type Part, RedisReceipt, type RedisSet } from './receipt.js';
import { RedisShortfall } from './shortfall.js';
import { Tables } from './tables.js';

export interface StoreSettings {
  readonly link: Link;
  readonly clock: Clock;
  readonly prefix: string;
  readonly leaseMs: number;
  readonly onSettlementsLost?: (settlements: number, cause: unknown) => void;
  /** Decisions a second from which on shares of a key's limits are borrowed; undefined for never. */
  readonly hotRate?: number;
  /** Whether processes tell each other what answers taught them. */
  readonly tellsLessons?: boolean;
}

/** Longest that closing waits for settlements to be written, ms. */
const closeMs = 2_000;
/** Nodes go by a number that a double holds. */
const nodesMax = 2 ** 47;

export class RedisStore implements Store {
  readonly sync = false;
  readonly #link: Link;
  readonly #prefix: string;
  readonly #node = randomInt(1, nodesMax);
  readonly #decisions: Decisions;
  readonly #journal: Journal;
  readonly #holds: Holds;
  readonly #members: Members;
  readonly #tables: Tables;
  readonly #lender: Lender;
  readonly #endings: Endings;
  readonly #clock: Clock;
  /** Undefined: nothing is borrowed. */
  readonly #hot: Omit<HotKeysOptions, 'set' | 'desk'> | undefined;
  #open = 0;
  #onLost: (receipt: Receipt) => void = () => {};
  readonly exchange?: NonNullable<Store['exchange']>;

  constructor(settings: StoreSettings) {
    const { link, clock, prefix, leaseMs, hotRate, tellsLessons = true, onSettlementsLost = () => {} } = settings;
    this.#link = link;
    this.#prefix = prefix;
    this.#clock = clock;
    this.#tables = new Tables(prefix, link.isCluster);
    const shared = { link, clock, node: this.#node, leaseMs };
    // First of all: what is held is told to Redis before anything else when there is a connection again.
    this.#holds = new Holds(shared);
    this.#members = new Members({ ...shared, prefix });
    this.#lender = new Lender(shared);
    const peers = (): number => this.#members.peers.count;
    this.#hot = hotRate === undefined ? undefined : { ...shared, hotRate, peers, lender: this.#lender };
    this.#journal = new Journal({ ...shared, prefix, onLost: onSettlementsLost });
    this.#endings = new Endings(this.#holds, this.#journal);
    const charger = new Charger(shared);
    const [endings, holds, lender] = [this.#endings, this.#holds, this.#lender];
    this.#decisions = new Decisions({ charger, endings, holds, lender, node: this.#node });
    if (tellsLessons) this.exchange = lessonExchange(link, prefix);
  }

  configure(limits: readonly Limit[], { timeZone }: { readonly timeZone: string; readonly keysMax: number }): void {
    this.#tables.configure(limits, timeZone);
  }

  prepare(limits: readonly Limit[]): RedisSet {
    const set = this.#tables.prepare(limits);
    if (this.#hot !== undefined && canBeLent(set)) set.hot = new HotKeys({ ...this.#hot, set, desk: this.#desk(set) });
    return set;
  }

  #desk(set: RedisSet): Desk {
    return {
      ask: (subject, cost) => this.#ask(set, subject, cost),
      charged: (subject, cost, charge, seen) =>
        this.#admitted(set, subject, cost, { admitted: true, charges: [charge], seen: [seen] }),
      lent: (subject, cost, lease) => {
        this.#open++;
        return new RedisReceipt(set, subject, cost, lease.charges, lease.states, lease);
      },
      refused: (subject, cost, seen) => this.#refused(set, subject, cost, [seen]),
    };
  }

  reserve(limits: LimitSet, subject: Subject, cost: Cost): Answer<Receipt | Shortfall> {
    const set = limits as RedisSet;
    return set.hot === undefined ? this.#ask(set, subject, cost) : set.hot.reserve(subject, cost);
  }

  async #ask(set: RedisSet, subject: Subject, cost: Cost): Promise<Receipt | Shortfall> {
    this.#members.letTell(set.columns);
    const told = await this.#decisions.insist({ set, subject }, cost, (part) => reserving(part, subject, cost));
    return told.admitted ? this.#admitted(set, subject, cost, told) : this.#refused(set, subject, cost, told.seen);
  }

  async adopt(limits: LimitSet, subject: Subject, cost: Cost): Promise<Receipt> {
    const set = limits as RedisSet;
    const questionOf = (part: Part): Question => reserving(part, subject, cost, part.plansAnyway);
    return this.#admitted(set, subject, cost, await this.#decisions.charge(set.parts, cost, questionOf));
  }

  record(limits: LimitSet, subject: Subject, cost: Cost): void {
    for (const group of (limits as RedisSet).parts.flatMap(({ groups }) => groups)) {
      const parts = recording(group, cost);
      const { table } = group;
      if (parts.length > 0) this.#journal.record(table.tag(subject), table.key(subject), table, parts);
    }
  }

  #admitted(set: RedisSet, subject: Subject, cost: Cost, { charges, seen }: Outcome): RedisReceipt {
    // Replies are parts of larger buffers, which a receipt would keep alive.
    const kept = seen.map(({ text, lengths, now }) => ({ text: Buffer.copyBytesFrom(text), lengths, now }));
    const receipt = new RedisReceipt(set, subject, cost, charges, () => new Sight(set, kept).states());
    receipt.onLost = this.#onLost;
    if (set.columns.some(({ limit }) => limit.delay !== undefined)) receipt.delayMs = new Sight(set, seen).delayMs();
    if (set.columns.some(({ enforced }) => !enforced)) receipt.shadowed = new Sight(set, seen).shadowed(cost, charges);
    for (const one of charges) this.#endings.begin(one, receipt);
    this.#open++;
    return receipt;
  }

  /** Told of each receipt whose slots are another's now. */
  onLost(listener: (receipt: Receipt) => void): void {
    this.#onLost = listener;
  }

  async #refused(set: RedisSet, subject: Subject, cost: Cost, known: readonly Seen[]): Promise<Shortfall> {
    // Parts that were charged before the one that refused are as they were; the others have not been looked at.
    const rest = await Promise.all(set.parts.slice(known.length).map((part) => readRows(this.#link, part, subject)));
    const sight = new Sight(set, [...known, ...rest]);
    const worst = sight.worst(cost);
    if (worst === undefined) throw new HeadgateError('HG_STORE_DATA', 'Redis refused what its own counters allow');
    return new RedisShortfall(worst.limit, worst.retryAfterMs, sight);
  }

  async peek(limits: LimitSet, subject: Subject): Promise<LimitState[]> {
    const set = limits as RedisSet;
    const states = new Sight(
      set,
      await Promise.all(set.parts.map((part) => readRows(this.#link, part, subject))),
    ).states();
    return this.#lender.addLeft(states, set, subject);
  }

  /** The servers that hold the rows; the same for all where there is one. */
  placeOf(limits: LimitSet, subject: Subject): string {
    return placeOf(this.#link, limits as RedisSet, subject);
  }

  async probe(limits: LimitSet, subject: Subject): Promise<void> {
    const set = limits as RedisSet;
    this.#members.letTell(set.columns);
    await probePlaces(this.#link, this.#prefix, set, subject);
  }

  async debit(open: Receipt, more: Cost): Promise<boolean> {
    const receipt = open as RedisReceipt;
    if (!receipt.open) return false;
    const questionOf = (_part: Part, p: number): Question | undefined => debiting(receipt.charges[p]!, more);
    if (receipt.share?.take(more, this.#clock.now(), receipt.charged)) {
      receipt.charged = sum(receipt.charged, more);
      return true;
    }
    // What Redis charges beyond a share it is given back, and not the share, which could not hold it: that is over.
    void receipt.share?.giveBack();
    const { set } = receipt;
    const onDoubt = (p: number): void => {
      receipt.doubted ??= [];
      const { doubted } = receipt;
      doubted[p] = sum(doubted[p] ?? noCost, more);
    };
    const { admitted, charges } = await this.#decisions.insist(receipt, more, questionOf, onDoubt);
    if (!admitted) return false;
    if (!receipt.open) {
      // Ended meanwhile, with all of its cost: what was charged here is charged twice.
      this.#endings.takeBack(charges);
      return false;
    }
    receipt.charged = sum(receipt.charged, more);
    set.hot?.changed(receipt.subject);
    return true;
  }

  settle(open: Receipt, actual: Cost): boolean | Promise<boolean> {
    const receipt = open as RedisReceipt;
    if (!receipt.open) return false;
    receipt.open = false;
    this.#open--;
    receipt.set.hot?.changed(receipt.subject);
    const { share } = receipt;
    if (share?.correct(receipt.charged, actual)) return share.returned?.then(() => true) ?? true;
    // What a refund has to know of a share is known once it is over.
    return share?.returned?.then(() => this.#settled(receipt, actual)) ?? this.#settled(receipt, actual);
  }

  #settled(receipt: RedisReceipt, actual: Cost): boolean | Promise<boolean> {
    const written = receipt.charges.flatMap((one, p) =>
      this.#endings.end(one, receipt.charged, actual, receipt, receipt.doubted?.[p]),
    );
    if (written.length === 0) return true;
    return Promise.all(written).then(() => {
      receipt.set.hot?.changed(receipt.subject);
      return true;
    });
  }

  cancel(receipt: Receipt): boolean | Promise<boolean> {
    return this.settle(receipt, noCost);
  }

  get peers(): { readonly count: number; readonly rank: number } {
    return this.#members.peers;
  }

  stats(): { keys: number; open: number } {
    return { keys: 0, open: this.#open };
  }

  /** Resolves once Redis has been reached. */
  get connected(): Promise<void> {
    return this.#link.connected;
  }

  /** Writes what waits to be settled, then gives the connection up. */
  async close(): Promise<void> {
    await this.#lender.close();
    await this.#journal.close(closeMs);
    this.#holds.close();
    await this.#members.close();
    this.#link.close();
  }
}
