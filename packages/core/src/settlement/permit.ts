/**
 * The right to use a backend until the body ends: a reservation, and a slot where there are slots.
 *
 *   granted --settle--> settled        the reservation is corrected to what was used
 *      |  \---cancel--> cancelled      the reservation is taken back whole
 *      |   \--abort---> (signal fires; still ends by settle or cancel, since work was done)
 *
 * Each permit ends once. A second ending is reported as `permit-ended-twice` and changes nothing, so a slot can never be
 * given back twice.
 */

import { Departure } from '../kernel/signal.js';
import type { Backend, BackendFailure, Charged, Usage } from '../model.js';
import { reportedNumber } from './usage.js';

export type Verdict = 'continue' | 'stop';

/** What a permit asks of whoever granted it. `Holding` is what the grantor needs to find again. */
export interface PermitOwner<Holding> {
  /** Output tokens that were charged before the first was counted. */
  charged(permit: Permit<Holding>): number;
  /** Charges output beyond that; false when no budget has room. */
  debit(permit: Permit<Holding>, outputTokens: number): boolean;
  /** The cap to ask the backend for; Infinity for none. */
  outputTokensMax(permit: Permit<Holding>): number;
  /** So much more output was counted. */
  metered(permit: Permit<Holding>, outputTokens: number): void;
  settled(permit: Permit<Holding>, usage: Usage): void;
  cancelled(permit: Permit<Holding>): void;
  endedTwice(permit: Permit<Holding>): void;
  firstByte(permit: Permit<Holding>, stream: boolean): void;
  loadsForOthers(permit: Permit<Holding>): boolean;
  failed(permit: Permit<Holding>, cause: BackendFailure): void;
  /** The holder listens to `signal`, so it must be told when the work has to end. */
  watched(permit: Permit<Holding>): void;
}

/** What was set aside before the request began, and the most it may produce. */
export interface Reserved {
  readonly inputTokens: number;
  readonly outputTokens: number;
  /** Infinity when nothing caps the output. */
  readonly outputTokensMax: number;
}

let permits = 0;

export class Permit<Holding = unknown> {
  readonly #owner: PermitOwner<Holding>;
  readonly reserved: Reserved;
  /** The backend whose slot this permit holds; undefined where the limiter has no backends. */
  backend: Backend | undefined;
  /** What was charged in the end; undefined before, and where nothing was. */
  charged: Charged | undefined;
  /** The grantor's own. */
  readonly holding: Holding;
  #id: string | undefined;
  #told: Departure | undefined;
  #controller: AbortController | undefined;
  /** Why `meter` said stop: the output cap is reached, or a budget is spent. Undefined until it has. */
  stoppedBy: 'cap' | 'budget' | undefined;
  #metered = 0;
  #isMetered = false;
  #ended = false;

  constructor(owner: PermitOwner<Holding>, reserved: Reserved, holding: Holding) {
    this.#owner = owner;
    this.reserved = reserved;
    this.holding = holding;
  }

  /** Unique in this process. */
  get id(): string {
    this.#id ??= `p${++permits}`;
    return this.#id;
  }

  /** Aborts when the work must end: its client left, a budget is spent, its run is over, or the time to drain is up. */
  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController();
      if (this.#told?.aborted) this.#controller.abort(this.#told.reason);
      else if (!this.#ended) this.#owner.watched(this);
    }
    return this.#controller.signal;
  }

  /** The same for those who only want to be called: most permits then never need the runtime's own signal. */
  whenAborted(callback: () => void): void {
    this.#told ??= new Departure();
    this.#told.addEventListener('abort', callback);
    if (!this.#ended) this.#owner.watched(this);
  }

  /** Why the work must end; undefined while it need not. */
  get abortReason(): unknown {
    return this.#told?.reason;
  }

  get ended(): boolean {
    return this.#ended;
  }

  /** Output tokens metered so far. */
  get metered(): number {
    return this.#metered;
  }

  /**
   * The backend's answer has begun. The pool learns from it how soon this backend answers; only the first call counts.
   * @param options.stream false when the answer comes whole, so that its first byte says when it was done, not when it began
   */
  firstByte({ stream = true }: { readonly stream?: boolean } = {}): void {
    if (!this.#ended) this.#owner.firstByte(this, stream);
  }

  /**
   * The backend is loading the model for this request, and others wait for the same. Ollama throws a load away when the client that
   * began it leaves: who gives up now has everybody wait for another one.
   */
  get loadsForOthers(): boolean {
    return !this.#ended && this.#owner.loadsForOthers(this);
  }

  /** The backend let this request down. Too often in a row, and the pool does without it for a while. */
  failed(cause: BackendFailure): void {
    if (!this.#ended) this.#owner.failed(this, cause);
  }

  /**
   * Counts output tokens before they are passed on. `stop`: they do not fit the output cap or a budget, were not counted,
   * and must not be passed on; end the answer and settle.
   */
  meter(outputTokens: number): Verdict {
    if (this.#ended) return 'stop';
    if (!this.#isMetered) this.#owner.firstByte(this, true);
    this.#isMetered = true;
    const more = reportedNumber(outputTokens) ?? 0;
    const next = this.#metered + more;
    if (next > this.reserved.outputTokensMax) return this.#stop('cap');
    const beyond = next - Math.max(this.#metered, this.#owner.charged(this));
    if (beyond > 0 && !this.#owner.debit(this, beyond)) return this.#stop('budget');
    this.#metered = next;
    this.#owner.metered(this, more);
    return 'continue';
  }

  #stop(by: 'cap' | 'budget'): Verdict {
    this.stoppedBy = by;
    return 'stop';
  }

  /**
   * The cap to ask the backend for before it begins, all choices together: the one declared, or less where the budgets hold
   * less as things stand and the policy has answers end cleanly. Infinity for none.
   */
  outputTokensMax(): number {
    return this.#owner.outputTokensMax(this);
  }

  /**
   * Ends the permit with what was really used. What is absent, or no number from zero up, falls back to what was metered,
   * then to the reservation; an explicit zero stays zero. Nothing at all, `null` included, is nothing reported.
   */
  settle(usage?: Usage | null): void {
    if (!this.#end()) return;
    let inputTokens: number | undefined;
    let outputTokens: number | undefined;
    let gpuSeconds: number | undefined;
    try {
      if (usage !== undefined && usage !== null) {
        inputTokens = reportedNumber(usage.inputTokens);
        outputTokens = reportedNumber(usage.outputTokens);
        gpuSeconds = reportedNumber(usage.gpuSeconds);
      }
    } finally {
      // Reading it may throw; what was set aside comes back all the same.
      inputTokens ??= this.reserved.inputTokens;
      outputTokens ??= this.#isMetered ? this.#metered : this.reserved.outputTokens;
      const used = gpuSeconds === undefined ? { inputTokens, outputTokens } : { inputTokens, outputTokens, gpuSeconds };
      this.#owner.settled(this, used);
    }
  }

  /** Ends the permit as if the request had never been: nothing is charged. For work that was never begun. */
  cancel(): void {
    if (this.#end()) this.#owner.cancelled(this);
  }

  #end(): boolean {
    if (this.#ended) {
      this.#owner.endedTwice(this);
      return false;
    }
    this.#ended = true;
    return true;
  }

  /** Tells the holder to stop; the permit still has to be settled or cancelled. */
  abort(reason: unknown): void {
    this.#told ??= new Departure();
    this.#told.abort(reason);
    this.#controller?.abort(reason);
  }
}
