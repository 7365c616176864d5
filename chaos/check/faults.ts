/** Which faults keep a gateway from what. */
import type { Fault, History } from '../history.js';

const cutting = ['redis-cut', 'redis-hole', 'redis-pause', 'redis-kill', 'stall'];
const losing = [...cutting, 'reply-lost', 'redis-slow'];

function between(faults: readonly Fault[], gateway: string, kinds: readonly string[]): readonly Fault[] {
  return faults.filter(({ kind, target }) => kinds.includes(kind) && (target === gateway || target === 'redis'));
}

/** Those in which it cannot renew the slots that it holds. */
export const outOfTouch = (faults: readonly Fault[], gateway: string): readonly Fault[] =>
  between(faults, gateway, cutting);

/** Those in which an answer of Redis may be lost on its way, though what it answers has happened. */
export const losingAnswers = (faults: readonly Fault[], gateway: string): readonly Fault[] =>
  between(faults, gateway, losing);

/** Processes that began while they could not reach Redis: each takes itself for the only one. */
export function strangers({ lives, faults }: Pick<History, 'lives' | 'faults'>): number {
  const began = ({ from, gateway }: History['lives'][number]): boolean =>
    outOfTouch(faults, gateway).some((fault) => fault.from < from + startMs && from < fault.to + startMs);
  return lives.filter(began).length;
}

/** How much of the time before this instant the machine stood still for whoever notes what backends see, ms. */
export function stoodBefore(faults: readonly Fault[], at: number): number {
  const late = faults.filter(({ kind, to }) => kind === 'stood' && to <= at + 1 && to > at - stoodMs);
  return late.reduce((sum, { from, to }) => sum + to - from, 0);
}

/** What waited meanwhile is noted within this time after, ms. */
const stoodMs = 250;

/** Between the first word with Redis and the first request, or the other way round, ms. */
const startMs = 2_000;
