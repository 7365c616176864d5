/**
 * The store of one process: every answer is synchronous, nothing is allocated but the receipt, no timer exists.
 * See store.ts for the contract, table.ts for how counters are kept and bounded.
 */
import type { Clock } from '../kernel/clock.js';
import { Calendars } from '../limits/calendar-window.js';
import type { Limit, LimitState } from '../model.js';
import type { BucketColumn } from './bucket-column.js';
import { type Cells, type Column, type Instant, SlotsColumn, unitsOf } from './columns.js';
import { noCost, sum } from './cost.js';
import { groupBy, isLonger, layOut, tableKey } from './layout.js';
import { type Group, MemoryReceipt, type MemorySet, marksOf, unmarked } from './receipt.js';
import type { Cost, LimitSet, Receipt, Shortfall, Store, Subject } from './store.js';
import { type Row, Table } from './table.js';

interface Place {
  readonly table: Table;
  readonly column: Column;
}

export class MemoryStore implements Store {
  readonly sync = true;
  readonly #clock: Clock;
  readonly #instant: Instant = { now: 0, wall: 0 };
  /** The row on which each group of the set being decided would be charged, if it has one; used again for every decision. */
  readonly #rows: (Row | undefined)[] = [];
  readonly #calendars = new Calendars();
  #tables = new Map<string, Table>();
  #places = new Map<string, Place>();
  /** How often the limits were configured: sets and receipts from before have to find their columns again. */
  #epoch = 0;
  #followsCalendar = false;
  #open = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  configure(limits: readonly Limit[], options: { readonly timeZone: string; readonly keysMax: number }): void {
    const before = this.#tables;
    const follows = limits.some((limit) => limit.algorithm === 'calendar');
    // The instant is one for the counters before and after.
    this.#followsCalendar ||= follows;
    const instant = this.#readClock();
    this.#followsCalendar = follows;
    this.#epoch++;
    this.#tables = new Map();
    this.#places = new Map();
    for (const [key, group] of groupBy(limits, tableKey)) {
      const { columns, rolling } = layOut(group, (unit) => this.#calendars.of(unit, options.timeZone));
      const table = before.get(key) ?? new Table(group[0]!.per);
      table.layOut(columns, rolling, options.keysMax, instant);
      this.#tables.set(key, table);
      for (const column of columns) this.#places.set(column.limit.name, { table, column });
    }
  }

