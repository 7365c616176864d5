/**
 * This process's share of all limits: the amounts divided by the number of processes, counted here. While the shared store
 * decides, what it lets through here is counted along, so that a share that is used up is known to be when the store is gone.
 */
import type { Clock } from '../kernel/clock.js';
import type { Limit, LimitState } from '../model.js';
import { MemoryStore } from './memory.js';
import type { Cost, LimitSet, Receipt, Shortfall, Subject } from './store.js';

/** Processes that share, and which of them this one is, from 0. */
export interface Peers {
  readonly count: number;
  readonly rank: number;
}

interface Rules {
  readonly limits: readonly Limit[];
  readonly timeZone: string;
  readonly keysMax: number;
}

export class LocalShare {
  readonly #store: MemoryStore;
  #rules: Rules = { limits: [], timeZone: 'UTC', keysMax: 1 };
  #peers: Peers = { count: 1, rank: 0 };
  #originals = new Map<string, Limit>();
  #shares = new Map<string, Limit>();
  readonly #sets = new WeakMap<LimitSet, LimitSet>();

  constructor(clock: Clock) {
    this.#store = new MemoryStore(clock);
  }

  configure(limits: readonly Limit[], timeZone: string, keysMax: number): void {
    this.#rules = { limits, timeZone, keysMax };
    this.#originals = new Map(limits.map((limit) => [limit.name, limit]));
    this.#divide();
  }

  /** Divides anew when others came or went. What was counted until then stays. */
  follow(peers: Peers): void {
    if (peers.count === this.#peers.count && peers.rank === this.#peers.rank) return;
    this.#peers = peers;
    this.#divide();
  }

  #divide(): void {
    const { limits, timeZone, keysMax } = this.#rules;
    this.#shares = new Map(limits.map((limit) => [limit.name, shareOf(limit, this.#peers)]));
    this.#store.configure([...this.#shares.values()], { timeZone, keysMax });
  }

  #setOf(set: LimitSet): LimitSet {
    let local = this.#sets.get(set);
    if (local === undefined) {
      local = this.#store.prepare(set.limits.flatMap(({ name }) => this.#shares.get(name) ?? []));
      this.#sets.set(set, local);
    }
    return local;
  }

  /** Counts what the shared store let through. */
  charge(set: LimitSet, subject: Subject, cost: Cost): Receipt {
    return this.#store.charge(this.#setOf(set), subject, cost);
  }

  /** Decides by the share alone. Undefined: a share of this size never fits the cost, though the limit does. */
  reserve(set: LimitSet, subject: Subject, cost: Cost): Receipt | Shortfall | undefined {
    const answer = this.#store.reserve(this.#setOf(set), subject, cost);
    if (answer.admitted) return answer;
    const limit = this.#originals.get(answer.limit.name)!;
    if (answer.retryAfterMs === Number.POSITIVE_INFINITY) return undefined;
    return { ...answer, limit, states: this.peek(set, subject) };
  }

  debit(receipt: Receipt, more: Cost): boolean {
    return this.#store.debit(receipt, more);
  }

  settle(receipt: Receipt, actual: Cost): void {
    this.#store.settle(receipt, actual);
  }

  /** Where the share stands. */
  peek(set: LimitSet, subject: Subject): LimitState[] {
    return this.#store.peek(this.#setOf(set), subject);
  }
}

/** Slots are whole: together the shares are the limit's own, so some processes get one less than others, or none. */
function shareOf(limit: Limit, { count, rank }: Peers): Limit {
  if (limit.algorithm === 'slots') {
    const slots = Math.floor(limit.capacity / count) + (rank < limit.capacity % count ? 1 : 0);
    return { ...limit, amount: slots, capacity: slots };
  }
  return { ...limit, amount: limit.amount / count, capacity: limit.capacity / count };
}
