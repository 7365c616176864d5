/**
 * Keys of a set that this process is asked about often: shares of their limits are borrowed, so that most decisions need not ask
 * Redis, and who was refused just now is refused again without asking. A key is forgotten when enough others came after it.
 */
import type { Answer, Clock, Cost, Receipt, Scope, Shortfall, Subject } from '@headgate/core';
import { subjectKey, unitsOf } from '@headgate/core/store';
import { chargeOf, type Seen, type Sight } from './charging.js';
import { type Granted, Lease } from './lease.js';
import type { Lender } from './lender.js';
import { type Charge, type Hot, keysOf, type RedisSet } from './receipt.js';
import { RedisShortfall } from './shortfall.js';

/** What the store does with answers. */
export interface Desk {
  /** Asks Redis, as for any key. */
  readonly ask: (subject: Subject, cost: Cost) => Promise<Receipt | Shortfall>;
  readonly charged: (subject: Subject, cost: Cost, charge: Charge, seen: Seen) => Receipt;
  readonly lent: (subject: Subject, cost: Cost, lease: Lease) => Receipt;
  readonly refused: (subject: Subject, cost: Cost, seen: Seen) => Promise<Shortfall>;
}

export interface HotKeysOptions {
  readonly set: RedisSet;
  readonly clock: Clock;
  readonly lender: Lender;
  readonly desk: Desk;
  readonly node: number;
  /** Processes that share the limits. */
  readonly peers: () => number;
  /** Decisions a second from which on a key is hot. */
  readonly hotRate: number;
}

interface Key {
  /** Decisions since an instant, and in the second before. */
  count: number;
  since: number;
  before: number;
  lease: Lease | undefined;
  /** A share is being asked for. */
  asking: Promise<unknown> | undefined;
  /** Until when none is asked for, because there was none. */
  aloneUntil: number;
  refusal: { readonly sight: Sight; readonly at: number } | undefined;
}

/** Keys that are kept count of; those before them are still known. */
const keysMax = 5_000;
const countMs = 1_000;
/** For how long a refusal is not asked about again, ms: somebody may give back what they had. */
const refusedMsMax = 100;
/** Requests that a share has to be enough for. */
const requestsMin = 4;
const requestsMax = 1_000_000;
/** A share lasts for up to two seconds. */
const lastsS = 1.5;

export class HotKeys implements Hot {
  readonly #options: HotKeysOptions;
  readonly #scopes: readonly Scope[];
  #young = new Map<string, Key>();
  #old = new Map<string, Key>();

  constructor(options: HotKeysOptions) {
    this.#options = options;
    this.#scopes = [...new Set(options.set.limits.flatMap(({ per }) => per))];
  }

  reserve(subject: Subject, cost: Cost): Answer<Receipt | Shortfall> {
    const now = this.#options.clock.now();
    const hot = this.#hotOf(subjectKey(this.#scopes, subject), now);
    hot.count++;
    return this.#decide(hot, subject, cost, now);
  }

  #decide(hot: Key, subject: Subject, cost: Cost, now: number): Answer<Receipt | Shortfall> {
    const { lease } = hot;
    if (lease?.take(cost, now)) return this.#options.desk.lent(subject, cost, lease);
    const refused = hot.refusal && this.#stillRefused(hot, cost, now);
    if (refused !== undefined) return refused;
    if (hot.asking !== undefined) {
      const again = (): Answer<Receipt | Shortfall> => {
        return this.#decide(hot, subject, cost, this.#options.clock.now());
      };
      return hot.asking.then(again, again);
    }
    const isHot = this.#isHot(hot) && now >= hot.aloneUntil && !this.#options.lender.isClosed;
    if (isHot || lease?.isOpen === true) {
      const share = isHot ? this.#shareOf(hot, cost, now) : none;
      // What only covers an answer is no request: that there is no share to its measure says nothing of theirs.
      const asked = cost.requests > 0 || share.requests > 0 ? this.#ask(hot, subject, cost, now, share) : undefined;
      if (asked !== undefined) return asked;
    }
    const answer = this.#options.desk.ask(subject, cost);
    const isNoted = this.#isHot(hot) || hot.refusal !== undefined;
    return isNoted ? answer.then((told) => this.#noted(hot, told, now)) : answer;
  }

  #hotOf(key: string, now: number): Key {
    let hot = this.#young.get(key);
    if (hot === undefined) {
      hot = this.#old.get(key);
      if (hot !== undefined) this.#old.delete(key);
      else {
        hot = {
          count: 0,
          since: now,
          before: 0,
          lease: undefined,
          asking: undefined,
          aloneUntil: 0,
          refusal: undefined,
        };
      }
      if (this.#young.size >= keysMax) this.#forget();
      this.#young.set(key, hot);
    }
    if (now - hot.since >= countMs) {
      hot.before = now - hot.since < 2 * countMs ? hot.count : 0;
      hot.count = 0;
      hot.since = now;
    }
    return hot;
  }

  #forget(): void {
    for (const { lease } of this.#old.values()) if (lease !== undefined) void this.#options.lender.giveBack(lease);
    this.#old = this.#young;
    this.#young = new Map();
  }

