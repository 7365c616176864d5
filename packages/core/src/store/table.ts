/**
 * The counters of all limits that share a scope: one row per subject, all its limits side by side, so that a decision over
 * six limits is one look-up. Rows live in slabs of doubles, a key costs one map entry and its doubles, nothing else.
 *
 * Bounded: at most `rowsMax` rows. A newcomer to a full table takes the row of the subject that loses least by being
 * forgotten, seen over a sample; a row that is over a limit or holds a slot is never taken. When the sample has none to
 * give, newcomers share one row until one is free: a flood of new names frees nobody.
 */
import type { RollingWindow } from '../limits/rolling-window.js';
import type { Scope } from '../model.js';
import { carry, isSameCounter } from './carry.js';
import type { Cells, Column, Instant } from './columns.js';
import { Directory } from './directory.js';
import type { Subject } from './store.js';

const slabRows = 1024;
/** Rows looked at for each new row: a few in any case, so that idle ones go away by themselves, more when the table is full. */
const sweepRows = 2;
const sampleRows = 32;

/** Before its counters a row keeps a number that no other row ever had, so that a receipt can tell it from a later one in the same place. */
const birthWidth = 1;

/** A row as it is looked at. */
export class Row implements Cells {
  /** Its place in the table. */
  place = 0;
  doubles!: Float64Array;
  offset = 0;
  windows: (RollingWindow | undefined)[] | undefined;

  get birth(): number {
    return this.doubles[this.offset - birthWidth]!;
  }
}

/** Where the rows of a table are. */
interface Slabs {
  readonly stride: number;
  readonly slabs: readonly Float64Array[];
  readonly windows: readonly (RollingWindow | undefined)[][];
}

function look(view: Row, row: number, { stride, slabs, windows }: Slabs): void {
  view.place = row;
  view.doubles = slabs[row >>> 10]!;
  view.offset = (row & (slabRows - 1)) * stride + birthWidth;
  view.windows = windows[row];
}

let lineages = 0;

/** Tables hold one scope and one tier, so what is left to compare is the name and what it counts. */
function isAncestor({ limit: before }: Column, { limit: after }: Column): boolean {
  return before.name === after.name && before.measure === after.measure;
}

export class Table {
  columns: readonly Column[] = [];
  #stride = birthWidth;
  #rolling = 0;
  #rowsMax = 0;
  readonly #directory: Directory;
  /** The row that newcomers share when there is no room for one of their own; -1 when there is none. */
  #shared = -1;
  /** Rows that have a place in the slabs, in use or free. */
  #places = 0;
  #born = 0;
  #slabs: Float64Array[] = [];
  #windows: (RollingWindow | undefined)[][] = [];
  readonly #free: number[] = [];
  /** Reused for every look-up: a view costs nothing to make this way. */
  readonly #view = new Row();
  #hand = 0;
  /** Row that the next newcomer takes over, between `place` and `add`. */
  #victim = -1;

  constructor(per: readonly Scope[]) {
    this.#directory = new Directory(per);
  }

  /**
   * Takes up these columns in place of those before, which hand over to the one of the same name. Rows keep their places
   * and births, so that a receipt finds what it charged.
   * @param rolling how many of the columns are rolling windows
   */
  layOut(columns: readonly Column[], rolling: number, rowsMax: number, instant: Instant): void {
    const before = this.columns;
    const ancestors = columns.map((column) => before.find((one) => isAncestor(one, column)));
    columns.forEach((column, i) => {
      const ancestor = ancestors[i];
      column.lineage = ancestor !== undefined && isSameCounter(ancestor, column) ? ancestor.lineage : ++lineages;
    });
    const isSame = (column: Column, i: number): boolean =>
      column.lineage === before[i]?.lineage && column.capacity === before[i].capacity;
    this.#rowsMax = rowsMax;
    this.columns = columns;
    if (columns.length === before.length && columns.every(isSame)) return;
    const old = { stride: this.#stride, slabs: this.#slabs, windows: this.#windows };
    this.#rolling = rolling;
    this.#stride = columns.reduce((sum, column) => sum + column.width, birthWidth);
    this.#slabs = old.slabs.map(() => new Float64Array(slabRows * this.#stride));
    this.#windows = [];
    this.#moveRows(ancestors, old, instant);
  }

  #moveRows(ancestors: readonly (Column | undefined)[], old: Slabs, instant: Instant): void {
    const from = new Row();
    for (let row = 0; row < this.#places; row++) {
      look(from, row, old);
      const birth = from.birth;
      this.#setBirth(row, birth);
      if (this.#rolling > 0) this.#windows[row] = birth === 0 ? [] : new Array(this.#rolling).fill(undefined);
      if (birth === 0) continue;
      const to = this.cells(row);
      this.columns.forEach((column, i) => {
        const ancestor = ancestors[i];
        if (ancestor === undefined) column.clear(to, instant);
        else carry(ancestor, from, column, to, instant);
      });
    }
  }

  get size(): number {
    return this.#directory.size + (this.#shared < 0 ? 0 : 1);
  }

  /** The row of a subject, or -1 when it has none. */
  find(subject: Subject): number {
    return this.#directory.find(subject);
  }

  /** Tells one row from another that had its place before; 0 when the place is empty. */
  birthOf(row: number): number {
    return this.#slabs[row >>> 10]![(row & (slabRows - 1)) * this.#stride]!;
  }

  #setBirth(row: number, birth: number): void {
    this.#slabs[row >>> 10]![(row & (slabRows - 1)) * this.#stride] = birth;
  }