  prepare(limits: readonly Limit[]): MemorySet {
    const groups: Group[] = [];
    let at = 0;
    for (const group of groupBy(limits, tableKey).values()) {
      const places = group.map((limit) => this.#places.get(limit.name)!);
      groups.push({ table: places[0]!.table, columns: places.map(({ column }) => column), at });
      at += marksOf(group.length);
    }
    return { limits, groups, unmarked: unmarked(at), epoch: this.#epoch, renewed: undefined };
  }

  /** The set as it is now: one from before the policy changed is made anew of those of its limits that there still are. */
  #current(set: LimitSet): MemorySet {
    const memory = set as MemorySet;
    if (memory.epoch === this.#epoch) return memory;
    if (memory.renewed?.epoch !== this.#epoch) {
      const left = memory.limits.flatMap(({ name }) => this.#places.get(name)?.column.limit ?? []);
      memory.renewed = this.prepare(left);
    }
    return memory.renewed;
  }

  /** The column that counts now what this one did when a receipt was charged; undefined when none does. */
  #heir({ set }: MemoryReceipt, { table }: Group, column: Column): Column | undefined {
    if (set.epoch === this.#epoch) return column;
    const now = this.#places.get(column.limit.name);
    return now?.table === table && now.column.limit.measure === column.limit.measure ? now.column : undefined;
  }

  #readClock(): Instant {
    const instant = this.#instant;
    const now = this.#clock.now();
    instant.now = Math.floor(now);
    if (this.#followsCalendar) instant.wall = Math.floor(this.#clock.wall(now));
    return instant;
  }

  reserve(set: LimitSet, subject: Subject, cost: Cost): Receipt | Shortfall {
    const current = this.#current(set);
    const { groups } = current;
    const instant = this.#readClock();
    const rows = this.#rows;
    let worstMs = 0;
    let worst: Limit | undefined;
    for (let g = 0; g < groups.length; g++) {
      const { table, columns } = groups[g]!;
      let place = table.find(subject);
      if (place < 0) place = table.place(instant);
      const row = place < 0 ? undefined : table.cells(place);
      rows[g] = row;
      for (let c = 0; c < columns.length; c++) {
        const column = columns[c]!;
        if (!column.enforced) continue;
        const waitMs = waitMsFor(column, row, cost, instant);
        if (waitMs === 0 || (worst !== undefined && !isLonger(waitMs, worstMs))) continue;
        worst = column.limit;
        worstMs = waitMs;
      }
    }
    if (worst !== undefined) return shortfall(worst, worstMs);
    return this.#chargeAll(current, subject, cost, instant);
  }

  #chargeAll(set: MemorySet, subject: Subject, cost: Cost, instant: Instant): MemoryReceipt {
    const receipt = new MemoryReceipt(set, subject, cost, instant.now);
    for (let g = 0; g < set.groups.length; g++) this.#charge(receipt, set.groups[g]!, this.#rows[g], instant);
    this.#open++;
    return receipt;
  }

  /** Charges without asking: for what was decided elsewhere. */
  charge(set: LimitSet, subject: Subject, cost: Cost): Receipt {
    const current = this.#current(set);
    const instant = this.#readClock();
    for (const [g, { table }] of current.groups.entries()) {
      let place = table.find(subject);
      if (place < 0) place = table.place(instant);
      this.#rows[g] = place < 0 ? undefined : table.cells(place);
    }
    return this.#chargeAll(current, subject, cost, instant);
  }

  /** Charges all limits of the group that are enforced, and those in shadow mode that have room. */
  #charge(receipt: MemoryReceipt, group: Group, found: Row | undefined, instant: Instant): void {
    const { table, columns } = group;
    const { charged } = receipt;
    const row = found ?? table.cells(table.add(receipt.subject, instant));
    receipt.markRow(group, row);
    for (let c = 0; c < columns.length; c++) {
      const column = columns[c]!;
      if (!column.enforced) {
        const waitMs = waitMsFor(column, found, charged, instant);
        if (waitMs !== 0) {
          receipt.shadowed = [...receipt.shadowed, shortfall(column.limit, waitMs)];
          continue;
        }
      }
      receipt.markWindow(group, c, column.charge(row, unitsOf(column.limit.measure, charged), instant));
      if (column.enforced && column.limit.delay !== undefined) {
        receipt.delayMs = Math.max(receipt.delayMs, (column as BucketColumn).delayMs(row));
      }
    }
  }

  debit(receipt: Receipt, more: Cost): boolean {
    const memory = receipt as MemoryReceipt;
    if (!memory.open) return false;
    if (!this.#fits(memory, more)) return false;
    this.#correct(memory, more, noCost);
    memory.charged = sum(memory.charged, more);
    return true;
  }

  #fits(receipt: MemoryReceipt, more: Cost): boolean {
    const instant = this.#readClock();
    for (const group of receipt.set.groups) {
      const row = receipt.rowNow(group);
      for (const charged of group.columns) {
        const column = this.#heir(receipt, group, charged);
        if (column === undefined || !column.enforced || unitsOf(column.limit.measure, more) === 0) continue;
        const cells = row < 0 ? undefined : group.table.cells(row);
        if (waitMsFor(column, cells, more, instant) !== 0) return false;
      }
    }
    return true;
  }

  settle(receipt: Receipt, actual: Cost): boolean {
    const memory = receipt as MemoryReceipt;
    if (!memory.open) return false;
    memory.open = false;
    this.#open--;
    this.#correct(memory, actual, memory.charged);
    this.#giveSlotsBack(memory);
    return true;
  }

  cancel(receipt: Receipt): boolean {
    return this.settle(receipt, noCost);
  }

  /**
   * Makes good the difference between what something cost and what was charged for it: what is missing is charged to the
   * current windows, what is too much is refunded to the windows charged. Slots stay.
   */
  #correct(receipt: MemoryReceipt, actual: Cost, charged: Cost): void {
    if (actual === charged) return;
    let instant: Instant | undefined;
    for (const group of receipt.set.groups) {
      const { table, columns } = group;
      let rowNow = -1;
      for (let c = 0; c < columns.length; c++) {
        const { lineage, limit } = columns[c]!;
        const units =
          columns[c] instanceof SlotsColumn ? 0 : unitsOf(limit.measure, actual) - unitsOf(limit.measure, charged);
        if (units === 0 || !receipt.wasCharged(group, c)) continue;
        const column = this.#heir(receipt, group, columns[c]!);
        if (column === undefined) continue;
        instant ??= this.#readClock();
        if (units < 0) {
          if (column.lineage !== lineage) continue;
          const row = receipt.rowCharged(group);
          const window = receipt.windowOf(group, c);
          const all = unitsOf(limit.measure, charged);
          if (row >= 0) column.refund(table.cells(row), -units, window, receipt.chargedAt, instant, all);
          continue;
        }
        if (rowNow < 0) rowNow = this.#rowToCharge(receipt, group, instant);
        column.charge(table.cells(rowNow), units, instant);
      }
    }
  }

