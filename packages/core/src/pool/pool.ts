/**
 * All backends, and which of them takes the next request. Knows slots, models, health and what was learned from times; how
 * requests reach a backend is the forwarder's business, who is asked next the queue's.
 *
 *   queue ── take(wish) ──▶ who serves the model, is usable, has room ── pick ──▶ Slot ── firstByte, failed, release ──▶ learned
 *                                   │ nobody                              │ a busy one would start it sooner
 *                                   └──▶ busy                             └──▶ later       asked again after a release or onRoom
 */
import type { LimiterEvents } from '../events.js';
import type { Clock, Timer } from '../kernel/clock.js';
import type { Events } from '../kernel/events.js';
import type { Random } from '../kernel/random.js';
import type { Backend } from '../model.js';
import type { BackendRules, PoolRules } from '../policy/policy.js';
import type { Wish } from '../wish.js';
import { PooledBackend, type Slot } from './backend.js';
import { type EjectionCause, Health } from './health.js';
import { LeastWait } from './least-wait.js';
import { type Choice, chooseLent } from './lent.js';
import { hungSince, isLast, mayEject } from './outliers.js';
import { leastBusy, type Pick, randomTwo, roundRobin } from './pick.js';
import { type ProbeBackend, type Probed, Probes } from './probes.js';
import { Rates } from './rates.js';
import type { LoadedModel } from './residency.js';
import { RetryBudget } from './retry-budget.js';

const picks: Readonly<Record<Exclude<PoolRules['pick'], 'least-wait'>, Pick>> = {
  'least-busy': leastBusy,
  'round-robin': roundRobin,
  'random-two': randomTwo,
};
const none: ReadonlySet<Backend> = new Set();

export interface PoolOptions {
  readonly backends: readonly BackendRules[];
  readonly rules: PoolRules;
  readonly clock: Clock;
  readonly random: Random;
  readonly events: Events<LimiterEvents>;
  /** How long others may go before a request whose model is not in memory, ms. */
  readonly overtakeMsMax: () => number;
  /** Without it, backends are judged by their answers alone. */
  readonly probe?: ProbeBackend | undefined;
}

export class Pool {
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #events: Events<LimiterEvents>;
  readonly #probes: Probes<PooledBackend> | undefined;
  readonly #fleet = new Rates();
  readonly #retries = new RetryBudget();
  readonly #leastWait: LeastWait;
  /** How many requests for a model wait. */
  readonly #waiting = new Map<string, number>();
  readonly #candidates: PooledBackend[] = [];
  #rules: PoolRules;
  #backends: readonly PooledBackend[] = [];
  /** No longer in the policy, and not yet done. */
  readonly #leaving = new Set<PooledBackend>();
  #picks = 0;
  #wake: { readonly at: number; readonly timer: Timer } | undefined;
  /** Called when requests that wait should be asked again though no slot was given back. */
  onRoom: () => void = () => {};

