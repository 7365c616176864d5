/**
 * The backend on which a request is expected to start soonest, whether it is free now or not.
 *
 *   start = ready + prefill x (1 + 3 x busy) + crowding
 *
 *   wait      max(0, used + ahead + 1 - slots) x hold / slots    until a slot is free, those before it served
 *   ready     wait, and until the model is in memory             see residency.ts
 *   prefill   new tokens x time per token                        what the backend has read before costs nothing
 *   busy      share of the other slots in use                    reading a long prompt holds up those who share the GPU, and
 *                                                                spread over all backends more conversations stay cached
 *   crowding  a quarter second x (used + 1) / (slots x weight)   where all else is equal, the least busy; ties go round
 *
 * When a busy backend is best, the request stays where it is (`later`) and others may overtake it: those whose backend is
 * free. That is bounded:
 *
 *   to save a prefill, or a load where there is a free place      by what going elsewhere would have cost at once, so that a
 *                                                                 wrong guess costs twice the best at most
 *   to save a swap, which others pay for too                      by `overtakeMsMax`; then it may claim the place of a busy
 *                                                                 model once that one has had its slice
 *
 * A model that has to be waited for again and again, while there is a free place elsewhere, is loaded there once requests
 * have waited for it as long as that takes.
 *
 * The waiting requests are asked in the order of the queue, again and again from its head. A round is what lies between two
 * questions to the same request; `ahead` counts those asked before it in this round that prefer the same busy backend.
 */
import { LRUCache } from 'lru-cache';
import type { Wish } from '../wish.js';
import { shareOf } from './affinity.js';
import type { PooledBackend } from './backend.js';
import type { Instant } from './residency.js';

const crowdingMs = 250;
/** Reading a prompt on a backend whose other slots are all busy costs so many times more than on an idle one. */
const interference = 3;
/** Each failure in a row, of a backend that is only suspected. */
const suspicionMs = 1_000;
/** How soon one that is overdue and still held up asks again. */
const askAgainMs = 1_000;
const modelsMax = 256;

/** Expectations that differ by less are the same. */
const tolerance = 0.02;

export class LeastWait {
  #round = 1;
  /** Those that somebody prefers in this round. */
  readonly #preferred: PooledBackend[] = [];
  /** How long requests have waited for a busy backend with the model, since it was loaded anywhere last; by model. */
  readonly #waited = new LRUCache<string, number>({ max: modelsMax });
  readonly #overtakeMsMax: () => number;
  readonly #wakeAt: (at: number) => void;

  /**
   * @param overtakeMsMax how long others may go before a request whose model is not in memory
   * @param wakeAt told when a request that waits by choice should be asked again
   */
  constructor(overtakeMsMax: () => number, wakeAt: (at: number) => void) {
    this.#overtakeMsMax = overtakeMsMax;
    this.#wakeAt = wakeAt;
  }

  /**
   * Undefined: none that has room now, though one has.
   * @param among usable ones that serve the model
   */
  choose(among: readonly PooledBackend[], wish: Wish, now: number): PooledBackend | undefined {
    this.forget(wish);
    if (wish.round === this.#round) this.#beginRound();
    wish.round = this.#round;
    const overdueAt = wish.since + this.#overtakeMsMax();
    const instant = { now, overdue: now >= overdueAt };
    for (const backend of among) backend.startMs = this.#startMs(backend, wish, instant);
    const best = soonest(among, false);
    const free = soonest(among, true);
    if (free !== undefined) {
      if (isAsSoon(free.startMs, best!.startMs) || now >= this.#goesAt(wish, free, best!, overdueAt, now)) {
        if (wish.runs) this.#learn(wish, free, now);
        return free;
      }
      this.#wakeAt(this.#goesAt(wish, free, best!, overdueAt, now));
    }
    this.#wakeAt(instant.overdue ? now + askAgainMs : overdueAt);
    if (best !== undefined) {
      wish.prefers = best;
      if (best.ahead++ === 0) this.#preferred.push(best);
    }
    return undefined;
  }

  /** When a request that could start on a free backend has waited long enough for a better one. */
  #goesAt(wish: Wish, free: PooledBackend, best: PooledBackend, overdueAt: number, now: number): number {
    wish.deferredSince ??= now;
    const { runs, model, since, deferredSince } = wish;
    if (!runs || !free.residency.mustEvict(model)) {
      return Math.min(overdueAt, deferredSince + free.startMs - best.startMs);
    }
    // Taking the place of a model that others need is never better than to wait for one's own.
    const isHarmless = free.residency.readyMs(model, 0, { now, overdue: false }, free) < Number.POSITIVE_INFINITY;
    return isHarmless ? since + 2 * (overdueAt - since) : Number.POSITIVE_INFINITY;
  }

  #startMs(backend: PooledBackend, wish: Wish, instant: Instant): number {
    const { rates, busy: used, ahead, weight, health, slots: all } = backend;
    const slots = Math.max(1, health.usableSlots(all));
    const waitMs = (Math.max(0, used + ahead + 1 - slots) * rates.holdMs) / slots;
    const busy = Math.min(used, all - 1) / (all * weight);
    const prefillMs = this.#prefillMs(backend, wish) * (1 + interference * busy);
    const crowdedMs = (crowdingMs * (used + 1)) / (all * weight);
    return this.#readyMs(backend, wish, waitMs, instant) + prefillMs + crowdedMs + suspicionMs * health.failures;
  }

  #readyMs(backend: PooledBackend, { runs, model }: Wish, waitMs: number, instant: Instant): number {
    if (!runs) return waitMs;
    const ms = backend.residency.readyMs(model, waitMs, instant, backend);
    return backend.residency.hasPlace(model) ? Math.max(waitMs, ms - (this.#waited.get(model) ?? 0)) : ms;
  }

  #prefillMs({ residency, rates }: PooledBackend, { runs, model, prefix, inputTokens }: Wish): number {
    if (!runs || inputTokens === 0) return 0;
    return inputTokens * (1 - shareOf(prefix, residency.match(model, prefix))) * rates.msPerToken;
  }

  /** It waits no longer, or is asked again. */
  forget(wish: Wish): void {
    if (wish.prefers !== undefined && wish.round === this.#round) wish.prefers.ahead--;
    wish.prefers = undefined;
  }

  #beginRound(): void {
    this.#round++;
    for (const backend of this.#preferred.splice(0)) backend.ahead = 0;
  }

  #learn({ model, deferredSince }: Wish, { residency }: PooledBackend, now: number): void {
    if (!residency.has(model)) this.#waited.delete(model);
    else if (deferredSince !== undefined) {
      this.#waited.set(model, (this.#waited.get(model) ?? 0) + now - deferredSince);
    }
  }
}

/** The one that is expected to start soonest; of several that hardly differ the one that was picked longest ago. */
function soonest(among: readonly PooledBackend[], mustHaveRoom: boolean): PooledBackend | undefined {
  let leastMs = Number.POSITIVE_INFINITY;
  for (const { hasRoom, startMs } of among) if (hasRoom || !mustHaveRoom) leastMs = Math.min(leastMs, startMs);
  let best: PooledBackend | undefined;
  for (const backend of among) {
    if ((mustHaveRoom && !backend.hasRoom) || !isAsSoon(backend.startMs, leastMs)) continue;
    if (best === undefined || backend.pickedAt < best.pickedAt) best = backend;
  }
  return best;
}

/** Whether the difference is less than such expectations are good for. */
function isAsSoon(ms: number, leastMs: number): boolean {
  return ms <= leastMs * (1 + tolerance) && ms !== Number.POSITIVE_INFINITY;
}
