/** What charge.lua is asked, and what its answer means, by the same arithmetic as in memory. */
import type { Cost, Limit, LimitState, Shortfall, Subject } from '@headgate/core';
import { BucketColumn, type Cells, type Column, isLonger, SlotsColumn, unitsOf } from '@headgate/core/store';
import type { Question, Verdict } from './charger.js';
import type { Charge, Group, Part, RedisSet } from './receipt.js';
import { lengthsIn, type Rows, readCharge } from './row.js';

/** Lua's numbers end somewhere; nothing fits a cost of this size anyway. */
const unitsMax = 1e300;

/** A reservation asks for all columns of the set: those in shadow mode may be left out, the others must fit. */
function flagsOf({ table, places }: Group, enforced: 1 | 3): string {
  return table.columns.map((column, i) => (places[i]! < 0 ? 0 : column.enforced ? enforced : 2)).join('');
}

export function partOf(groups: readonly Group[]): Part {
  return {
    groups,
    columns: groups.reduce((total, { table }) => total + table.columns.length, 0),
    plans: groups.map((group) => group.table.plan(flagsOf(group, 1))),
    plansAnyway: groups.map((group) => group.table.plan(flagsOf(group, 3))),
  };
}

/** @param plans whether there must be room, or it is charged anyway */
export function reserving(part: Part, subject: Subject, cost: Cost, plans = part.plans): Question {
  return {
    keys: part.groups.map(({ table }) => table.key(subject)),
    plans,
    units: unitsAsked(part, cost),
  };
}

/** More on an open charge: only what was charged is charged more, slots excepted, and a dry run never refuses. Undefined when nothing is asked. */
export function debiting({ part, keys, windows }: Charge, more: Cost): Question | undefined {
  let at = 0;
  let isAsked = false;
  const plans = part.groups.map(({ table }) => {
    const flags = table.columns.map((column) => {
      const isCharged = !Number.isNaN(windows[at++]);
      if (!isCharged || column instanceof SlotsColumn || unitsOf(column.limit.measure, more) === 0) return 0;
      isAsked = true;
      return column.enforced ? 1 : 3;
    });
    return table.plan(flags.join(''));
  });
  return isAsked ? { keys, plans, units: unitsAsked(part, more) } : undefined;
}

function unitsAsked({ groups }: Part, cost: Cost): number[] {
  const units: number[] = [];
  for (const { table } of groups) {
    for (const { limit } of table.columns) units.push(Math.min(unitsOf(limit.measure, cost), unitsMax));
  }
  return units;
}

/** What a request cost that has ended, as more of each column that counts it; slots excepted. */
export function recording({ table, places }: Group, cost: Cost): number[] {
  return table.columns.flatMap((column, i) => {
    const units = unitsOf(column.limit.measure, cost);
    return places[i]! < 0 || units === 0 || column instanceof SlotsColumn ? [] : [i + 1, units, 0, 0];
  });
}

/** @param node the one that charged */
export function chargeOf(
  part: Part,
  cost: Cost,
  keys: readonly string[],
  { flags, text, lengths, now }: Verdict,
  node: number,
): Charge {
  const births: number[] = [];
  const leases: number[] = [];
  const windows = new Float64Array(part.columns);
  let at = 0;
  let from = 0;
  for (const [g, { table }] of part.groups.entries()) {
    const length = lengths[g]!;
    const { birth, lease } = readCharge(text, from, length < 0, table, { node, now }, flags, windows, at);
    births.push(birth);
    leases.push(lease);
    at += table.columns.length;
    from += Math.abs(length);
  }
  return { part, cost, keys, births, leases, windows, at: now };
}

/** One row as it was read, and when. */
interface Look {
  readonly group: Group;
  readonly cells: Cells | undefined;
  readonly now: number;
}

/** The rows of a part, and when they were read. */
export type Seen = Rows & Pick<Verdict, 'now'>;

