/**
 * The health of one backend.
 *
 *                 failure, bad probe                  so many failures in a row, or hung: and others can take its place
 *     healthy ──────────────────────────▶ suspect ─────────────────────────────────────────────────▶ ejected
 *        ▲    ◀────────────────────────── │  good answer, good probe, or nothing bad for a while        │  ▲
 *        │                                │                                                             │  │
 *        │ the window is over             │ so many bad probes in a row                 its time is over│  │ the trial failed:
 *        │                                ▼ (from every state)                          or nobody else  │  │ longer each time
 *     slow-start ◀── good probes ────── down                                            is left         ▼  │
 *        ▲                                                                                           probing
 *        └───────────────────────── the trial's first byte ─────────────────────────────────────────────┘
 *
 * Probes find a process that is gone; requests find one whose health page is fine and whose work is not. Healthy, suspect and
 * slow-start backends are used; a suspect one only where nothing better is free; a probing one by one request at a time, the
 * trial. Draining and removal are decisions, not health: backend.ts adds them on top.
 *
 * What a request says counts only if it was sent since the last ejection: late news about the time before says nothing new.
 * After Envoy's outlier detection and slow start, and Finagle's failure accrual, with counts fit for a handful of GPUs.
 */
import type { Clock, Timer } from '../kernel/clock.js';
import type { Random } from '../kernel/random.js';
import type { BackendFailure } from '../model.js';
import type { PoolRules } from '../policy/policy.js';

export type HealthState = 'healthy' | 'suspect' | 'slow-start' | 'probing' | 'ejected' | 'down';
export type EjectionCause = BackendFailure | 'hung';

/** An ejection lasts at most so many times the first one. */
const growthMax = 10;
/** Durations vary by a tenth either way, so that backends that failed together do not come back together. */
const jitter = 0.1;
/** The window of slow start is this share of an ejection's first duration, in so many steps. */
const slowStartShare = 1 / 3;
const slowStartSteps = 8;

export interface HealthListener {
  /** Whether the others can do without it. */
  mayEject(): boolean;
  onDown(): void;
  onEjected(cause: EjectionCause, forMs: number): void;
  /** Usable again, as far as can be told. */
  onUp(): void;
  /** More slots may be used than before. */
  onRoom(): void;
}

export class Health {
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #listener: HealthListener;
  #rules: PoolRules;
  #state: Exclude<HealthState, 'suspect'> = 'healthy';
  /** Until when it is a suspect, while nothing contradicts. */
  #suspectUntil = Number.NEGATIVE_INFINITY;
  #failures = 0;
  #badProbes = 0;
  #goodProbes = 0;
  /** Ejections in a row. */
  #ejections = 0;
  /** When the state began, and when it ends by itself. */
  #since = 0;
  #until = 0;
  #timer: Timer | undefined;
  /** Goes up with each ejection. */
  #era = 0;
  #trialOut = false;
  /** Why it was ejected last: if its work stood still while its health page was fine, that page proves nothing. */
  #wasHung = false;

  constructor(rules: PoolRules, clock: Clock, random: Random, listener: HealthListener) {
    this.#rules = rules;
    this.#clock = clock;
    this.#random = random;
    this.#listener = listener;
  }

  configure(rules: PoolRules): void {
    this.#rules = rules;
  }

  get state(): HealthState {
    return this.#state === 'healthy' && this.#clock.now() < this.#suspectUntil ? 'suspect' : this.#state;
  }

  /** Whether requests may be sent there, now or when a slot is free. */
  get usable(): boolean {
    return this.#state !== 'down' && this.#state !== 'ejected';
  }