  constructor({ backends, rules, clock, random, events, probe, overtakeMsMax }: PoolOptions) {
    this.#clock = clock;
    this.#random = random;
    this.#events = events;
    this.#rules = rules;
    this.#leastWait = new LeastWait(overtakeMsMax, (at) => this.#wakeAt(at));
    if (probe !== undefined) {
      this.#probes = new Probes<PooledBackend>({
        clock,
        random,
        probe,
        everyMs: () => this.#rules.health.everyMs,
        onProbed: (backend, probed) => this.#probed(backend, probed),
        onListed: (backend, loaded) => this.#listed(backend, loaded),
      });
    }
    this.configure(backends, rules);
  }

  /** Those of the policy, and those taken out of it whose last request has not ended. */
  get backends(): readonly Backend[] {
    return this.#leaving.size === 0 ? this.#backends : [...this.#backends, ...this.#leaving];
  }

  get size(): number {
    return this.#backends.length;
  }

  /** Whether it matters what the prompt is: only where a choice can be made by it. */
  get wantsPrefix(): boolean {
    return this.#rules.pick === 'least-wait' && this.#backends.length > 1;
  }

  /**
   * Takes up other backends and rules. A backend that keeps its name and address keeps its slots and what is known of it;
   * one that is gone takes no new requests and lets those end that it has.
   */
  configure(backends: readonly BackendRules[], rules: PoolRules): void {
    this.#rules = rules;
    const before = new Map(this.#backends.map((backend) => [backend.name, backend]));
    this.#backends = backends.map((one) => {
      const known = before.get(one.name);
      if (known === undefined || known.url !== one.url) return this.#added(one);
      before.delete(one.name);
      known.rules = one;
      known.health.configure(rules);
      return known;
    });
    for (const backend of before.values()) this.#remove(backend);
    this.#letLastOnesBack();
    this.onRoom();
  }

  #added(rules: BackendRules): PooledBackend {
    const [clock, random] = [this.#clock, this.#random];
    const health = new Health(this.#rules, clock, random, {
      mayEject: () => mayEject(backend, this.#backends, this.#rules.eject.maxShare),
      onDown: () => this.#onDown(backend),
      onEjected: (cause, forMs) => this.#onEjected(backend, cause, forMs),
      onUp: () => this.#events.emit('backend-up', { backend: backend.name }),
      onRoom: () => this.onRoom(),
    });
    const backend = new PooledBackend(rules, {
      clock,
      health,
      rates: new Rates(this.#fleet),
      wanted: (model) => this.#waiting.has(model),
      onReleased: (one) => this.#onReleased(one),
      onLoaded: (one) => this.#probes?.look(one),
    });
    this.#probes?.watch(backend);
    return backend;
  }

  #remove(backend: PooledBackend): void {
    backend.removed = true;
    this.#probes?.unwatch(backend);
    backend.health.close();
    if (backend.used > 0) this.#leaving.add(backend);
    else this.#events.emit('backend-drained', { backend: backend.name });
  }

  #onReleased(backend: PooledBackend): void {
    if (backend.used > 0 || !backend.draining) return;
    this.#leaving.delete(backend);
    this.#events.emit('backend-drained', { backend: backend.name });
  }

  /** Whether any backend serves the model at all, busy or not. */
  serves(model: string): boolean {
    return this.#backends.some((backend) => backend.serves(model));
  }

  /** Whether a backend could take a request for the model, now or when one of its slots is free. */
  usable(model: string, except: ReadonlySet<Backend> = none): boolean {
    return this.#backends.some((backend) => backend.usable && !except.has(backend) && backend.serves(model));
  }

  /** When one that serves the model may be usable again, ms; 0 when one is, undefined when none will be by itself. */
  backMs(model: string): number | undefined {
    let soonest: number | undefined;
    for (const backend of this.#backends) {
      if (backend.draining || !backend.serves(model)) continue;
      soonest = Math.min(soonest ?? Number.POSITIVE_INFINITY, backend.health.backMs);
    }
    return soonest;
  }

  /**
   * Takes a slot for the request. `busy`: none is free for it, nor for any other for the same model. `later`: one is, and yet
   * it is expected to start sooner on a backend that is busy now.
   * @param lent takes one of the backend's slots from those who share it; false when they use them all
   */
  take(wish: Wish, except = none, lent?: (backend: Backend) => boolean): Slot | 'busy' | 'later' {
    const choice =
      lent === undefined ? this.#choose(wish, except) : chooseLent(() => this.#choose(wish, except), wish, lent);
    if (typeof choice === 'string') {
      this.#waits(wish);
      return choice;
    }
    this.forget(wish);
    wish.deferredSince = undefined;
    choice.pickedAt = ++this.#picks;
    if (!wish.moving) this.#retries.request(this.#clock.now());
    return choice.take(wish);
  }

  /**
   * Which backend it would take. A slot there counts as used until `end`, so that others who ask meanwhile go elsewhere; it
   * is not taken.
   */
  intend(wish: Wish, except: ReadonlySet<Backend>): { backend: Backend; end: () => void } | 'busy' | 'later' {
    const backend = this.#choose(wish, except);
    if (typeof backend === 'string') return backend;
    backend.used++;
    backend.pickedAt = ++this.#picks;
    const end = (): void => {
      backend.used--;
      this.#onReleased(backend);
    };
    return { backend, end };
  }

  #choose(wish: Wish, except: ReadonlySet<Backend>): Choice {
    const candidates = this.#candidates;
    candidates.length = 0;
    const { pick } = this.#rules;
    let hasRoom = false;
    for (const backend of this.#backends) {
      if (!backend.usable || except.has(backend) || !backend.serves(wish.model)) continue;
      hasRoom ||= backend.hasRoom;
      if (pick === 'least-wait' || backend.hasRoom) candidates.push(backend);
    }
    if (!hasRoom) return 'busy';
    if (pick !== 'least-wait') return picks[pick](candidates, this.#random);
    return this.#leastWait.choose(candidates, wish, this.#clock.now()) ?? 'later';
  }

  #waits(wish: Wish): void {
    if (wish.waiting) return;
    wish.waiting = true;
    this.#waiting.set(wish.model, (this.#waiting.get(wish.model) ?? 0) + 1);
  }

  /** The request does not wait any longer. */
  forget(wish: Wish): void {
    if (!wish.waiting) return;
    wish.waiting = false;
    this.#leastWait.forget(wish);
    const others = this.#waiting.get(wish.model)! - 1;
    if (others > 0) this.#waiting.set(wish.model, others);
    else this.#waiting.delete(wish.model);
    if (this.#waiting.size === 0) this.#sleep();
  }

  /** Whether a request that failed on this backend may be tried elsewhere; counts it as a retry if so. */
  mayRetry({ slots }: Backend): boolean {
    return this.#retries.retry(this.#clock.now(), this.#rules.retry.budgetShare, slots);
  }

  close(): void {
    this.#probes?.close();
    this.#sleep();
    for (const { health } of this.#backends) health.close();
  }

  #sleep(): void {
    this.#wake?.timer.cancel();
    this.#wake = undefined;
  }

  #wakeAt(at: number): void {
    if (this.#wake !== undefined && this.#wake.at <= at) return;
    this.#sleep();
    const timer = this.#clock.after(Math.max(1, at - this.#clock.now()), () => {
      this.#wake = undefined;
      this.onRoom();
    });
    this.#wake = { at, timer };
  }

  #probed(backend: PooledBackend, { up, loaded }: Probed): void {
    if (loaded !== undefined) this.#listed(backend, loaded);
    backend.health.probed(up);
    // Never sooner than a process that is gone would have been found.
    const { everyMs, fall } = this.#rules.health;
    const era = up ? hungSince(backend, this.#clock.now(), fall * everyMs) : undefined;
    if (era !== undefined) backend.health.hung(era);
  }

  #listed(backend: PooledBackend, loaded: readonly LoadedModel[]): void {
    backend.residency.listed(loaded, backend.slots, this.#clock.now());
    this.onRoom();
  }

  #letLastOnesBack(): void {
    for (const backend of this.#backends) if (isLast(backend, this.#backends)) backend.health.lastResort();
  }

  #onDown(backend: PooledBackend): void {
    backend.residency.forget();
    this.#events.emit('backend-down', { backend: backend.name });
    this.#letLastOnesBack();
    // Those who wait for nobody else can go.
    this.onRoom();
  }

  #onEjected(backend: PooledBackend, cause: EjectionCause, forMs: number): void {
    backend.residency.forget();
    this.#events.emit('backend-ejected', { backend: backend.name, cause, forMs });
  }
}
