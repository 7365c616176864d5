/**
 * The permits that are out: granted here, ended here, each once. What ending one means for counters, queue and backends is
 * told by the limiter as plain functions, in the order in which they must happen.
 */
import type { LimiterEvents } from '../events.js';
import type { Clock } from '../kernel/clock.js';
import type { Events } from '../kernel/events.js';
import { List } from '../kernel/list.js';
import type { BackendFailure, Charged, Usage } from '../model.js';
import { oneRequest, type Reservation } from '../reservation.js';
import type { Stoppable } from '../run-state.js';
import { Permit, type PermitOwner, type Reserved } from './permit.js';

/** Weight of the newest permit in the mean time that a slot is held. */
const holdSmoothing = 0.2;
const holdMsGuess = 5_000;
const nothingReserved: Reserved = { inputTokens: 0, outputTokens: 0, outputTokensMax: Number.POSITIVE_INFINITY };

export interface PermitsOptions {
  readonly clock: Clock;
  readonly events: Events<LimiterEvents>;
  /** Told of each permit before anybody has it. */
  onGranted(reservation: Reservation): void;
  debit(reservation: Reservation, outputTokens: number): boolean;
  /** The cap to ask the backend for; Infinity for none. */
  outputTokensMax(reservation: Reservation): number;
  settle(reservation: Reservation, usage: Usage): Charged;
  cancel(reservation: Reservation): void;
  /** Frees the slots, last of all: whoever listens to the permit's end must not find one before those who wait for it. */
  release(reservation: Reservation): void;
}

export class Permits implements PermitOwner<Reservation> {
  readonly #options: PermitsOptions;
  readonly #watched = new List<Stoppable>();
  /** Why permits were aborted, once they were. */
  #abortReason: { readonly reason: unknown } | undefined;
  #inFlight = 0;
  #inputTokens = 0;
  #outputTokens = 0;
  #holdMs = holdMsGuess;
  #onReleased: () => void = () => {};

  constructor(options: PermitsOptions) {
    this.#options = options;
  }

  /** Permits granted and not ended. */
  get inFlight(): number {
    return this.#inFlight;
  }

