/**
 * Slots are never oversold, as the backends saw it (I12). What is allowed beside them is what docs/guarantees.md says of many
 * processes: a share of each while Redis is away, and the work of a process that was out of touch for so long that its lease
 * has lapsed.
 */
import type { Fault, History, Served, Violation } from '../history.js';
import { backendNames } from '../rules.js';
import { outOfTouch, stoodBefore, strangers } from './faults.js';

/** A backend notices a closed connection later than the gateway closes it, a busy one by so much, ms. */
const noticeMs = { aborted: 500, other: 25 } as const;
/** After Redis has lost what it knew, until every process has told it again, ms. */
const toldAgainMs = 5_000;

interface Running {
  readonly from: number;
  readonly to: number;
  readonly bound: number;
}

export function slotViolations(history: History): Violation[] {
  const { rules, served } = history;
  const backends = [...new Set(served.map(({ backend }) => backend))];
  return [
    ...backends.flatMap((name) =>
      oversold(
        history,
        `the ${rules.slots} slots of ${name}`,
        served.filter(({ backend }) => backend === name),
        rules.slots,
      ),
    ),
    ...oversold(history, `the ${rules.house} places of the limit on all backends`, served, rules.house),
  ];
}

function oversold(history: History, what: string, served: readonly Served[], amount: number): Violation[] {
  const running = served.map((one) => runningOf(history, one, amount)).filter(({ from, to }) => to > from);
  const edges = running
    .flatMap((one) => [
      { at: one.from, one, by: 1 },
      { at: one.to, one, by: -1 },
    ])
    .sort((a, b) => a.at - b.at || a.by - b.by);
  const open = new Set<Running>();
  for (const { at, one, by } of edges) {
    if (by < 0) {
      open.delete(one);
      continue;
    }
    open.add(one);
    const bound = Math.max(...[...open].map((other) => other.bound));
    if (open.size > bound) {
      return [
        { promise: 'slots are never oversold', what: `${open.size} requests at once in ${what}, at most ${bound}`, at },
      ];
    }
  }
  return [];
}

/** For how long a request counts, and how many there may be beside it. */
function runningOf(history: History, one: Served, amount: number): Running {
  const { rules, faults } = history;
  const lapseMs = (rules.leaseMs * 2) / 3;
  let to = one.to - (one.outcome === 'completed' ? noticeMs.other : noticeMs.aborted) - stoodBefore(faults, one.to);
  for (const { from, to: until } of outOfTouch(faults, one.gateway)) {
    if (until - from > lapseMs && one.from < until && to > from + lapseMs) to = from + lapseMs;
  }
  const everyone = rules.gateways * (amount === rules.slots ? amount : rules.slots * backendNames.length);
  // Where nobody counts a limit, each process still keeps to the slots of its backends.
  if (history.profile.onDown === 'open') return { from: one.from, to, bound: everyone };
  return { from: one.from, to, bound: Math.min(rules.gateways, timesOf(history, one)) * amount };
}

/** How many times the slots may be had while a request runs. */
function timesOf(history: History, { from, to }: Served): number {
  const { profile, rules, faults } = history;
  // Who is cut off in the moment in which Redis asks again what is held cannot tell, and comes last when it can.
  const isUntold = faults.some(
    (fault) =>
      fault.kind === 'redis-kill' &&
      !profile.durable &&
      from < fault.to + toldAgainMs &&
      to > fault.from &&
      faults.some(
        (other) => isOfWay(other) && other.from < fault.to + toldAgainMs && other.to > fault.to - toldAgainMs,
      ),
  );
  if (isUntold) return rules.gateways;
  return profile.onDown === 'closed' ? 1 : 2 + strangers(history);
}

/** Keeps one gateway from Redis, and not the others. */
function isOfWay({ kind, target }: Fault): boolean {
  return target !== 'redis' && (kind.startsWith('redis-') || kind === 'reply-lost' || kind === 'stall');
}
