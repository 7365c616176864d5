/** Which limits share a row, and which rows are decided on together. */
import type { Limit } from '@headgate/core';
import { Calendars, type CalendarUnit, type Column, groupBy, tableKey } from '@headgate/core/store';
import { partOf } from './charging.js';
import { anchors } from './keys.js';
import type { Group, RedisSet } from './receipt.js';
import { Table } from './table.js';

export class Tables {
  readonly #prefix: string;
  readonly #isCluster: boolean;
  readonly #calendars = new Calendars();
  #tables = new Map<string, Table>();

  constructor(prefix: string, isCluster: boolean) {
    this.#prefix = prefix;
    this.#isCluster = isCluster;
  }

  configure(limits: readonly Limit[], timeZone: string): void {
    const options = { prefix: this.#prefix, calendarOf: (unit: CalendarUnit) => this.#calendars.of(unit, timeZone) };
    const groups = [...groupBy(limits, tableKey)];
    this.#tables = new Map(groups.map(([key, group]) => [key, new Table(group, options)]));
  }

  prepare(limits: readonly Limit[]): RedisSet {
    const columns: Column[] = [];
    const groups = [...groupBy(limits, tableKey)].map(([key, group]): Group => {
      const table = this.#tables.get(key)!;
      const asked = group.map(({ name }) => table.columns.find(({ limit }) => limit.name === name)!);
      const places = table.columns.map((column) => {
        const place = asked.indexOf(column);
        return place < 0 ? -1 : columns.length + place;
      });
      columns.push(...asked);
      return { table, places };
    });
    // In a Cluster only what has its anchor in common lives together.
    const together = this.#isCluster ? anchors.map((anchor) => groups.filter(isAt(anchor))) : [groups];
    const parts = together.filter((some) => some.length > 0).map(partOf);
    return { limits, columns, parts, hot: undefined };
  }
}

const isAt =
  (anchor: string) =>
  ({ table }: Group): boolean =>
    table.anchor === anchor;
