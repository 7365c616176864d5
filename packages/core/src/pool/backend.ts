/**
 * One backend as the pool keeps it: its rules, its slots, and what was learned of it. Applications are handed this very object,
 * and print and send it: what is sent of it is in `toJSON`, and its rules, whose headers may hold credentials, are private.
 */
import type { Clock } from '../kernel/clock.js';
import { type Link, List } from '../kernel/list.js';
import type { Backend, BackendFailure, BackendState } from '../model.js';
import { matchesModel } from '../model-name.js';
import type { BackendRules } from '../policy/policy.js';
import type { BackendSlot, Wish } from '../wish.js';
import { shareOf } from './affinity.js';
import type { Health } from './health.js';
import type { Rates } from './rates.js';
import { type Presence, Residency, type SwapView } from './residency.js';

export interface BackendParts {
  readonly clock: Clock;
  readonly health: Health;
  readonly rates: Rates;
  /** Whether requests for the model wait. */
  readonly wanted: (model: string) => boolean;
  /** A slot was given back. */
  readonly onReleased: (backend: PooledBackend) => void;
  /** A model has been loaded, so that its listing says something new. */
  readonly onLoaded: (backend: PooledBackend) => void;
}

export class PooledBackend implements Backend, SwapView {
  #rules: BackendRules;
  readonly clock: Clock;
  readonly health: Health;
  readonly rates: Rates;
  readonly residency = new Residency();
  readonly wanted: (model: string) => boolean;
  readonly onReleased: (backend: PooledBackend) => void;
  readonly onLoaded: (backend: PooledBackend) => void;
  used = 0;
  loads = 0;
  /** What is not used here is used by other processes, as far as the request being asked can know. */
  usedElsewhere = false;
  /** No longer in the policy. */
  removed = false;
  /** Slots whose request has no first byte yet, in the order of sending. */
  readonly unanswered = new List<Slot>();
  /** When the last first byte came. */
  answeredAt = Number.NEGATIVE_INFINITY;
  /** Sequence number of the last pick, so that ties go round. */
  pickedAt = 0;
  /** What it is owed of its turns, for weighted round robin. */
  credit = 0;
  /** When the request being asked is expected to start here, ms from now. */
  startMs = 0;
  /** Requests before the one being asked that would rather wait for this backend. */
  ahead = 0;

  constructor(rules: BackendRules, parts: BackendParts) {
    this.#rules = rules;
    this.clock = parts.clock;
    this.health = parts.health;
    this.rates = parts.rates;
    this.wanted = parts.wanted;
    this.onReleased = parts.onReleased;
    this.onLoaded = parts.onLoaded;
  }

  get rules(): BackendRules {
    return this.#rules;
  }
  set rules(rules: BackendRules) {
    this.#rules = rules;
  }

  get name(): string {
    return this.#rules.name;
  }
  get url(): string {
    return this.#rules.url;
  }
  get slots(): number {
    return this.#rules.slots;
  }
  get weight(): number {
    return this.#rules.weight;
  }
  get headers(): Readonly<Record<string, string>> {
    return this.#rules.headers;
  }
  get draining(): boolean {
    return this.removed || this.#rules.drain;
  }
  get models(): readonly string[] {
    return this.residency.models;
  }
  get usable(): boolean {
    return !this.draining && this.health.usable;
  }

  get state(): BackendState {
    if (this.removed && this.used === 0) return 'removed';
    return this.draining ? 'draining' : this.health.state;
  }

  /** What may be told of it: everything that `Backend` promises but `headers`. */
  toJSON(): Omit<Backend, 'headers'> {
    const { name, url, slots, used, state, usable, draining, models, loads } = this;
    return { name, url, slots, used, state, usable, draining, models, loads };
  }

  /** For `console.log` on Node; the symbol is in the registry, so nothing is imported for it. */
  [Symbol.for('nodejs.util.inspect.custom')](): Omit<Backend, 'headers'> {
    return this.toJSON();
  }

  serves(model: string): boolean {
    const { models } = this.#rules;
    return models === undefined || model === '' || models.some((pattern) => matchesModel(pattern, model));
  }