  #isHot({ count, before }: Key): boolean {
    return Math.max(count, before) > this.#options.hotRate;
  }

  changed(subject: Subject): void {
    const key = subjectKey(this.#scopes, subject);
    const hot = this.#young.get(key) ?? this.#old.get(key);
    if (hot !== undefined) hot.refusal = undefined;
  }

  /** A refusal that the counters as they were then still explain, for as long as it is believed. */
  #stillRefused(hot: Key, cost: Cost, now: number): Shortfall | undefined {
    const { sight, at } = hot.refusal!;
    if (now - at >= refusedMsMax) {
      hot.refusal = undefined;
      return undefined;
    }
    const worst = sight.worst(cost, Math.floor(now - at));
    return worst && new RedisShortfall(worst.limit, worst.retryAfterMs, sight);
  }

  /**
   * What was charged meanwhile makes the next ones wait longer than a refusal of before says.
   * @param at when it was asked, which is before it was decided
   */
  #noted(hot: Key, told: Receipt | Shortfall, at: number): Receipt | Shortfall {
    hot.refusal = told instanceof RedisShortfall ? { sight: told.sight, at } : undefined;
    return told;
  }

  /** For how many requests like this one a share is wanted, and what that comes to by column of the set. */
  #shareOf(hot: Key, cost: Cost, now: number): Wanted {
    const perSecond = Math.max(hot.before, (hot.count * 1_000) / Math.max(50, now - hot.since));
    let requests = Math.min(requestsMax, Math.ceil(perSecond * lastsS));
    const most = 1 / (2 * Math.max(2, this.#options.peers()));
    const usual: number[] = [];
    for (const { table, places } of this.#options.set.parts[0]!.groups) {
      for (const [c, column] of table.columns.entries()) {
        const asked = places[c]! < 0 ? 0 : unitsOf(column.limit.measure, cost);
        const units = hot.lease?.usual(usual.length, asked) ?? asked;
        usual.push(places[c]! < 0 ? 0 : units);
        // Together the shares of all processes are no more than half of a limit.
        if (units > 0 && places[c]! >= 0) requests = Math.min(requests, Math.floor((column.capacity * most) / units));
      }
    }
    return requests < requestsMin ? none : { requests, wanted: usual.map((units) => Math.floor(units * requests)) };
  }

  /** Undefined: there is nothing to ask for, and nothing to return. */
  #ask(hot: Key, subject: Subject, cost: Cost, now: number, share: Wanted): Promise<Receipt | Shortfall> | undefined {
    const before = hot.lease?.isOpen === true ? hot.lease : undefined;
    hot.lease = undefined;
    if (share.requests === 0) hot.aloneUntil = Math.max(hot.aloneUntil, now + countMs);
    if (share.requests === 0 && before === undefined) return undefined;
    const keys = keysOf(this.#options.set, subject);
    const asked = this.#options.lender.ask({ ...share, set: this.#options.set, keys, cost, before });
    const answer = asked.then(
      (granted) => this.#granted(hot, granted, { subject, cost, keys, now }),
      (error: unknown) => {
        hot.asking = undefined;
        hot.aloneUntil = this.#options.clock.now() + countMs;
        throw error;
      },
    );
    hot.asking = answer;
    return answer;
  }

  #granted(hot: Key, granted: Granted, { subject, cost, keys, now }: Asker): Answer<Receipt | Shortfall> {
    const { set, desk, node, lender, clock } = this.#options;
    const { status, seen } = granted;
    hot.asking = undefined;
    if (status === 'refused') {
      // Others who wait need not do so one after the other.
      hot.aloneUntil = clock.now() + refusedMsMax;
      if (lender.giveBackOf(keys)) return desk.ask(subject, cost).then((told) => this.#noted(hot, told, now));
      return desk.refused(subject, cost, seen).then((told) => this.#noted(hot, told, now) as Shortfall);
    }
    const part = set.parts[0]!;
    const flags = part.plans.map((plan) => plan.flags).join('');
    const charge = chargeOf(part, cost, keys, { ...seen, flags, isCharged: true }, node);
    hot.refusal = undefined;
    if (status === 'charged') {
      hot.aloneUntil = clock.now() + refusedMsMax;
      return desk.charged(subject, cost, charge, seen);
    }
    const lease = new Lease(set, charge, granted, now);
    lender.add(lease);
    hot.lease = lease;
    // What was asked is part of it, and spent even if the answer took so long that nothing more will be.
    lease.spend(cost);
    return desk.lent(subject, cost, lease);
  }
}

interface Wanted {
  readonly requests: number;
  /** By column of the set's part. */
  readonly wanted: readonly number[];
}
const none: Wanted = { requests: 0, wanted: [] };

interface Asker {
  readonly subject: Subject;
  readonly cost: Cost;
  readonly keys: readonly string[];
  readonly now: number;
}

/**
 * Whether shares of the limits can be borrowed: in one command, and spent without Redis. Slots are held for as long as a request runs, turns
 * depend on everybody's level, and a dry run must not take what others then lack.
 */
export function canBeLent({ parts, columns }: RedisSet): boolean {
  return (
    parts.length === 1 &&
    columns.every(({ enforced, limit }) => {
      return enforced && limit.algorithm !== 'slots' && limit.delay === undefined;
    })
  );
}