  /** Of all permits since the start: output as it streams, corrected with the input once what was used is known. */
  get tokens(): { readonly input: number; readonly output: number } {
    return { input: this.#inputTokens, output: this.#outputTokens };
  }

  /** How long permits that hold a slot were held lately, ms; the newest weigh most. */
  get holdMs(): number {
    return this.#holdMs;
  }

  grant(reservation: Reservation): Permit<Reservation> {
    const { cost, outputTokensMax, backend } = reservation;
    const reserved =
      cost === oneRequest && outputTokensMax === Number.POSITIVE_INFINITY
        ? nothingReserved
        : { inputTokens: cost.inputTokens, outputTokens: cost.outputTokens, outputTokensMax };
    const permit = new Permit(this, reserved, reservation);
    permit.backend = backend;
    this.#options.onGranted(reservation);
    reservation.grantedAt = this.#options.clock.now();
    this.#inFlight++;
    reservation.inRun = reservation.run?.begin(permit);
    reservation.holder = permit;
    if (reservation.lost !== undefined) permit.abort(reservation.lost.reason);
    const { events } = this.#options;
    if (events.heard('request-admitted')) {
      const { identity, operation, model, waitedMs } = reservation;
      const permitId = permit.id;
      events.emit('request-admitted', { identity, operation, model, permitId, waitedMs, ...nameOf(backend) });
    }
    return permit;
  }

  charged({ holding }: Permit<Reservation>): number {
    return holding.cost.outputTokens + (holding.cover?.cost.outputTokens ?? 0);
  }

  debit(permit: Permit<Reservation>, outputTokens: number): boolean {
    return this.#options.debit(permit.holding, outputTokens);
  }

  metered(permit: Permit<Reservation>, outputTokens: number): void {
    this.#outputTokens += outputTokens;
    permit.holding.charge?.stream(permit.metered);
  }

  outputTokensMax(permit: Permit<Reservation>): number {
    return this.#options.outputTokensMax(permit.holding);
  }

  firstByte({ holding }: Permit<Reservation>, stream: boolean): void {
    holding.slot?.firstByte(stream);
  }

  loadsForOthers({ holding }: Permit<Reservation>): boolean {
    return holding.slot?.loadsForOthers === true;
  }

  failed({ holding }: Permit<Reservation>, cause: BackendFailure): void {
    holding.slot?.failed(cause);
  }

  settled(permit: Permit<Reservation>, usage: Usage): void {
    const { events } = this.#options;
    // Who only says what came of it had an answer, if there was output.
    if ((usage.outputTokens ?? 0) > 0) permit.holding.slot?.firstByte(false);
    const charged = this.#options.settle(permit.holding, usage);
    permit.holding.charge?.settle(usage.inputTokens ?? 0, usage.outputTokens ?? 0);
    permit.charged = charged;
    this.#inputTokens += charged.inputTokens;
    this.#outputTokens += charged.outputTokens - permit.metered;
    if (events.heard('reservation-settled')) {
      const { reserved, id: permitId } = permit;
      const { identity, operation, model } = permit.holding;
      events.emit('reservation-settled', { identity, operation, model, permitId, usage, reserved, charged });
    }
    this.#released(permit);
  }

  cancelled(permit: Permit<Reservation>): void {
    const { events } = this.#options;
    this.#options.cancel(permit.holding);
    this.#outputTokens -= permit.metered;
    if (events.heard('reservation-cancelled')) {
      events.emit('reservation-cancelled', { ...permit.holding.about, permitId: permit.id });
    }
    this.#released(permit);
  }

  #released(permit: Permit<Reservation>): void {
    const { clock, events } = this.#options;
    const reservation = permit.holding;
    if (reservation.watch !== undefined) this.#watched.remove(reservation.watch);
    if (reservation.inRun !== undefined) reservation.run?.done(reservation.inRun);
    this.#inFlight--;
    const isHeard = events.heard('permit-released');
    if (isHeard || reservation.holdsSlot) {
      const heldMs = clock.now() - reservation.grantedAt;
      if (reservation.holdsSlot) this.#holdMs += holdSmoothing * (heldMs - this.#holdMs);
      if (isHeard) {
        const { identity, operation, model, backend } = reservation;
        const permitId = permit.id;
        events.emit('permit-released', { identity, operation, model, permitId, heldMs, ...nameOf(backend) });
      }
    }
    this.#options.release(reservation);
    this.#onReleased();
  }

  endedTwice(permit: Permit<Reservation>): void {
    this.#options.events.emit('permit-ended-twice', { permitId: permit.id });
  }

  watched(permit: Permit<Reservation>): void {
    permit.holding.watch ??= this.#watched.push(permit);
    if (this.#abortReason !== undefined) permit.abort(this.#abortReason.reason);
  }

  /** Resolves when no permit is out, or after `drainMs`, when those that are were told to stop. */
  async drained(drainMs: number, reason: () => unknown): Promise<void> {
    if (!(await this.ended(drainMs))) this.abortAll(reason());
  }

  /** Resolves with true when no permit is out, with false after `waitMs`. */
  async ended(waitMs: number): Promise<boolean> {
    if (this.#inFlight === 0) return true;
    return new Promise((resolve) => {
      const timer = this.#options.clock.after(waitMs, () => resolve(false));
      const onReleased = (): void => {
        if (this.#inFlight > 0) return;
        timer.cancel();
        resolve(true);
      };
      this.#onReleased = onReleased;
    });
  }

  /** Tells everyone who listens to a permit's signal to stop, now and from now on. */
  abortAll(reason: unknown): void {
    this.#abortReason = { reason };
    for (const permit of [...this.#watched]) permit.abort(reason);
  }
}

function nameOf(backend: Reservation['backend']): { backend?: string } {
  return backend === undefined ? {} : { backend: backend.name };
}
