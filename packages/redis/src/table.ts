/**
 * The limits that have their scope in common, and the row in which Redis keeps their counters: what the Lua files need to be
 * told of it, and how to read it. The format is described in lua/shared/row.lua.
 */
import { createHash } from 'node:crypto';
import type { Limit, Scope, Subject } from '@headgate/core';
import {
  BucketColumn,
  type Calendar,
  type CalendarUnit,
  type Cells,
  type Column,
  layOut,
  SlotsColumn,
} from '@headgate/core/store';
import { type Anchor, anchorOf, rowKey, tableName, tagOf } from './keys.js';
import { type Kind, type RowShape, readRow, widths } from './row.js';

const kinds = { 'token-bucket': 'b', rolling: 'r', calendar: 'c', slots: 's' } as const;

export interface TableOptions {
  readonly prefix: string;
  readonly calendarOf: (unit: CalendarUnit) => Calendar;
}

/** Four arguments of a script: head, kinds and flags, format of the numbers, limits in JSON. See lua/shared/row.lua. */
export interface Plan {
  readonly table: Table;
  /** By column of the table: what is asked of it. */
  readonly flags: string;
  /** @param wall now as far as known, epoch ms */
  words(wall: number): readonly [string, string, string, string];
}

export class Table implements RowShape {
  readonly per: readonly Scope[];
  readonly anchor: Anchor;
  /** In the order in which the row holds them; those of slots last. */
  readonly columns: readonly Column[];
  readonly names: readonly string[];
  readonly head: Buffer;
  readonly doubles: number;
  readonly rolling: number;
  /** Whether rows have more than numbers: entries of rolling windows, or holders of slots. */
  readonly hasTail: boolean;
  /** Columns of slots, the last ones. */
  readonly slots: number;
  readonly #options: TableOptions;
  readonly #name: string;
  readonly #format: string;
  readonly #plans = new Map<string, Plan>();
  #limits = '';
  /** From when and until when the limits are right, epoch ms: calendar windows begin and end. */
  #limitsFrom = 0;
  #limitsUntil = Number.NEGATIVE_INFINITY;

  constructor(limits: readonly Limit[], options: TableOptions) {
    const ordered = [...limits].sort((a, b) => Number(a.algorithm === 'slots') - Number(b.algorithm === 'slots'));
    const { columns, doubles, rolling } = layOut(ordered, options.calendarOf);
    this.per = limits[0]!.per;
    this.anchor = anchorOf(this.per);
    this.columns = columns;
    this.names = columns.map(({ limit }) => columnName(limit));
    this.head = Buffer.from(`h3${this.#mark()}${this.names.join('')};`, 'latin1');
    this.doubles = doubles;
    this.rolling = rolling;
    this.hasTail = this.names.some((name) => name[0] === 'r' || name[0] === 's');
    this.#options = options;
    this.#name = tableName(this.per, limits[0]!.tier);
    this.slots = columns.filter((column) => column instanceof SlotsColumn).length;
    const numbers = this.names.reduce((sum, name) => sum + widths[name[0] as Kind], this.slots > 0 ? 2 : 1);
    this.#format = `<${'d'.repeat(numbers)}`;
  }

  /** Of all that a row keeps of its limits. */
  #mark(): string {
    const kept = this.columns.map(({ capacity, limit }, i) => [this.names[i], capacity, limit.amount, limit.periodMs]);
    return hash(JSON.stringify(kept), 8);
  }

  tag(subject: Subject): string {
    return tagOf(this.anchor, subject);
  }

  key(subject: Subject): string {
    return rowKey(this.#options.prefix, this.#name, this.per, subject);
  }

  /** @param flags one digit a column, as charge.lua reads them */
  plan(flags: string): Plan {
    let plan = this.#plans.get(flags);
    if (plan === undefined) {
      const head = this.head.toString('latin1');
      const kinds = this.names.map((name, i) => name[0]! + flags[i]!).join('');
      plan = { table: this, flags, words: (wall) => [head, kinds, this.#format, this.#limitsAt(wall)] };
      this.#plans.set(flags, plan);
    }
    return plan;
  }

  #limitsAt(wall: number): string {
    if (wall < this.#limitsFrom || wall >= this.#limitsUntil) {
      this.#limitsFrom = Number.NEGATIVE_INFINITY;
      this.#limitsUntil = Number.POSITIVE_INFINITY;
      this.#limits = JSON.stringify(this.columns.flatMap((column) => this.#numbersOf(column, wall)));
    }
    return this.#limits;
  }

  #numbersOf(column: Column, wall: number): number[] {
    const { capacity, limit } = column;
    if (column instanceof BucketColumn) return [capacity, column.rate];
    if (limit.algorithm === 'rolling') return [capacity, limit.periodMs];
    if (limit.algorithm !== 'calendar') return [capacity];
    const windows = this.#options.calendarOf(limit.calendar ?? 'day');
    const { start, end } = windows.at(wall);
    // Worked out anew when the window is over; the one after it is told too, since the server may be there first.
    this.#limitsFrom = Math.max(this.#limitsFrom, start);
    this.#limitsUntil = Math.min(this.#limitsUntil, end);
    return [capacity, start, end, windows.at(end).end];
  }

  /** The counters of a row as the arithmetic reads them; undefined when there is no row. */
  cells(raw: Buffer, isBare: boolean, now: number): Cells | undefined {
    if (raw.length === 0) return undefined;
    const cells = readRow(raw, isBare, this, now);
    for (const { at, limit } of this.columns) {
      if (limit.algorithm !== 'calendar') continue;
      // As in lua/shared/calendar.lua: a window beyond the next was written by a clock that was set far ahead.
      const { start, end } = this.#options.calendarOf(limit.calendar ?? 'day').at(now);
      if (cells.doubles[at]! > end) cells.doubles[at] = start;
    }
    return cells;
  }
}

/**
 * A limit's counter goes by its name; one that counts something else, or in windows of another length, is another counter. Seven characters of a
 * hash: 42 bits, against a handful of limits in one row.
 */
export function columnName({ name, measure, algorithm, periodMs, calendar }: Limit): string {
  const identity = JSON.stringify([name, measure, algorithm === 'rolling' ? periodMs : calendar]);
  return kinds[algorithm] + hash(identity, 7);
}

function hash(text: string, length: number): string {
  return createHash('sha256').update(text).digest('base64url').slice(0, length);
}