/** The answer of peek.lua. */
export function seenIn(answer: Buffer, count: number): Seen {
  return { now: answer.readDoubleLE(8), text: answer.subarray(16 + 8 * count), lengths: lengthsIn(answer, 16, count) };
}

/** What some rows say about the limits of a set. */
export class Sight {
  readonly #set: RedisSet;
  readonly #looks: readonly Look[];

  /** @param replies by part of the set, in order; the first ones suffice for what they tell */
  constructor(set: RedisSet, replies: readonly Seen[]) {
    this.#set = set;
    this.#looks = replies.flatMap(({ text, lengths, now }, p) => {
      let from = 0;
      return set.parts[p]!.groups.map((group, g) => {
        const length = lengths[g]!;
        const row = text.subarray(from, from + Math.abs(length));
        from += row.length;
        return { group, cells: group.table.cells(row, length < 0, now), now };
      });
    });
  }

  /** Visits each limit of the set that was seen. */
  #each(visit: (place: number, column: Column, cells: Cells | undefined, now: number) => void): void {
    for (const { group, cells, now } of this.#looks) {
      for (const [i, column] of group.table.columns.entries()) {
        if (group.places[i]! >= 0) visit(group.places[i]!, column, cells, now);
      }
    }
  }

  /** Where the limits stand, in the order of the set. */
  states(): LimitState[] {
    const states: LimitState[] = [];
    this.#each((place, column, cells, now) => {
      states[place] = cells === undefined ? column.freshState() : column.state(cells, { now, wall: now });
    });
    return states.filter((state) => state !== undefined);
  }

  /** Time until each limit has room for the cost, by place in the set, ms. */
  #waits(cost: Cost, elapsedMs: number): Float64Array {
    const waits = new Float64Array(this.#set.limits.length);
    this.#each((place, column, cells, at) => {
      const now = at + elapsedMs;
      const units = unitsOf(column.limit.measure, cost);
      waits[place] = cells === undefined ? column.freshWaitMs(units) : column.waitMs(cells, units, { now, wall: now });
    });
    return waits;
  }

  /**
   * The enforced limit that keeps the cost out for longest; undefined when none does.
   * @param elapsedMs since it was seen
   */
  worst(cost: Cost, elapsedMs = 0): { readonly limit: Limit; readonly retryAfterMs: number } | undefined {
    const waits = this.#waits(cost, elapsedMs);
    let worst: { readonly limit: Limit; readonly retryAfterMs: number } | undefined;
    for (const [place, { enforced, limit }] of this.#set.columns.entries()) {
      const retryAfterMs = waits[place]!;
      if (!enforced || retryAfterMs === 0) continue;
      if (worst === undefined || isLonger(retryAfterMs, worst.retryAfterMs)) worst = { limit, retryAfterMs };
    }
    return worst;
  }

  /** Shadow limits that had no room, as the rows were when they were not charged. */
  shadowed(cost: Cost, charges: readonly Charge[]): Shortfall[] {
    const shortfalls: Shortfall[] = [];
    const waits = this.#waits(cost, 0);
    for (const { part, windows } of charges) {
      let at = 0;
      for (const { table, places } of part.groups) {
        for (const [i, { enforced, limit }] of table.columns.entries()) {
          const isCharged = !Number.isNaN(windows[at++]);
          if (enforced || places[i]! < 0 || isCharged) continue;
          shortfalls.push({ admitted: false, limit, retryAfterMs: waits[places[i]!]! });
        }
      }
    }
    return shortfalls;
  }

  /** How long the charged request waits for its turn, ms. */
  delayMs(): number {
    let longest = 0;
    this.#each((_place, column, cells) => {
      if (!(column instanceof BucketColumn) || !column.enforced || cells === undefined) return;
      longest = Math.max(longest, column.delayMs(cells));
    });
    return longest;
  }
}

/** The outcome of charging a set, part by part. */
export interface Outcome {
  readonly seen: readonly Seen[];
  /** Of all parts, or of none. */
  readonly charges: readonly Charge[];
  readonly admitted: boolean;
}
