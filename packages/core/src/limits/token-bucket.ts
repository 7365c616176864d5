/**
 * Token bucket: `level` units at instant `at`, refilled at a constant rate up to a capacity. Kept as two doubles, never as an
 * integer emission interval: at token rates an interval is a few microseconds and truncating it admits several percent too
 * much. The level may go below zero (debt), which only ever delays.
 *
 * Bound: no more than capacity + rate x time in any interval. Equivalent to GCRA (ITU-T I.371) with a weighted cost.
 * Instants are whole milliseconds of a clock that never steps, so the arithmetic below is exact to one part in 1e9.
 */

/** Slack against rounding, as a share of the capacity. */
const slack = 1e-9;

export function bucketLevel(level: number, at: number, rate: number, capacity: number, now: number): number {
  if (now <= at) return level;
  const refilled = level + (now - at) * rate;
  return Math.min(refilled, capacity);
}

export function bucketAdmits(level: number, cost: number, capacity: number): boolean {
  return level >= cost - capacity * slack;
}

/**
 * Whole ms until a refilled bucket at `level` admits `cost`; 0 now, Infinity never (the cost exceeds the capacity).
 * Exact: one millisecond earlier the same test fails.
 */
export function bucketWaitMs(level: number, cost: number, rate: number, capacity: number): number {
  const needed = cost - capacity * slack;
  if (level >= needed) return 0;
  if (cost > capacity * (1 + slack)) return Number.POSITIVE_INFINITY;
  let waitMs = Math.ceil((needed - level) / rate);
  // A debt of geological size: milliseconds are no longer counted one by one.
  if (waitMs > Number.MAX_SAFE_INTEGER) return waitMs;
  while (level + waitMs * rate < needed) waitMs++;
  while (waitMs > 1 && level + (waitMs - 1) * rate >= needed) waitMs--;
  return waitMs;
}

/**
 * How many of `units` that were charged a refund may give back: those that time has not given back yet. Counting them twice
 * would let capacity + units through at once. Short, never generous: a bucket that was busy all the while gets everything back,
 * one that was idle nothing it would have had anyway.
 *
 * What is given back is as if it had never been charged, if that is a history of a bucket too: one that is never above its
 * capacity. Two bounds hold. The room that the charge left, less all that came in since. And `charged`, less what came in by time:
 * where it was all that came in, not more than that can have been lost at the brim without the charge. Refunds came in too, but of
 * a later charge there was the charge before, and of earlier ones what had been charged before this one was.
 * @param charged to the same request in all, at the instant of the charge and since
 * @param refundedSince of all charges
 */
export function bucketRefund(
  units: number,
  charged: number,
  levelCharged: number,
  elapsedMs: number,
  refundedSince: number,
  rate: number,
  capacity: number,
): number {
  const left = Math.max(charged, capacity - levelCharged - refundedSince) - elapsedMs * rate;
  return left >= units - capacity * slack ? units : Math.max(0, left);
}

/** Whole ms until the bucket is full again. */
export function bucketFullMs(level: number, rate: number, capacity: number): number {
  return level >= capacity ? 0 : Math.ceil((capacity - level) / rate);
}