  #rowToCharge(receipt: MemoryReceipt, group: Group, instant: Instant): number {
    const { table, columns } = group;
    if (receipt.rowCharged(group) >= 0) return receipt.rowCharged(group);
    let row = table.find(receipt.subject);
    if (row < 0) row = table.place(instant);
    if (row < 0) row = table.add(receipt.subject, instant);
    // A row without anything of it on it may be forgotten. What it charges from now on is on this one, and refunded to it.
    if (columns.every(({ limit }) => unitsOf(limit.measure, receipt.charged) === 0)) {
      receipt.markRow(group, table.cells(row));
    }
    return row;
  }

  #giveSlotsBack(receipt: MemoryReceipt): void {
    const { requests } = receipt.charged;
    // What was charged to a request that has slots already took none.
    if (requests === 0) return;
    for (const group of receipt.set.groups) {
      const { table, columns } = group;
      for (let c = 0; c < columns.length; c++) {
        const held = columns[c]!;
        if (!(held instanceof SlotsColumn) || !receipt.wasCharged(group, c)) continue;
        const column = this.#heir(receipt, group, held);
        // A row that holds a slot is never dropped, so it is still where it was.
        if (column?.lineage !== held.lineage) continue;
        (column as SlotsColumn).refund(table.cells(receipt.rowCharged(group)), requests);
      }
    }
  }

  peek(set: LimitSet, subject: Subject): LimitState[] {
    const instant = this.#readClock();
    const states: LimitState[] = [];
    for (const { table, columns } of this.#current(set).groups) {
      let row = table.find(subject);
      if (row < 0) row = table.place(instant);
      for (const column of columns) {
        states.push(row < 0 ? column.freshState() : column.state(table.cells(row), instant));
      }
    }
    return states;
  }

  stats(): { keys: number; open: number } {
    let keys = 0;
    for (const table of this.#tables.values()) keys += table.size;
    return { keys, open: this.#open };
  }
}

function shortfall(limit: Limit, retryAfterMs: number): Shortfall {
  return { admitted: false, limit, retryAfterMs };
}

/** @param cells undefined for a counter that does not exist yet */
function waitMsFor(column: Column, cells: Cells | undefined, cost: Cost, instant: Instant): number {
  const units = unitsOf(column.limit.measure, cost);
  return cells === undefined ? column.freshWaitMs(units) : column.waitMs(cells, units, instant);
}
