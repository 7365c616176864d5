/** Which backends behave so differently from the others that the pool does without them for a while. */
import { matchesModel } from '../model-name.js';
import type { PooledBackend } from './backend.js';

/** At most a share of the backends, rounded down, and never one that nobody else can stand in for. */
export function mayEject(backend: PooledBackend, all: readonly PooledBackend[], shareMax: number): boolean {
  const ejected = all.filter(({ health }) => health.state === 'ejected').length;
  return ejected + 1 <= Math.floor(all.length * shareMax) && !isLast(backend, all);
}

/** Whether some model that it serves has no other backend that is known to work. */
export function isLast(backend: PooledBackend, all: readonly PooledBackend[]): boolean {
  const others = all.filter((other) => other !== backend && other.usable && other.health.state !== 'probing');
  if (backend.rules.models === undefined) return !others.some(({ rules }) => rules.models === undefined);
  return !backend.rules.models.every((pattern) =>
    others.some(({ rules }) => rules.models?.some((wider) => matchesModel(wider, pattern)) ?? true),
  );
}

/**
 * Whether its work stands still though its process is alive: a request has no first byte long past the time in which one
 * comes, and no other request got one since it was sent. Returns the era of that request.
 * @param msMin what is not late before, however quick the backend usually is
 */
export function hungSince(backend: PooledBackend, now: number, msMin: number): number | undefined {
  for (const { sentAt, patienceMs, era } of backend.unanswered) {
    if (sentAt < backend.answeredAt || patienceMs === undefined) continue;
    if (now - sentAt >= Math.max(patienceMs, msMin)) return era;
  }
  return undefined;
}
