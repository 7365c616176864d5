/**
 * The limiter: composes the stages, in the order in which a request meets them.
 *
 *   who and what -> model and size checks -> reserve all limits or none -> wait a turn, then a slot -> permit -> meter
 *   -> settle, and hand the slot over
 *
 * With a synchronous store every step up to a free slot happens in one go, without a promise: `admitNow`.
 */
import { estimateTokens } from './admission/estimate.js';
import { assemble, type Stages } from './assembly.js';
import { Admitted, type Decision, Refused } from './decision.js';
import { Doors } from './doors.js';
import type { LimiterEvents } from './events.js';
import { checkVerifier } from './identity/token.js';
import { type Clock, HeldClock, systemClock } from './kernel/clock.js';
import { isLater } from './kernel/later.js';
import { systemRandom } from './kernel/random.js';
import { EitherSignal, type Signal } from './kernel/signal.js';
import { type AdmitOptions, type LimiterOptions, type LimiterStats, limiterEvents } from './limiter-options.js';
import type { AdmitRequest, Backend, Identity, LimitState, Refusal } from './model.js';
import { policyOf } from './policy/parse.js';
import type { Policy } from './policy/policy.js';
import { draining, refuse } from './refusal.js';
import type { Reservation } from './reservation.js';
import type { Run } from './run/run.js';
import type { StartRunOptions } from './run/runs.js';
import type { RunState } from './run-state.js';
import type { Permit } from './settlement/permit.js';
import { guarded, memoryFor } from './shared-slots.js';
import { asyncStore } from './store/async-store.js';
import type { Store } from './store/store.js';

export class Limiter extends Doors {
  readonly clock: Clock;
  readonly #heldClock: HeldClock;
  readonly #store: Store;
  readonly #events = limiterEvents();
  readonly #stages: Stages;
  readonly #readLimits = (reservation: Reservation): readonly LimitState[] =>
    this.#stages.reserves.limitsOf(reservation);
  #policy: Policy;
  #closing: Promise<void> | undefined;

  constructor(policy: Policy, options: LimiterOptions = {}) {
    super(options);
    checkVerifier(policy, options.verifyToken);
    this.#policy = policy;
    this.clock = options.clock ?? systemClock();
    const clock = new HeldClock(this.clock);
    const { countTokens = estimateTokens, random = systemRandom, fetch = globalThis.fetch, probe } = options;
    const events = this.#events;
    const given = options.store ?? memoryFor(policy, clock);
    const store = guarded(given, { policy, clock: this.clock, random, events });
    this.#heldClock = clock;
    this.#store = store;
    this.#stages = assemble(policy, { clock, random, store, countTokens, events, fetch, probe });
  }

  /** The policy in force: the one of the start, or of the last `reload`. */
  get policy(): Policy {
    return this.#policy;
  }

  /** Decides, waiting in the queue where the policy says so. Resolves with a refusal; rejects for what cannot be (`HG_REQUEST`). */
  async admit(request: AdmitRequest, { signal }: AdmitOptions = {}): Promise<Decision> {
    signal?.throwIfAborted();
    const reservation = this.#stages.entrance.open(request);
    const against = this.#against(reservation, request);
    if (against !== undefined) return this.#refused(reservation, against);
    const { run } = reservation;
    const decided = run === undefined ? this.#decide(reservation, signal) : this.#decideInRun(reservation, run, signal);
    return await (reservation.inOnePiece ? this.#stages.covered(reservation, decided, signal) : decided);
  }

  /** A run that is over while its request waits refuses it. */
  async #decideInRun(reservation: Reservation, run: RunState, signal: Signal | undefined): Promise<Decision> {
    const either = signal === undefined ? undefined : new EitherSignal(signal, run.signal);
    try {
      return await this.#decide(reservation, either ?? run.signal);
    } catch (error) {
      if (signal?.aborted === true || run.over === undefined) throw error;
      return this.#refused(reservation, run.over);
    } finally {
      either?.leave();
    }
  }

