/**
 * Rolling window, conservative: the period is cut into 60 sub-buckets and a decision sums the last 61, so every stretch of
 * one period lies inside what is summed and never holds more than the limit. Price: up to one sub-bucket's worth is held
 * back a sub-bucket longer than it must. (The usual two-counter approximation lets 199 of 100 through in the worst case.)
 *
 * Only sub-buckets that hold something are kept: `[index, units, index, units, ...]`, oldest first.
 */

export const subBuckets = 60;

/** The counts of one limit for one subject. `total` is their sum, kept so that a decision does not add 61 numbers. */
export interface RollingWindow {
  total: number;
  readonly counts: number[];
}

export function subBucketMs(periodMs: number): number {
  return periodMs / subBuckets;
}

/** Index of the sub-bucket that holds `now`. */
export function subBucketAt(now: number, periodMs: number): number {
  return Math.floor(now / subBucketMs(periodMs));
}

/** Forgets what no longer counts at `now`. */
export function rollForward(window: RollingWindow, now: number, periodMs: number): void {
  const { counts } = window;
  const oldest = subBucketAt(now, periodMs) - subBuckets;
  let gone = 0;
  while (gone < counts.length && counts[gone]! < oldest) {
    window.total -= counts[gone + 1]!;
    gone += 2;
  }
  if (gone > 0) counts.splice(0, gone);
  if (counts.length === 0) window.total = 0;
}

/** A window that holds its first charge. */
export function rollingStart(units: number, now: number, periodMs: number): RollingWindow {
  return { total: units, counts: [subBucketAt(now, periodMs), units] };
}

/** Adds units to the sub-bucket of `now` and returns its index, which a later refund names. */
export function rollingAdd(window: RollingWindow, units: number, now: number, periodMs: number): number {
  const index = subBucketAt(now, periodMs);
  const { counts } = window;
  const last = counts.length - 2;
  // A clock that went back adds to the newest sub-bucket: it frees nothing early.
  if (last >= 0 && counts[last]! >= index) counts[last + 1]! += units;
  else counts.push(index, units);
  window.total += units;
  return last >= 0 && counts[last]! >= index ? counts[last]! : index;
}

/** Takes units back from the sub-bucket they were charged to; from nowhere when it has passed out of the window. */
export function rollingRefund(window: RollingWindow, units: number, index: number): void {
  const { counts } = window;
  for (let i = 0; i < counts.length; i += 2) {
    if (counts[i] !== index) continue;
    const taken = Math.min(units, counts[i + 1]!);
    counts[i + 1]! -= taken;
    window.total -= taken;
    return;
  }
}

/**
 * Whole ms until `cost` fits under `limit`; 0 now, Infinity never. The window must have been rolled forward to `now`.
 * Exact: one millisecond earlier the same test fails.
 */
export function rollingWaitMs(
  window: RollingWindow,
  cost: number,
  limit: number,
  now: number,
  periodMs: number,
): number {
  if (window.total + cost <= limit) return 0;
  if (cost > limit) return Number.POSITIVE_INFINITY;
  let left = window.total;
  for (let i = 0; i < window.counts.length; i += 2) {
    left -= window.counts[i + 1]!;
    if (left + cost <= limit) return leavesInMs(window.counts[i]!, now, periodMs);
  }
  return Number.POSITIVE_INFINITY;
}

/** Whole ms until nothing counts any more. */
export function rollingFreeMs(window: RollingWindow, now: number, periodMs: number): number {
  const { counts } = window;
  let newest = counts.length - 2;
  // What was refunded whole holds nothing any more.
  while (newest >= 0 && counts[newest + 1] === 0) newest -= 2;
  return newest < 0 ? 0 : leavesInMs(counts[newest]!, now, periodMs);
}

/** Whole ms until the sub-bucket is no longer summed. */
function leavesInMs(index: number, now: number, periodMs: number): number {
  const outAt = index + subBuckets + 1;
  let waitMs = Math.max(1, Math.ceil(outAt * subBucketMs(periodMs) - now));
  while (subBucketAt(now + waitMs, periodMs) < outAt) waitMs++;
  while (waitMs > 1 && subBucketAt(now + waitMs - 1, periodMs) >= outAt) waitMs--;
  return waitMs;
}
