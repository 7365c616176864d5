/**
 * Which models a backend holds in memory, and what it would cost to have it hold another one.
 *
 *   absent ── sent there ──▶ loading ── first byte ──▶ resident ── evicted for another, or not listed any more ──▶ absent
 *
 * Two sources: what we sent there ourselves, at once, and the backend's own listing (`/api/ps`), now and then. The listing
 * is the truth but late: a model that it does not show may still be loading. How many models fit is learned from it: when one
 * disappears as another comes, no more fit than are left; until then one more is tried, one at a time.
 *
 * When all places are taken, a model gives way only if nobody uses it here and nobody waits for it. A request that has been
 * overtaken for too long may claim the place of a busy one, but not before that one has had its slice: otherwise, with
 * more models in demand than places, every request would bring a swap of its own and the backends would do nothing else.
 */
import type { Prefix } from '../wish.js';
import { blocksOf, ShadowCache } from './affinity.js';

/** A model keeps its place for at least so many times what it takes to change it, so swaps take a quarter of the time at most. */
const sliceFactor = 3;
/** Kept of a backend that lists nothing. */
const unlistedMax = 32;
/** About what a GPU of 80 GB caches of a small model; Ollama says in its listing how much less it holds. */
const shadowBlocks = 4_096;

export interface LoadedModel {
  /** Canonical. */
  readonly model: string;
  /** Of one of its parallel slots. */
  readonly contextTokens?: number;
}

/** What others want, and what things take here. */
export interface SwapView {
  readonly slots: number;
  /** Whether requests for the model wait. */
  wanted(model: string): boolean;
  loadMs(model: string): number;
  /** How long until this many requests have ended. */
  drainMs(requests: number): number;
}

/** When a request asks. */
export interface Instant {
  readonly now: number;
  /** It has waited so long that it may take what others need. */
  readonly overdue: boolean;
}

export type Presence = 'absent' | 'loading' | 'resident';

interface Resident {
  readonly model: string;
  readonly shadow: ShadowCache;
  readonly since: number;
  inFlight: number;
  /** Since when it is being loaded; undefined once it has answered. */
  loadingSince: number | undefined;
  hasAnswered: boolean;
}

export class Residency {
  /** Those that were sent a request least recently first. */
  readonly #models = new Map<string, Resident>();
  /** Sent away for a model that is still being loaded; the listing may show them a while longer. */
  readonly #leaving = new Set<string>();
  /** As the backend listed them last. */
  #listed: ReadonlySet<string> | undefined;
  /** How many models have been seen there at once, and how many more than that would be too many. */
  #placesMin = Number.POSITIVE_INFINITY;
  #placesMax = Number.POSITIVE_INFINITY;
  #shadowBlocks = shadowBlocks;

