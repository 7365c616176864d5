/** Limits let through what they say, over all processes (I8), and what docs/guarantees.md allows while Redis is away. */
import type { Granted, History, Settled, Violation } from '../history.js';
import { strangers } from './faults.js';

/** Between the decision in Redis and the instant that a busy gateway writes down for it, ms. */
const writtenLateMs = 300;

export function limitViolations(history: History): Violation[] {
  const { told, profile } = history;
  if (profile.onDown === 'open') return [];
  const settled = new Map<string, Settled>();
  const cancelled = new Set<string>();
  for (const line of told) {
    if (line.type === 'settled') settled.set(keyOf(line), line);
    else if (line.type === 'cancelled') cancelled.add(keyOf(line));
  }
  const violations: Violation[] = [];
  for (const [identity, all] of byIdentity(told.filter((line) => line.type === 'admitted'))) {
    // What was taken back is as if it had not been, and a process that stood still writes down its decisions late.
    const grants = all
      .filter((grant) => !cancelled.has(keyOf(grant)) && !stoodStill(history, grant))
      .sort((a, b) => a.decidedAt - b.decidedAt);
    if (identity.startsWith('paced')) violations.push(...bucketViolations(history, identity, grants));
    if (identity.startsWith('spender')) violations.push(...windowViolations(history, identity, grants, settled));
  }
  return violations;
}

/** The ids of permits are unique in a process only. */
export function keyOf({ life, permit }: { readonly life: string; readonly permit?: string }): string {
  return `${life} ${permit}`;
}

function byIdentity(grants: readonly Granted[]): Map<string, Granted[]> {
  const groups = new Map<string, Granted[]>();
  for (const grant of grants) {
    const group = groups.get(grant.identity);
    if (group === undefined) groups.set(grant.identity, [grant]);
    else group.push(grant);
  }
  return groups;
}

function stoodStill({ faults }: History, { life, decidedAt }: Granted): boolean {
  return faults.some(
    ({ kind, target, from, to }) =>
      kind === 'stall' &&
      life.startsWith(`${target}#`) &&
      decidedAt > from - writtenLateMs &&
      decidedAt < to + writtenLateMs,
  );
}

/** Times that the whole amount may be let through: anew when Redis forgot, and by those who count alone. */
function allowed(history: History): { readonly amounts: number; readonly rates: number } {
  const { profile, faults } = history;
  const begun = 1 + (profile.durable ? 0 : faults.filter(({ kind }) => kind === 'redis-kill').length);
  if (profile.onDown === 'closed') return { amounts: begun, rates: 1 };
  const strange = strangers(history);
  return { amounts: 2 * begun + strange, rates: 2 + strange };
}

/** No more than burst + rate x time in any stretch. */
function bucketViolations(history: History, identity: string, grants: readonly Granted[]): Violation[] {
  const { burst, perSecond } = history.rules.bucket;
  const { amounts, rates } = allowed(history);
  const perMs = (perSecond * rates) / 1000;
  const bound = burst * amounts + perMs * 2 * writtenLateMs;
  // Of all stretches that end here, the fullest one begins where this is least.
  let least = Number.POSITIVE_INFINITY;
  for (const [index, { decidedAt }] of grants.entries()) {
    least = Math.min(least, index - perMs * decidedAt);
    const most = index + 1 - perMs * decidedAt - least;
    if (most > bound + 1e-6) {
      const what = `${identity} got ${(most - bound).toFixed(1)} requests more than ${burst} at once and ${perSecond}/s`;
      return [{ promise: 'limits hold', what, at: decidedAt }];
    }
  }
  return [];
}

/** No more than the amount in any window; what an answer used beyond what was set aside for it is debt, and comes on top. */
function windowViolations(
  history: History,
  identity: string,
  grants: readonly Granted[],
  settled: ReadonlyMap<string, Settled>,
): Violation[] {
  const { tokens, periodMs } = history.rules.window;
  const { amounts } = allowed(history);
  const lengthMs = periodMs - 2 * writtenLateMs;
  const costs = grants.map((grant) => {
    const end = settled.get(keyOf(grant));
    return end === undefined ? 0 : Math.min(end.charged, end.reserved);
  });
  let sum = 0;
  let first = 0;
  for (const [index, { decidedAt }] of grants.entries()) {
    sum += costs[index]!;
    while (decidedAt - grants[first]!.decidedAt > lengthMs) sum -= costs[first++]!;
    if (sum > tokens * amounts) {
      const what = `${identity} was let through ${sum} tokens within ${periodMs} ms, at most ${tokens * amounts}`;
      return [{ promise: 'limits hold', what, at: decidedAt }];
    }
  }
  return [];
}
