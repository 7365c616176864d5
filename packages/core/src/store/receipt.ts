/** What the memory store remembers of a reservation: which rows and which windows were charged, and with how much. */
import type { Column } from './columns.js';
import type { Cost, LimitSet, Receipt, Shortfall, Subject } from './store.js';
import type { Row, Table } from './table.js';

/** The limits of a set that live in one table. */
export interface Group {
  readonly table: Table;
  readonly columns: readonly Column[];
  /** Index of the group's first mark in a receipt. */
  readonly at: number;
}

export interface MemorySet extends LimitSet {
  readonly groups: readonly Group[];
  /** The marks of a receipt that nothing was charged on yet: copied for each, so that a receipt is two objects however many limits. */
  readonly unmarked: readonly number[];
  /** Which configuration of the store its columns are of. */
  readonly epoch: number;
  /** The same limits as they are since. */
  renewed: MemorySet | undefined;
}

const noShortfalls: readonly Shortfall[] = [];
/** Stands in place of the window of a column that was not charged: a shadow limit without room. */
const uncharged = Number.NaN;
/** Marks of a group before those of its columns: the row charged, and the row's birth, since one that is forgotten and comes back is another. */
const rowMarks = 2;

/** The marks of a set's groups, and where those of the next group begin. */
export function marksOf(columns: number): number {
  return rowMarks + columns;
}

export function unmarked(marks: number): readonly number[] {
  return Array.from({ length: marks }, () => uncharged);
}

export class MemoryReceipt implements Receipt {
  readonly admitted = true;
  readonly set: MemorySet;
  readonly subject: Subject;
  charged: Cost;
  /** When, on the store's clock, ms. */
  readonly chargedAt: number;
  shadowed = noShortfalls;
  delayMs = 0;
  open = true;
  /** By group: row, birth, and the window charged of each column. */
  readonly #marks: number[];

  constructor(set: MemorySet, subject: Subject, charged: Cost, chargedAt: number) {
    this.set = set;
    this.subject = subject;
    this.charged = charged;
    this.chargedAt = chargedAt;
    this.#marks = set.unmarked.slice();
  }

  markRow({ at }: Group, row: Row): void {
    this.#marks[at] = row.place;
    this.#marks[at + 1] = row.birth;
  }

  markWindow({ at }: Group, column: number, window: number): void {
    this.#marks[at + rowMarks + column] = window;
  }

  wasCharged({ at }: Group, column: number): boolean {
    return !Number.isNaN(this.#marks[at + rowMarks + column]);
  }

  windowOf({ at }: Group, column: number): number {
    return this.#marks[at + rowMarks + column]!;
  }

  /** The row charged; -1 when it was forgotten, and then there is nothing to take back. */
  rowCharged({ at, table }: Group): number {
    const row = this.#marks[at]!;
    return table.birthOf(row) === this.#marks[at + 1] ? row : -1;
  }

  /** The row of the same subject now; -1 when it has none. */
  rowNow(group: Group): number {
    const row = this.rowCharged(group);
    return row >= 0 ? row : group.table.find(this.subject);
  }
}