  get models(): readonly string[] {
    return [...this.#models.keys()];
  }

  has(model: string): boolean {
    return this.#models.has(model);
  }

  /** Whether the model could be loaded with no other one going, as far as is known. */
  hasPlace(model: string): boolean {
    return !this.#models.has(model) && this.#isRoomy();
  }

  /** Whether another model would have to go for it. */
  mustEvict(model: string): boolean {
    return !this.#models.has(model) && !this.#isRoomy();
  }

  /** Where it is not known whether one more fits, that is tried with one at a time. */
  #isRoomy(): boolean {
    const { size } = this.#models;
    if (size < this.#placesMin || size === 0) return true;
    return size < this.#placesMax && !this.#loadsAny();
  }

  #loadsAny(): boolean {
    for (const { loadingSince } of this.#models.values()) if (loadingSince !== undefined) return true;
    return false;
  }

  /** Whether the model has answered there since it was first asked for. A listing may show it while it is still being loaded. */
  hasAnswered(model: string): boolean {
    return this.#models.get(model)?.hasAnswered === true;
  }

  /** Requests for the model that were sent here and have not ended. */
  inFlight(model: string): number {
    return this.#models.get(model)?.inFlight ?? 0;
  }

  /** Blocks of the prompt that the backend has read before. */
  match(model: string, prefix: Prefix): number {
    return this.#models.get(model)?.shadow.match(prefix) ?? 0;
  }

  /**
   * When the model could begin to answer a request whose slot is free in `waitMs`, ms. Infinity when another model would have
   * to go that should not.
   * @param overdue the request may claim the place of a model that is needed
   */
  readyMs(model: string, waitMs: number, { now, overdue }: Instant, view: SwapView): number {
    const resident = this.#models.get(model);
    if (resident !== undefined) {
      if (resident.loadingSince === undefined) return waitMs;
      return waitMs + Math.max(0, resident.loadingSince + view.loadMs(model) - now);
    }
    const loadMs = view.loadMs(model);
    if (this.#isRoomy()) return waitMs + loadMs;
    const victim = this.#victim(loadMs, now, overdue, view);
    if (victim === undefined) return Number.POSITIVE_INFINITY;
    return Math.max(waitMs, view.drainMs(victim.inFlight)) + loadMs;
  }

  /** Who gives way: the least recently used that nobody wants; else, for a request that is overdue, who does so soonest. */
  #victim(loadMs: number, now: number, overdue: boolean, view: SwapView): Resident | undefined {
    let victim: Resident | undefined;
    const sliceMs = sliceFactor * (loadMs + view.drainMs(view.slots));
    for (const one of this.#models.values()) {
      if (one.inFlight === 0 && !view.wanted(one.model)) return one;
      if (!overdue || now - one.since < sliceMs) continue;
      if (victim === undefined || one.inFlight < victim.inFlight) victim = one;
    }
    return victim;
  }

  /** A request for the model goes to the backend. Returns what the model was until then. */
  take(model: string, prefix: Prefix, now: number, view: SwapView): Presence {
    let resident = this.#models.get(model);
    const presence = resident === undefined ? 'absent' : resident.loadingSince === undefined ? 'resident' : 'loading';
    if (resident === undefined) {
      if (!this.#isRoomy()) this.#makeWay(view.loadMs(model), now, view);
      else if (this.#models.size >= unlistedMax) this.#models.delete(first(this.#models));
      const shadow = new ShadowCache(this.#shadowBlocks);
      resident = { model, shadow, since: now, inFlight: 0, loadingSince: now, hasAnswered: false };
      this.#leaving.delete(model);
    }
    resident.shadow.add(prefix);
    resident.inFlight++;
    this.#touch(resident);
    return presence;
  }

  #makeWay(loadMs: number, now: number, view: SwapView): void {
    const gone = this.#victim(loadMs, now, true, view)?.model ?? first(this.#models);
    this.#models.delete(gone);
    this.#leaving.add(gone);
  }

  #touch(resident: Resident): void {
    this.#models.delete(resident.model);
    this.#models.set(resident.model, resident);
  }

  /** The model has answered. */
  answered(model: string): void {
    const resident = this.#models.get(model);
    if (resident === undefined) return;
    resident.loadingSince = undefined;
    resident.hasAnswered = true;
    if (!this.#loadsAny()) this.#leaving.clear();
  }

  release(model: string): void {
    const resident = this.#models.get(model);
    if (resident === undefined || resident.inFlight === 0) return;
    resident.inFlight--;
    // A load that nobody saw to its end is thrown away by the backend when its client leaves.
    if (resident.inFlight === 0 && resident.loadingSince !== undefined) this.#models.delete(model);
  }

  /** The backend's own listing. */
  listed(listing: readonly LoadedModel[], slots: number, now: number): void {
    const names = new Set(listing.map(({ model }) => model));
    const contextTokens = Math.max(0, ...listing.map((one) => one.contextTokens ?? 0));
    if (contextTokens > 0) this.#shadowBlocks = blocksOf(contextTokens) * slots;
    for (const one of [...this.#models.values()]) {
      if (names.has(one.model)) one.loadingSince = undefined;
      // What waits there for its model to be loaded again does not make it resident.
      else if (one.inFlight === 0 || one.loadingSince === undefined) this.#models.delete(one.model);
      one.shadow.resize(this.#shadowBlocks);
    }
    this.#learnPlaces(names);
    for (const model of names) {
      if (this.#models.has(model) || this.#leaving.has(model) || this.#models.size >= this.#placesMax) continue;
      const shadow = new ShadowCache(this.#shadowBlocks);
      this.#models.set(model, { model, shadow, since: now, inFlight: 0, loadingSince: undefined, hasAnswered: false });
    }
  }

  #learnPlaces(names: ReadonlySet<string>): void {
    const before = this.#listed;
    this.#listed = names;
    this.#placesMin = before === undefined ? names.size : Math.max(this.#placesMin, names.size);
    this.#placesMax = Math.max(this.#placesMax, this.#placesMin);
    if (before === undefined) return;
    const hasAppeared = [...names].some((name) => !before.has(name));
    const hasDisappeared = [...before].some((name) => !names.has(name));
    const loading = [...this.#models.values()].filter(({ loadingSince }) => loadingSince !== undefined).length;
    if (!hasDisappeared || !(hasAppeared || loading > 0)) return;
    this.#placesMin = Math.max(1, names.size);
    this.#placesMax = Math.max(1, names.size + loading);
    // Those it was sent last will be there in the end.
    while (this.#models.size > this.#placesMax) this.#models.delete(first(this.#models));
  }

  /** The backend has begun anew, with nothing in memory. */
  forget(): void {
    this.#leaving.clear();
    for (const one of [...this.#models.values()]) {
      if (one.inFlight === 0) this.#models.delete(one.model);
      else one.shadow.clear();
    }
  }
}

function first(models: ReadonlyMap<string, Resident>): string {
  for (const model of models.keys()) return model;
  throw new Error('no model is resident');
}
