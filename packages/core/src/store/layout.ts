/** Which limits share a row, and how their columns lie in it. For every store that keeps rows. */
import type { Calendar, CalendarUnit } from '../limits/calendar-window.js';
import type { Limit } from '../model.js';
import { BucketColumn } from './bucket-column.js';
import { CalendarColumn, type Column, RollingColumn, SlotsColumn } from './columns.js';

/** Limits of one scope and one tier share rows, whatever the order in which their scopes are written. */
export function tableKey(limit: Limit): string {
  return `${[...limit.per].sort().join('+')} of ${limit.tier ?? ''}`;
}

export function groupBy<T>(items: readonly T[], keyOf: (item: T) => string): Map<string, T[]> {
  const groups = new Map<string, T[]>();
  for (const item of items) {
    const key = keyOf(item);
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [item]);
    else group.push(item);
  }
  return groups;
}

export interface Layout {
  /** In the order of the limits given. */
  readonly columns: readonly Column[];
  /** Doubles of a row. */
  readonly doubles: number;
  /** Rolling windows of a row. */
  readonly rolling: number;
}

/** @param calendarOf the calendar of a unit in the policy's time zone */
export function layOut(limits: readonly Limit[], calendarOf: (unit: CalendarUnit) => Calendar): Layout {
  const columns: Column[] = [];
  let doubles = 0;
  let rolling = 0;
  for (const limit of limits) {
    const column = columnOf(limit, doubles, rolling, calendarOf);
    doubles += column.width;
    if (column instanceof RollingColumn) rolling++;
    columns.push(column);
  }
  return { columns, doubles, rolling };
}

function columnOf(limit: Limit, at: number, rolling: number, calendarOf: (unit: CalendarUnit) => Calendar): Column {
  switch (limit.algorithm) {
    case 'token-bucket':
      return new BucketColumn(limit, at);
    case 'rolling':
      return new RollingColumn(limit, at, rolling);
    case 'calendar':
      return new CalendarColumn(limit, at, calendarOf(limit.calendar ?? 'day'));
    case 'slots':
      return new SlotsColumn(limit, at);
  }
}

/** Whether a refusal that lasts this long is to be told rather than the other: never outlasts any wait, a wait the unknown one of a slot. */
export function isLonger(waitMs: number, thanMs: number): boolean {
  return Number.isNaN(thanMs) || waitMs > thanMs;
}
