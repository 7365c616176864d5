/** Borrows shares of limits from Redis and returns them: lease.lua from the outside. */
import { type Clock, type Cost, HeadgateError, type LimitState, type Subject, type Timer } from '@headgate/core';
import { noCost, unitsOf } from '@headgate/core/store';
import type { Granted, Lease } from './lease.js';
import type { Link } from './link.js';
import type { RedisSet } from './receipt.js';
import { lease as leaseScript } from './scripts.js';

export interface LenderOptions {
  readonly link: Link;
  readonly clock: Clock;
  readonly node: number;
  readonly leaseMs: number;
}

export interface Wish {
  readonly set: RedisSet;
  readonly keys: readonly string[];
  readonly cost: Cost;
  /** For how many requests a share is wanted, and for each column how much that is; 0 and nothing for none. */
  readonly requests: number;
  readonly wanted: readonly number[];
  /** The share before; returned with the same command. */
  readonly before: Lease | undefined;
}

const statuses = { 0: 'refused', 1: 'charged', 4: 'lent' } as const;
/** How often shares are looked through for those that nobody spends any more, ms. A share can be returned for 200 after its last use. */
const lookMs = 100;
const unitsMax = 1e300;

export class Lender {
  readonly #options: LenderOptions;
  readonly #open = new Set<Lease>();
  /** The same by row. */
  readonly #byRow = new Map<string, Set<Lease>>();
  #timer: Timer | undefined;
  #isClosed = false;

  constructor(options: LenderOptions) {
    this.#options = options;
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  /** Adds what this process has left of shares to where the limits stand in Redis. */
  addLeft(states: LimitState[], { parts }: RedisSet, subject: Subject): LimitState[] {
    if (this.#open.size === 0) return states;
    for (const group of parts.flatMap(({ groups }) => groups)) {
      const key = group.table.key(subject);
      for (const lease of this.#byRow.get(key) ?? []) lease.addLeft(states, group, key);
    }
    return states;
  }

  /** Asks for a share, and decides on one request with it. */
  async ask(wish: Wish): Promise<Granted> {
    const { link } = this.#options;
    const { set, before } = wish;
    const [part] = set.parts;
    const words = part!.plans.flatMap((plan) => plan.words(link.time.wall));
    const asked = link.run(leaseScript, wish.keys, this.#numbers(wish), words);
    const told = asked.then(([reply]) => grantedOf(reply!, set));
    if (before !== undefined) this.#end(before, told);
    return told;
  }

  /** A share that was lent just now. */
  add(lease: Lease): void {
    this.#open.add(lease);
    const giveBack = (): Promise<void> => this.giveBack(lease);
    lease.giveBack = giveBack;
    for (const key of lease.keys) {
      const leases = this.#byRow.get(key);
      if (leases === undefined) this.#byRow.set(key, new Set([lease]));
      else leases.add(lease);
    }
    this.#timer ??= this.#lookLater();
  }

  #end(lease: Lease, told: Promise<Granted>): void {
    lease.isOpen = false;
    this.#open.delete(lease);
    for (const key of lease.keys) {
      const leases = this.#byRow.get(key)!;
      leases.delete(lease);
      if (leases.size === 0) this.#byRow.delete(key);
    }
    lease.returned = told.then(
      ({ seen, ends }) => lease.end(seen.now, ends),
      () => lease.lapse(),
    );
  }

  /** Returns a share that is not needed any more. */
  giveBack(lease: Lease): Promise<void> {
    if (!lease.isOpen) return lease.returned ?? Promise.resolve();
    const { set, keys } = lease;
    this.ask({ set, keys, cost: noCost, requests: 0, wanted: [], before: lease }).catch(() => {});
    return lease.returned!;
  }

  /** Returns all shares of these rows, before somebody is refused for what this process itself has. False when there are none. */
  giveBackOf(keys: readonly string[]): boolean {
    const leases = new Set(keys.flatMap((key) => [...(this.#byRow.get(key) ?? [])]));
    for (const lease of leases) void this.giveBack(lease);
    return leases.size > 0;
  }

  #lookLater(): Timer {
    const { clock } = this.#options;
    return clock.after(lookMs, () => {
      this.#timer = undefined;
      const now = clock.now();
      for (const lease of this.#open) if (now >= lease.until) void this.giveBack(lease);
      if (this.#open.size > 0) this.#timer = this.#lookLater();
    });
  }

  /** The list of lease.lua. The share's numbers are those of now: it is not spent any more from here on. */
  #numbers({ set, cost, requests, wanted, before }: Wish): number[] {
    const { node, leaseMs } = this.#options;
    const { groups } = set.parts[0]!;
    const numbers = [node, leaseMs, Number(groups.some(({ table }) => table.hasTail)), requests];
    let i = 0;
    for (const [g, { table, places }] of groups.entries()) {
      numbers.push(g + 1, before?.births[g] ?? 0);
      for (const [c, { limit }] of table.columns.entries()) {
        const isAsked = places[c]! >= 0;
        const units = isAsked ? Math.min(unitsOf(limit.measure, cost), unitsMax) : 0;
        numbers.push(units, isAsked ? (wanted[i] ?? 0) : 0);
        numbers.push(before?.lent[i] ?? 0, before?.left[i] ?? 0, before?.marks[i] ?? 0);
        i++;
      }
    }
    return numbers;
  }

  /** Lends nothing from now on, and returns what there is. */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#timer?.cancel();
    this.#timer = undefined;
    await Promise.all([...this.#open].map((lease) => this.giveBack(lease)));
  }
}

function grantedOf(reply: Buffer, { parts }: RedisSet): Granted {
  const { groups, columns } = parts[0]!;
  const units = new Float64Array(columns);
  const marks = new Float64Array(columns);
  const ends = new Float64Array(columns);
  const lengths: number[] = [];
  let [at, i] = [24, 0];
  for (const { table } of groups) {
    lengths.push(reply.readDoubleLE(at));
    at += 8;
    for (let c = 0; c < table.columns.length; c++, i++) {
      units[i] = reply.readDoubleLE(at);
      marks[i] = reply.readDoubleLE(at + 8);
      ends[i] = reply.readDoubleLE(at + 16);
      at += 24;
    }
  }
  const status = statuses[reply.readDoubleLE(0) as keyof typeof statuses];
  if (status === undefined) throw new HeadgateError('HG_STORE_DATA', 'Redis answered something else than was asked');
  const seen = { text: Buffer.copyBytesFrom(reply, at), lengths, now: reply.readDoubleLE(8) };
  return { status, units, marks, ends, seen, lastsMs: reply.readDoubleLE(16) };
}
