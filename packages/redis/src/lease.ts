/**
 * A share of each limit of a set, lent by Redis to this process for a second or two: requests of one subject are decided on it here.
 * Redis counts all of it as used until it is returned, so whatever becomes of it nobody gets more than the limits allow.
 *
 *   open --returned--> returning --answer--> over: what was spent is a charge of the instant of the return
 *                          \-----no answer--> over: all of it is spent, and what a bucket would refund is lost
 */
import type { Cost, LimitState } from '@headgate/core';
import { type Column, unitsOf } from '@headgate/core/store';
import { type Seen, Sight } from './charging.js';
import type { Charge, Group, Part, RedisSet, Share } from './receipt.js';

/** What lease.lua answers; numbers by column of the part. */
export interface Granted {
  readonly status: 'refused' | 'charged' | 'lent';
  readonly seen: Seen;
  /** For how long the share may be spent, ms from when it was asked for. */
  readonly lastsMs: number;
  /** Units charged or lent, and the window that they are returned to. */
  readonly units: Float64Array;
  readonly marks: Float64Array;
  /** What a refund has to know of what was spent of the share before. */
  readonly ends: Float64Array;
}

/** A refund that knows this window gives a bucket nothing; as in lease.lua. */
const nothing = 1e300;

export class Lease implements Charge, Share {
  readonly set: RedisSet;
  readonly part: Part;
  readonly cost: Cost;
  readonly keys: readonly string[];
  readonly births: readonly number[];
  readonly leases: readonly number[];
  /** What a refund has to know: of a bucket it is known only when the share is over. */
  readonly windows: Float64Array;
  /** Units by column, and the windows that they are returned to. */
  readonly lent: Float64Array;
  readonly left: Float64Array;
  /** Units that are out and were asked for beside a request, not for one. */
  readonly #beside: Float64Array;
  readonly marks: Float64Array;
  /** By the process's clock. */
  readonly until: number;
  readonly charges: readonly Charge[] = [this];
  /** Set by whoever keeps it. */
  giveBack: () => Promise<void> = () => Promise.resolve();
  at: number;
  /** Requests that were decided here. */
  requests = 0;
  isOpen = true;
  /** Set while it is returned. */
  returned: Promise<void> | undefined;
  readonly #columns: readonly (Column | undefined)[];
  readonly #sight: Sight;

  /**
   * @param charge as which Redis counts it
   * @param askedAt when it was asked for, by the process's clock
   */
  constructor(set: RedisSet, charge: Charge, { units, marks, seen, lastsMs }: Granted, askedAt: number) {
    this.set = set;
    this.part = charge.part;
    this.cost = charge.cost;
    this.keys = charge.keys;
    this.births = charge.births;
    this.leases = charge.leases;
    this.windows = charge.windows;
    this.lent = units;
    this.left = units.slice();
    this.#beside = new Float64Array(units.length);
    this.marks = marks;
    // The two clocks need not run equally fast.
    this.until = askedAt + lastsMs * 0.999 - 1;
    this.at = seen.now;
    this.#columns = askedColumns(this.part);
    this.#sight = new Sight(set, [seen]);
  }

  /** Spends the cost, if it may still be spent and there is enough of it. @param of what was charged on it before, for the same */
  take(cost: Cost, now: number, of = cost): boolean {
    if (!this.isOpen || now >= this.until) return false;
    const columns = this.#columns;
    for (let i = 0; i < columns.length; i++) {
      const column = columns[i];
      if (column !== undefined && unitsOf(column.limit.measure, cost) > this.left[i]!) return false;
    }
    this.spend(cost, of);
    return true;
  }

  spend(cost: Cost, of = cost): void {
    const columns = this.#columns;
    for (let i = 0; i < columns.length; i++) {
      const column = columns[i];
      if (column === undefined) continue;
      const units = unitsOf(column.limit.measure, cost);
      this.left[i]! -= units;
      if (of.requests === 0) this.#beside[i]! += units;
    }
    this.requests += cost.requests;
  }

  /** A request that was charged here turned out to cost something else. False when that is Redis's business by now. */
  correct(charged: Cost, actual: Cost): boolean {
    if (!this.isOpen) return false;
    let isOverdrawn = false;
    for (const [i, column] of this.#columns.entries()) {
      if (column === undefined) continue;
      const { measure } = column.limit;
      const less = unitsOf(measure, charged) - unitsOf(measure, actual);
      this.left[i]! += less;
      if (charged.requests === 0) this.#beside[i]! -= less;
      isOverdrawn ||= this.left[i]! < 0;
    }
    // A debt is for everybody to see.
    if (isOverdrawn) void this.giveBack();
    return true;
  }

  /** Units of each column that a request took on average. */
  usual(column: number, otherwise: number): number {
    if (this.requests === 0) return otherwise;
    return (this.lent[column]! - this.left[column]! - this.#beside[column]!) / this.requests;
  }

  /** It is over: what was spent of it was charged at this instant of the server. @param ends of each column */
  end(at: number, ends: Float64Array): void {
    for (const [i, column] of this.#columns.entries()) {
      if (column?.limit.algorithm === 'token-bucket') this.windows[i] = ends[i]!;
    }
    this.at = at;
  }

  /** It is over, and nobody knows whether it came back. */
  lapse(): void {
    this.end(this.at, new Float64Array(this.windows.length).fill(nothing));
  }

  /** Where the limits stand, with what is left of the share. */
  readonly states = (): LimitState[] => {
    const states = this.#sight.states();
    for (const [g, group] of this.part.groups.entries()) this.addLeft(states, group, this.keys[g]!);
    return states;
  };

  /** Adds to where limits stand what is left of the share, if it is one of theirs. */
  addLeft(states: LimitState[], { table, places }: Group, key: string): void {
    let i = 0;
    for (const [g, own] of this.part.groups.entries()) {
      const isSame = own.table === table && this.keys[g] === key;
      for (const [c, column] of own.table.columns.entries()) {
        const left = this.left[i++]! / column.scale;
        const state = isSame ? states[places[c]!] : undefined;
        if (state === undefined || left === 0) continue;
        const remaining = state.remaining + left;
        states[places[c]!] = { ...state, remaining, nextMs: remaining >= 1 ? 0 : state.nextMs };
      }
    }
  }
}

/** Of a part's columns in turn: those that are in the set. */
function askedColumns({ groups }: Part): (Column | undefined)[] {
  return groups.flatMap(({ table, places }) => {
    return table.columns.map((column, i) => (places[i]! < 0 ? undefined : column));
  });
}
