/**
 * What becomes of a counter when the policy changes. Counters survive by the name of their limit, as long as it counts the
 * same measure for the same scope and tier: what was used stays used, whatever the amount is now.
 *
 *   amount, burst or mode changed        the counter goes on as it is, and receipts find it
 *   rate, period or algorithm changed    what is in use at this instant is charged on a fresh counter. What was charged
 *                                        before is not refunded any more: no window of the new counter holds it
 */
import { BucketColumn } from './bucket-column.js';
import { type Cells, type Column, type Instant, RollingColumn } from './columns.js';

/** Whether the numbers of one column mean the same in the other, but for the capacity. */
export function isSameCounter(from: Column, to: Column): boolean {
  const [before, after] = [from.limit, to.limit];
  if (before.measure !== after.measure || before.algorithm !== after.algorithm) return false;
  if (from instanceof BucketColumn) return from.rate === (to as BucketColumn).rate;
  return before.periodMs === after.periodMs && from.calendar === to.calendar;
}

/** Writes into the new row what the old one holds of the limit. */
export function carry(from: Column, old: Cells, to: Column, fresh: Cells, instant: Instant): void {
  if (from.lineage === to.lineage) {
    copy(from, old, to, fresh);
    return;
  }
  to.clear(fresh, instant);
  const used = from.capacity - from.state(old, instant).remaining * from.scale;
  const units = from.scale === 1 ? used : Math.round(used);
  if (units > 0) to.charge(fresh, units, instant);
}

function copy(from: Column, old: Cells, to: Column, fresh: Cells): void {
  if (from instanceof RollingColumn) fresh.windows![(to as RollingColumn).index] = old.windows?.[from.index];
  const [source, target] = [old.offset + from.at, fresh.offset + to.at];
  for (let i = 0; i < from.width; i++) fresh.doubles[target + i] = old.doubles[source + i]!;
  if (!(from instanceof BucketColumn)) return;
  // A level counts what is left, so another capacity moves it, and with it the refunds that are seen beside it.
  const more = to.capacity - from.capacity;
  fresh.doubles[target]! += more;
  fresh.doubles[target + 2]! += more;
}