  /** Whether a request could be sent there now. */
  get hasRoom(): boolean {
    return !this.usedElsewhere && this.used < this.health.usableSlots(this.#rules.slots);
  }

  /** Slots that the request being asked cannot have, whoever uses them. */
  get busy(): number {
    return this.usedElsewhere ? Math.max(this.used, this.#rules.slots) : this.used;
  }

  loadMs(model: string): number {
    return this.rates.loadMs(model);
  }

  /** The last of n that end at random takes 1 + 1/2 + ... + 1/n times as long as one, about 1 + ln n. */
  drainMs(requests: number): number {
    return requests === 0 ? 0 : this.rates.holdMs * (1 + Math.log(requests));
  }

  take(wish: Wish): Slot {
    this.used++;
    return new Slot(this, wish);
  }
}

/** A slot in use: one request on one backend, from when it is sent until its answer has ended. */
export class Slot implements BackendSlot {
  readonly backend: PooledBackend;
  readonly #wish: Wish;
  readonly #sentAt: number;
  /** Names the time between two ejections. */
  readonly era: number;
  /** Where the model was when it was sent. */
  readonly #presence: Presence;
  /** Nothing else was under way there when it was sent. */
  readonly #isAlone: boolean;
  /** Tokens of the prompt that the backend has not read before. */
  readonly #newTokens: number;
  /** Among those that the backend has not answered. */
  readonly #link: Link<Slot> | undefined;
  #state: 'sent' | 'answered' | 'failed' | 'released' = 'sent';

  constructor(backend: PooledBackend, wish: Wish) {
    const { residency, health, clock } = backend;
    const { model, prefix, inputTokens, runs } = wish;
    this.backend = backend;
    this.#wish = wish;
    this.#sentAt = clock.now();
    this.era = health.enter();
    this.#newTokens = inputTokens * (1 - shareOf(prefix, runs ? residency.match(model, prefix) : 0));
    this.#isAlone = backend.used === 1;
    this.#presence = runs ? residency.take(model, prefix, this.#sentAt, backend) : 'resident';
    this.#link = runs ? backend.unanswered.push(this) : undefined;
  }

  /** How long it may go without a first byte before something must be wrong; undefined when too little is known to say. */
  get patienceMs(): number | undefined {
    const { model, stream } = this.#wish;
    return this.backend.rates.patienceMs(stream, this.#presence === 'resident' ? undefined : model);
  }

  get sentAt(): number {
    return this.#sentAt;
  }

  get loadsForOthers(): boolean {
    const { residency, wanted } = this.backend;
    const { model, stream } = this.#wish;
    // Of an answer in one piece nobody sees when the load is over and the work for nobody begins.
    if (!stream || this.#state !== 'sent' || this.#presence !== 'absent' || residency.hasAnswered(model)) return false;
    return residency.inFlight(model) > 1 || wanted(model);
  }

  /** The first byte has come. Learned from unless told before that the request failed. */
  firstByte(stream: boolean): void {
    if (this.#state !== 'sent') return;
    this.#state = 'answered';
    const { backend } = this;
    const now = backend.clock.now();
    this.#leave();
    backend.answeredAt = now;
    backend.health.answered(this.era);
    if (this.#wish.runs) this.#learn(now - this.#sentAt, stream);
  }

  #learn(ms: number, stream: boolean): void {
    const { rates, residency } = this.backend;
    const { model } = this.#wish;
    residency.answered(model);
    if (this.#presence === 'absent') this.backend.loads++;
    if (this.#presence !== 'resident') {
      // A load that had to wait until others were done says little of how long it takes.
      const isClean = stream && this.#presence === 'absent' && this.#isAlone;
      if (isClean) rates.loaded(model, Math.max(0, ms - this.#newTokens * rates.msPerToken));
      this.backend.onLoaded(this.backend);
      return;
    }
    rates.firstByte(ms, stream);
    if (stream) rates.read(this.#newTokens, ms);
  }

  #leave(): void {
    if (this.#link !== undefined) this.backend.unanswered.remove(this.#link);
  }

  failed(cause: BackendFailure): void {
    if (this.#state === 'failed' || this.#state === 'released') return;
    this.#state = 'failed';
    this.#leave();
    this.backend.health.failed(cause, this.era);
  }

  /** Gives the slot back; a second call changes nothing. An answer that began and did not fail ended well. */
  release(): void {
    const state = this.#state;
    if (state === 'released') return;
    this.#state = 'released';
    const { backend } = this;
    backend.used--;
    this.#leave();
    if (this.#wish.runs) {
      backend.residency.release(this.#wish.model);
      if (state === 'answered' && this.#presence === 'resident') backend.rates.held(backend.clock.now() - this.#sentAt);
    }
    if (state === 'answered') backend.health.succeeded(this.era);
    backend.health.leave(this.era);
    backend.onReleased(backend);
  }
}