  /** Failures in a row, no more than put it out, while it is suspected for them. */
  get failures(): number {
    if (this.#clock.now() >= this.#suspectUntil) return 0;
    return Math.min(Math.max(1, this.#failures), this.#rules.eject.failures);
  }

  /** How many of its slots may be used at once. */
  usableSlots(slots: number): number {
    switch (this.#state) {
      case 'healthy':
        return slots;
      case 'slow-start':
        return Math.max(1, Math.floor((slots * (this.#clock.now() - this.#since)) / (this.#until - this.#since)));
      case 'probing':
        return this.#trialOut ? 0 : slots;
      default:
        return 0;
    }
  }

  /** When it may be usable again by itself, ms from now; 0 when it is. */
  get backMs(): number {
    const { everyMs, rise } = this.#rules.health;
    if (this.#state === 'down') return Math.max(1, rise - this.#goodProbes) * everyMs;
    return this.#state === 'ejected' ? Math.max(0, this.#until - this.#clock.now()) : 0;
  }

  /** A request is sent. What it returns goes with everything that is said of this request. */
  enter(): number {
    if (this.#state === 'probing') this.#trialOut = true;
    return this.#era;
  }

  /** The request got its first byte. */
  answered(era: number): void {
    if (era === this.#era && this.#state === 'probing') this.#beginSlowStart();
  }

  /** The request ended well. */
  succeeded(era: number): void {
    if (era === this.#era) this.#clear();
  }

  failed(cause: BackendFailure, era: number): void {
    if (era !== this.#era) return;
    this.#failures++;
    this.#suspect();
    if (this.#state === 'probing' || this.#failures >= this.#rules.eject.failures) this.#eject(cause);
  }

  /** The request is over, whatever became of it. */
  leave(era: number): void {
    if (era === this.#era) this.#endTrial();
  }

  /** Nothing came of it: the next one is let in. */
  #endTrial(): void {
    if (!this.#trialOut) return;
    this.#trialOut = false;
    this.#listener.onRoom();
  }

  /** Requests get no first byte though it answers its probes. */
  hung(era: number): void {
    if (era === this.#era) this.#eject('hung');
  }

  probed(good: boolean): void {
    const { rise, fall } = this.#rules.health;
    this.#goodProbes = good ? this.#goodProbes + 1 : 0;
    this.#badProbes = good ? 0 : this.#badProbes + 1;
    if (!good) this.#suspect();
    else this.#suspectUntil = Number.NEGATIVE_INFINITY;
    const isBack = this.#state === 'down' || (this.#state === 'probing' && !this.#trialOut && !this.#wasHung);
    if (isBack && this.#goodProbes >= rise) this.#beginSlowStart();
    else if (this.#state !== 'down' && this.#badProbes >= fall) this.#goDown();
  }

  /** Nobody else is left: better a doubtful one than none. */
  lastResort(): void {
    if (this.#state === 'ejected') this.#beginProbing();
  }

  /** It is out of the pool: nothing that is said of it changes anything any more. */
  close(): void {
    this.#era++;
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  #clear(): void {
    this.#failures = 0;
    this.#suspectUntil = Number.NEGATIVE_INFINITY;
  }

  #suspect(): void {
    this.#suspectUntil = this.#clock.now() + this.#rules.health.everyMs;
  }

  #enter(state: Exclude<HealthState, 'suspect'>): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#state = state;
    this.#since = this.#clock.now();
    this.#trialOut = false;
  }

  #goDown(): void {
    this.#era++;
    this.#enter('down');
    this.#listener.onDown();
  }

  /**
   * Does nothing where the others cannot do without it; asked again at the next failure. Never asked of one that is out already:
   * nothing is sent there, and what was sent before is of another era.
   */
  #eject(cause: EjectionCause): void {
    const isTrial = this.#state === 'probing';
    if (!this.#listener.mayEject()) {
      this.#endTrial();
      return;
    }
    const { forMs } = this.#rules.eject;
    const isSoon = isTrial || this.#clock.now() - this.#until < forMs;
    this.#ejections = isSoon ? this.#ejections + 1 : 1;
    const grown = forMs * Math.min(growthMax, 2 ** (this.#ejections - 1));
    const durationMs = grown * (1 - jitter + 2 * jitter * this.#random());
    this.#era++;
    this.#wasHung = cause === 'hung';
    this.#failures = 0;
    this.#enter('ejected');
    this.#until = this.#since + durationMs;
    this.#timer = this.#clock.after(durationMs, () => this.#beginProbing());
    this.#listener.onEjected(cause, durationMs);
  }

  #beginProbing(): void {
    this.#enter('probing');
    this.#goodProbes = 0;
    this.#listener.onRoom();
  }

  #beginSlowStart(): void {
    this.#clear();
    this.#enter('slow-start');
    const windowMs = Math.max(1, this.#rules.eject.forMs * slowStartShare);
    this.#until = this.#since + windowMs;
    this.#listener.onUp();
    const step = (left: number): void => {
      this.#timer = this.#clock.after(windowMs / slowStartSteps, () => {
        if (left > 1) step(left - 1);
        else this.#enter('healthy');
        this.#listener.onRoom();
      });
    };
    step(slowStartSteps);
    this.#listener.onRoom();
  }
}