  /** A view of the row, valid until the next call on this table. */
  cells(row: number): Row {
    const view = this.#view;
    view.place = row;
    view.doubles = this.#slabs[row >>> 10]!;
    view.offset = (row & (slabRows - 1)) * this.#stride + birthWidth;
    view.windows = this.#rolling > 0 ? this.#windows[row] : undefined;
    return view;
  }

  /**
   * Where a subject without a row would be charged: the shared row when the table has no room and it exists, else -1 for a
   * fresh one. `add` must follow before anything else if the newcomer is charged.
   */
  place(instant: Instant): number {
    this.#victim = -1;
    if (this.size < this.#rowsMax) return -1;
    this.#victim = this.#leastLoss(instant);
    return this.#victim >= 0 ? -1 : this.#shared;
  }

  /** A fresh row for a subject that has none and was placed. */
  add(subject: Subject, instant: Instant): number {
    if (this.size < this.#rowsMax) this.#sweep(instant);
    else if (this.#victim >= 0) this.#drop(this.#victim);
    else {
      this.#shared = this.#fresh(instant);
      return this.#shared;
    }
    this.#victim = -1;
    const row = this.#fresh(instant);
    this.#directory.enter(row, subject);
    return row;
  }

  #fresh(instant: Instant): number {
    const row = this.#free.pop() ?? this.#places++;
    if (row >>> 10 === this.#slabs.length) this.#slabs.push(new Float64Array(slabRows * this.#stride));
    this.#setBirth(row, ++this.#born);
    if (this.#rolling > 0) this.#windows[row] = new Array(this.#rolling).fill(undefined);
    const cells = this.cells(row);
    for (const column of this.columns) column.clear(cells, instant);
    return row;
  }

  #drop(row: number): void {
    if (row === this.#shared) this.#shared = -1;
    else this.#directory.strike(row);
    this.#setBirth(row, 0);
    if (this.#rolling > 0) this.#windows[row] = [];
    this.#free.push(row);
  }

  #inUse(row: number): boolean {
    return row === this.#shared || this.#directory.has(row);
  }

  #usedShare(row: number, instant: Instant): number {
    const cells = this.cells(row);
    let most = 0;
    for (const column of this.columns) {
      const share = column.usedShare(cells, instant);
      if (share > most) most = share;
    }
    return most;
  }

  /** Drops the next few rows whose counters are as good as fresh. */
  #sweep(instant: Instant): void {
    for (let i = 0; i < sweepRows && this.#places > 0; i++) {
      const row = this.#step();
      if (this.#inUse(row) && this.#usedShare(row, instant) === 0) this.#drop(row);
    }
  }

  #step(): number {
    this.#hand = this.#hand + 1 >= this.#places ? 0 : this.#hand + 1;
    return this.#hand;
  }

  /** The row of a sample that loses least by being forgotten; -1 when none may be. */
  #leastLoss(instant: Instant): number {
    let found = -1;
    let least = 1;
    for (let i = 0; i < sampleRows; i++) {
      const row = this.#step();
      if (!this.#directory.has(row)) continue;
      const share = this.#usedShare(row, instant);
      if (share === 0) return row;
      if (share < least) {
        least = share;
        found = row;
      }
    }
    return found;
  }
}
