/** What becomes of charges: slots that were taken are renewed, and what was wrong when it ended is written. */
import type { Cost } from '@headgate/core';
import { noCost, SlotsColumn, unitsOf } from '@headgate/core/store';
import type { Holder, Holds } from './holds.js';
import type { Journal } from './journal.js';
import { tagIn } from './keys.js';
import type { Charge } from './receipt.js';

export class Endings {
  readonly #holds: Holds;
  readonly #journal: Journal;

  constructor(holds: Holds, journal: Journal) {
    this.#holds = holds;
    this.#journal = journal;
  }

  /** Notes the slots that were taken, so that they are renewed. */
  begin({ part, keys, leases, windows, cost }: Charge, holder: Holder): void {
    let at = 0;
    for (const [g, { table }] of part.groups.entries()) {
      const first = at + table.columns.length - table.slots;
      at += table.columns.length;
      if (leases[g] === 0) continue;
      const units = Array.from(windows.subarray(first, at), (window) => (Number.isNaN(window) ? 0 : cost.requests));
      if (units.some((some) => some > 0)) this.#holds.take(keys[g]!, table, leases[g]!, holder, units);
    }
  }

  /** As if they had never been. */
  takeBack(charges: readonly Charge[]): void {
    for (const one of charges) this.end(one, one.cost, noCost);
  }

  /**
   * Hands to the journal by how much a charge was wrong; nothing when it was not. Slots are given back.
   * @param holder whose slots they are, once they were noted
   * @param doubted what may have been charged beyond, and is not charged once more
   */
  end(one: Charge, charged: Cost, actual: Cost, holder?: Holder, doubted = noCost): Promise<boolean>[] {
    const written: Promise<boolean>[] = [];
    let w = 0;
    for (const [g, { table }] of one.part.groups.entries()) {
      const key = one.keys[g]!;
      const lease = holder === undefined || one.leases[g] === 0 ? one.leases[g]! : this.#holds.give(key, holder);
      const parts: number[] = [];
      for (const [i, column] of table.columns.entries()) {
        const window = one.windows[w++]!;
        const { measure } = column.limit;
        const isSlots = column instanceof SlotsColumn;
        const difference = (isSlots ? 0 : unitsOf(measure, actual)) - unitsOf(measure, charged);
        const more = difference > 0 ? Math.max(0, difference - unitsOf(measure, doubted)) : difference;
        // Slots that were lost are not given back a second time.
        if (more !== 0 && !Number.isNaN(window) && !(isSlots && lease === 0))
          parts.push(i + 1, more, window, unitsOf(measure, charged));
      }
      if (parts.length === 0) continue;
      const ending = { key, table, birth: one.births[g]!, lease, chargedAt: one.at, parts };
      const done = this.#journal.add(tagIn(key), ending);
      written.push(lease === 0 ? done : this.#holds.during(key, done));
    }
    return written;
  }
}