  async #decide(reservation: Reservation, signal: Signal | undefined): Promise<Decision> {
    const { reserves, slots } = this.#stages;
    const reserved = reserves.reserve(reservation);
    const against = (isLater(reserved) ? await reserved : reserved) ?? this.#overtaken(reservation, signal);
    if (against !== undefined) return this.#refused(reservation, against);
    if (reservation.receipt!.delayMs > 0) {
      const late = (await this.#waitTurn(reservation, signal)) ?? this.#overtaken(reservation, signal);
      if (late !== undefined) return this.#refused(reservation, late);
    }
    const line = slots.lineOf(reservation);
    if (line !== undefined && !this.#store.sync) {
      const isTaken = await slots.fetchAtOnce(reservation, line);
      const late = this.#overtaken(reservation, signal);
      if (late !== undefined) return this.#refused(reservation, late);
      if (isTaken) return this.#granted(reservation);
    }
    // From here to the slot or the place in the line nothing is awaited, so nothing can happen in between.
    if (line === undefined || slots.takeAtOnce(reservation, line)) return this.#granted(reservation);
    const full = slots.cannotWait(reservation, line);
    return full === undefined ? this.#waitForSlots(reservation, line, signal) : this.#refused(reservation, full);
  }

  /** The permit is made in the instant of the hand-over: from then on the request is in flight, and closing waits for it. */
  async #waitForSlots(reservation: Reservation, line: string, signal: Signal | undefined): Promise<Decision> {
    const { slots, permits, alerts } = this.#stages;
    let permit: Permit<Reservation> | undefined;
    const take = (): boolean | 'later' => {
      const taken = slots.take(reservation);
      if (taken !== true) return taken;
      permit = permits.grant(reservation);
      alerts.admitted(reservation);
      return true;
    };
    const evicted = await slots.wait(reservation, line, take, { signal });
    if (evicted !== undefined) return this.#refused(reservation, evicted);
    if (signal?.aborted) {
      // Handed over in the very instant in which its client left: the slot goes on to the next.
      permit!.cancel();
      throw signal.reason;
    }
    return this.#admitted(permit!, reservation);
  }

  /**
   * The same decision without a promise and without waiting: a request that would have to wait is refused.
   * @throws HeadgateError `HG_STORE_ASYNC` when the store is not synchronous
   */
  admitNow(request: AdmitRequest): Decision {
    if (!this.#store.sync) throw asyncStore('admitNow', 'admit');
    this.#heldClock.hold();
    try {
      return this.#decideNow(request);
    } finally {
      this.#heldClock.release();
    }
  }

  #decideNow(request: AdmitRequest): Decision {
    const { entrance, reserves, slots } = this.#stages;
    const reservation = entrance.open(request);
    const against = this.#against(reservation, request) ?? (reserves.reserve(reservation) as Refusal | undefined);
    if (against !== undefined) return this.#refused(reservation, against);
    const { delayMs } = reservation.receipt!;
    if (delayMs > 0) {
      const message = `it is not this request's turn yet; please try again in ${delayMs}ms.`;
      return this.#refused(reservation, refuse('limit', message, { retryAfterMs: delayMs }));
    }
    const line = slots.lineOf(reservation);
    if (line === undefined || slots.takeAtOnce(reservation, line)) return this.#granted(reservation);
    return this.#refused(reservation, slots.noSlot(reservation, line));
  }

  /** What speaks against a request before anything is charged. */
  #against(reservation: Reservation, request: AdmitRequest): Refusal | undefined {
    if (this.#closing !== undefined) return draining();
    const { entrance, runs, tellWouldRefuse } = this.#stages;
    const forbidden = entrance.forbids(reservation);
    if (forbidden !== undefined && reservation.rules.tier.mode === 'enforce') return forbidden;
    if (forbidden !== undefined) tellWouldRefuse(reservation, () => forbidden);
    return entrance.unserved(reservation) ?? (request.run === undefined ? undefined : runs.enter(reservation, request));
  }

  /** Waits until the limits that delay let the request go on. */
  #waitTurn(reservation: Reservation, signal: Signal | undefined): Promise<Refusal | undefined> {
    return this.#stages.turns.wait(reservation.receipt!.delayMs, signal, () => {
      this.#giveBack(reservation);
      this.#stages.slots.tellLeft(reservation);
    });
  }

  /** Takes back all that was charged and taken for a request that got no permit. */
  #giveBack(reservation: Reservation): void {
    this.#stages.uncharge(reservation);
    this.#stages.slots.release(reservation);
  }

  /** What may have happened while something was awaited: the client left, or the limiter was closed. */
  #overtaken(reservation: Reservation, signal: Signal | undefined): Refusal | undefined {
    if (signal?.aborted) {
      this.#giveBack(reservation);
      throw signal.reason;
    }
    return this.#closing === undefined ? undefined : draining();
  }

  #granted(reservation: Reservation): Decision {
    this.#stages.alerts.admitted(reservation);
    return this.#admitted(this.#stages.permits.grant(reservation), reservation);
  }

  #admitted(permit: Permit<Reservation>, reservation: Reservation): Decision {
    return new Admitted(permit, reservation, this.#readLimits);
  }

  #refused(reservation: Reservation, refusal: Refusal): Decision {
    this.#giveBack(reservation);
    if (this.#events.heard('request-refused')) {
      const waitedMs = this.#heldClock.now() - reservation.enteredAt;
      this.#events.emit('request-refused', { refusal, waitedMs, ...reservation.about });
    }
    return new Refused(refusal, reservation, this.#readLimits);
  }

  /**
   * Begins an agent run: an envelope of tool calls, depth, wall time and tokens, by its identity's tier. Requests join it
   * with `run` (over HTTP with `x-run-id`).
   */
  startRun(options: StartRunOptions): Run {
    return this.#stages.runs.start(options);
  }

  /** Where every limit stands for this requester, changing nothing. */
  async peek(request: AdmitRequest): Promise<readonly LimitState[]> {
    return this.#stages.reserves.peek(this.#stages.entrance.open(request));
  }

  /** @throws HeadgateError `HG_STORE_ASYNC` when the store is not synchronous */
  peekNow(request: AdmitRequest): readonly LimitState[] {
    if (!this.#store.sync) throw asyncStore('peekNow', 'peek');
    return this.#readLimits(this.#stages.entrance.open(request));
  }

  /** Why the request would be refused whenever it came: its model, or a size that no limit has room for. Changes nothing. */
  refusesForGood(request: AdmitRequest): Refusal | undefined {
    const { entrance, reserves } = this.#stages;
    const reservation = entrance.open(request);
    const forbidden = reservation.rules.tier.mode === 'enforce' ? entrance.forbids(reservation) : undefined;
    const against = forbidden ?? entrance.unserved(reservation);
    return against?.retryAfterMs === undefined ? (against ?? reserves.neverFits(reservation)) : undefined;
  }

  /**
   * Counts a credential that turned out wrong, for the limits on `failures`. The gate does it for those of the policy.
   * @returns the refusal for who tries too often, or for when that cannot be counted; undefined for the ordinary 401
   */
  countFailure({ address = '', path = '', method = '' }: AdmitRequest): Promise<Refusal | undefined> {
    return this.#stages.failures.count({ address, path, method });
  }

  /** The identity that a name, or what is known beside it, amounts to under the policy. */
  identity(given: string | Partial<Identity> | undefined): Identity {
    return this.#stages.identities.resolve(given);
  }

  /**
   * Puts another policy in force, as a whole, once it was checked. Counters survive by the names of their limits; who waits
   * goes on waiting, and permits and runs that are out go on. A limiter that is closed keeps the policy it has.
   * @throws PolicyError naming every wrong key, or what the constructor throws; the policy from before stays in force
   */
  async reload(next: object): Promise<void> {
    const policy = policyOf(next);
    checkVerifier(policy, this.verifyToken);
    if (this.#closing !== undefined) return;
    this.#policy = policy;
    this.#stages.configure(policy);
  }

  /** Listens; returns a function that stops listening. @throws HeadgateError `HG_OPTIONS` for an event that does not exist */
  on<Name extends keyof LimiterEvents>(name: Name, listener: (event: LimiterEvents[Name]) => void): () => void {
    return this.#events.on(name, listener);
  }

  stats(): LimiterStats {
    const { keys, open } = this.#store.stats();
    const { permits, pool, room, waiting, lessons } = this.#stages;
    const { inFlight, tokens } = permits;
    const { backends } = pool;
    return { inFlight, waiting: waiting(), queue: room.stats(), open, tokens, keys, backends, lessons: lessons() };
  }

  get closing(): boolean {
    return this.#closing !== undefined;
  }

  /**
   * Stops admitting, refuses who waits, lets running work end for `drainMs`, then aborts it. Resolves when nothing is in
   * flight, or once the work was told to abort.
   */
  close(options: { readonly drainMs?: number } = {}): Promise<void> {
    this.#closing ??= this.#stages.shutDown(options.drainMs ?? this.policy.drainMs);
    return this.#closing;
  }

  /**
   * Gives the permit's slot back and takes one on a backend that was not tried yet, waiting ahead of those who never had
   * one. For work that has not begun. Resolves with the refusal when no other backend can take it in time, and rejects with
   * the signal's reason; the permit holds no slot then, and still has to be ended.
   */
  moveBackend(permit: Permit, tried: ReadonlySet<Backend>, options: AdmitOptions = {}): Promise<Refusal | undefined> {
    return this.#stages.slots.movePermit(permit as Permit<Reservation>, tried, options.signal);
  }
}
