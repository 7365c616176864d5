/**
 * What a request needs before it may run, beyond its charge: the slots of limits that queue, and one of a backend. Taken
 * together or not at all, waited for in the waiting room, and handed over by whoever frees them.
 */
import { BackendSlots, type SharedBackends } from './backend-slots.js';
import type { LimiterEvents } from './events.js';
import type { Clock } from './kernel/clock.js';
import type { Events } from './kernel/events.js';
import type { Signal } from './kernel/signal.js';
import type { AdmitRequest, Backend, Identity, QueueOutlook, Refusal } from './model.js';
import { noPrefix, prefixOf } from './pool/affinity.js';
import type { Pool } from './pool/pool.js';
import type { EvictionReason, WaitingRoom } from './queue/queue.js';
import { draining, estimatedWaitMsMin, inWords, noBackend, refuse } from './refusal.js';
import type { Reservation } from './reservation.js';
import type { Permit } from './settlement/permit.js';
import { subjectKey } from './store/subject.js';
import { Wish } from './wish.js';

export interface SlotsOptions {
  readonly clock: Clock;
  readonly events: Events<LimiterEvents>;
  readonly pool: Pool;
  readonly room: WaitingRoom;
  /** Longest wait for slots, the wait for a turn before it included, ms. */
  readonly waitMsMax: () => number;
  /** The slots of limits that queue. */
  readonly takeLimits: (reservation: Reservation) => boolean;
  readonly giveLimits: (reservation: Reservation) => void;
  /** Asks for the slots of limits that queue, of a store that answers later. True: they are taken, or there are none. */
  readonly fetchLimits?: (reservation: Reservation) => Promise<boolean>;
  /** Slots of a backend that other processes use too; undefined where none do. */
  readonly shared?: SharedBackends;
  /** Takes back what the request was charged. */
  readonly uncharge: (reservation: Reservation) => void;
  /** How long slots were held lately, ms. */
  readonly holdMs: () => number;
  readonly inFlight: () => number;
  /** Everyone who waits, for slots or for a turn. */
  readonly waiting: () => number;
}

const sentences = {
  'queue-full': 'server busy, please try again.  maximum pending requests exceeded',
  'queue-timeout': 'server busy, please try again.  waited too long for a free slot',
} as const;

export interface WaitOptions {
  readonly signal: Signal | undefined;
  /** Was let through before: waits ahead of those who never were, and its time begins anew. */
  readonly returned?: boolean;
  /** Backends that were tried. */
  readonly except?: ReadonlySet<Backend>;
}

export class Slots {
  readonly #options: SlotsOptions;
  readonly #backends: BackendSlots;

  constructor(options: SlotsOptions) {
    this.#options = options;
    this.#backends = new BackendSlots(options.pool, options.shared);
  }

  /** What a request wants of the backends. */
  wishOf({ model, operation, cost, enteredAt }: Reservation, { input, stream = false }: AdmitRequest): Wish {
    const runs = operation === 'chat' || operation === 'generate' || operation === 'embed';
    const prefix = runs && this.#options.pool.wantsPrefix ? prefixOf(model, textsOf(input)) : noPrefix;
    return new Wish({ model, runs, stream, inputTokens: cost.inputTokens, prefix, since: enteredAt });
  }

  /** The line a request stands in when it needs slots; undefined when it needs none. */
  lineOf({ rules, subject, model, wish }: Reservation): string | undefined {
    const { queued } = rules;
    // What one request for a model cannot have, no other for it can.
    const line = wish === undefined ? undefined : model;
    if (queued === undefined) return line;
    return JSON.stringify([line ?? '', ...queued.limits.map(({ name, per }) => [name, subjectKey(per, subject)])]);
  }

  /** Nobody waits for the same slots, and they are free. */
  takeAtOnce(reservation: Reservation, line: string): boolean {
    return !this.#options.room.hasLine(line) && this.take(reservation) === true;
  }

  /** Takes all slots the request needs, or none. `later`: it could have had them, and will be better off if it waits. */
  take(reservation: Reservation): boolean | 'later' {
    const { takeLimits, giveLimits, room } = this.#options;
    if (!takeLimits(reservation)) return false;
    const taken = this.#backends.take(reservation);
    if (taken !== true) {
      giveLimits(reservation);
      return taken;
    }
    const { identity, operation, cost, outputTokensMax } = reservation;
    const { inputTokens } = cost;
    reservation.charge = room.begin(identity, { inputTokens, outputTokensMax, generates: operation !== 'embed' });
    return true;
  }

  /**
   * The same as `takeAtOnce` for a store that answers later: asks for all slots and waits for the answers, but for no slot.
   * False where somebody waits for the same: then a newcomer waits behind.
   */
  async fetchAtOnce(reservation: Reservation, line: string): Promise<boolean> {
    const { room, fetchLimits, giveLimits } = this.#options;
    if (fetchLimits === undefined || room.hasLine(line) || !(await fetchLimits(reservation))) return false;
    if ((await this.#backends.fetch(reservation)) && this.take(reservation) === true) return true;
    giveLimits(reservation);
    // Whoever came meanwhile found taken what was only asked for.
    if (room.size > 0) room.dispatch();
    return false;
  }

  /** Gives the slots back and hands them over. */
  release(reservation: Reservation): void {
    const { giveLimits, room } = this.#options;
    // Nothing is left of it where the request was settled.
    reservation.charge?.cancel();
    giveLimits(reservation);
    this.#forget(reservation);
    this.#backends.release(reservation);
    if (room.size > 0) room.dispatch();
  }

  #forget({ wish }: Reservation): void {
    if (wish !== undefined) this.#options.pool.forget(wish);
  }

  /** Why a request that waits for a backend does so in vain: none that could take it is left. */
  #hopeless({ model, wish }: Reservation, except: ReadonlySet<Backend> | undefined): Refusal | undefined {
    const { pool } = this.#options;
    return wish === undefined || pool.usable(model, except) ? undefined : noBackend(pool.backMs(model));
  }

  /** Waits in the line until `take` succeeds. Resolves with the refusal if it never does; rejects when the client leaves. */
  wait(
    reservation: Reservation,
    line: string,
    take: () => boolean | 'later',
    options: WaitOptions,
  ): Promise<Refusal | undefined> {
    const { signal, returned = false, except } = options;
    const { clock, room, events, waitMsMax, waiting } = this.#options;
    // Who comes back has a permit, whose holder ends it; of all others nothing may be left.
    const abandon = (): void => {
      if (returned) this.#forget(reservation);
      else this.#abandon(reservation);
    };
    if (signal?.aborted) {
      abandon();
      return Promise.reject(signal.reason);
    }
    // What was spent on waiting for a turn is not to be had again; who comes back starts anew.
    const spentMs = returned ? 0 : clock.now() - reservation.enteredAt;
    const waitMs = Math.max(0, waitMsMax() - spentMs);
    return new Promise((resolve, reject) => {
      const leave = room.enter(
        {
          line,
          identity: reservation.identity,
          grant: () => {
            const taken = take();
            const refusal = taken === true ? undefined : this.#hopeless(reservation, except);
            if (taken !== true && refusal === undefined) return taken;
            end(refusal);
            return true;
          },
          evict: (reason) => end(this.#evicted(reservation, line, reason)),
        },
        { returned, waitMs },
      );
      const end = (refusal: Refusal | undefined): void => {
        signal?.removeEventListener('abort', onAbort);
        this.#forget(reservation);
        resolve(refusal);
      };
      const onAbort = (): void => {
        if (!leave()) return;
        abandon();
        this.tellLeft(reservation);
        reject(signal?.reason);
      };
      signal?.addEventListener('abort', onAbort, { once: true });
      // Told last: a listener that frees a slot finds the newcomer in the room.
      if (events.heard('request-queued')) {
        events.emit('request-queued', { ...reservation.about, waiting: waiting() });
      }
    });
  }

  #abandon(reservation: Reservation): void {
    this.#options.uncharge(reservation);
    this.release(reservation);
  }

  tellLeft(reservation: Reservation): void {
    const { clock, events } = this.#options;
    if (!events.heard('waiter-left')) return;
    events.emit('waiter-left', { ...reservation.about, waitedMs: clock.now() - reservation.enteredAt });
  }

  #evicted(reservation: Reservation, line: string, reason: EvictionReason): Refusal {
    if (reason === 'draining') return draining();
    return this.#noPlace(reason, reservation, line);
  }

  /** Why a request that finds no slot cannot even wait: backends may have gone since it came. */
  cannotWait(reservation: Reservation, line: string): Refusal | undefined {
    if (this.#options.room.hasPlaceFor(reservation.identity)) return this.#hopeless(reservation, undefined);
    return this.#noPlace('queue-full', reservation, line);
  }

  #noPlace(reason: 'queue-full' | 'queue-timeout', { identity }: Reservation, line: string): Refusal {
    const queue = this.#outlook(line, identity);
    return refuse(reason, sentences[reason], { retryAfterMs: queue.waitMs, queue });
  }

  /** For callers that never wait. */
  noSlot({ identity }: Reservation, line: string): Refusal {
    const queue = this.#outlook(line, identity);
    const message = `no slot is free; please try again in ${inWords(queue.waitMs)}.`;
    return refuse('concurrency', message, { retryAfterMs: queue.waitMs, queue });
  }

  /** Where a request would stand and how long it would wait if it came now: from how fast the line drained lately. */
  #outlook(line: string, identity: Identity): QueueOutlook {
    const { position, intervalMs = this.#intervalMs() } = this.#options.room.prospect(line, identity);
    return { position, waitMs: Math.max(estimatedWaitMsMin, Math.ceil(intervalMs * position)) };
  }

  /** Mean time between two freed slots while all are taken, ms: from how long slots were held lately. */
  #intervalMs(): number {
    const { pool, holdMs, inFlight } = this.#options;
    return holdMs() / (pool.backends.reduce((sum, backend) => sum + backend.slots, 0) || inFlight() || 1);
  }

  /** When the next of so many slots, all taken, is expected to be free, ms. */
  slotMs(slots: number): number {
    return Math.max(estimatedWaitMsMin, Math.ceil(this.#options.holdMs() / slots));
  }

  /** Moves a permit, as `move` does; while it waits for another backend it has none. */
  async movePermit(
    permit: Permit<Reservation>,
    tried: ReadonlySet<Backend>,
    signal: Signal | undefined,
  ): Promise<Refusal | undefined> {
    const reservation = permit.holding;
    const moved = this.move(reservation, tried, () => permit.ended, signal);
    permit.backend = reservation.backend;
    const refusal = await moved;
    permit.backend = reservation.backend;
    return refusal;
  }

  /**
   * Gives the backend's slot back and takes one on a backend that was not tried yet, waiting ahead of those who never had
   * one. Resolves with the refusal when there is none to be had, and rejects when the client leaves; no slot of a backend is held then.
   * @param ended whether the permit has ended meanwhile: it takes nothing then, and goes, so that it holds nobody up
   */
  async move(
    reservation: Reservation,
    tried: ReadonlySet<Backend>,
    ended: () => boolean,
    signal: Signal | undefined,
  ): Promise<Refusal | undefined> {
    const { pool, room } = this.#options;
    const { model, wish, slot } = reservation;
    const none = (): Refusal =>
      refuse('no-backend', 'no other backend can take this request.', { retryAfterMs: estimatedWaitMsMin });
    if (ended() || wish === undefined || slot === undefined) return none();
    if (!pool.usable(model, tried) || !pool.mayRetry(slot.backend)) return none();
    wish.moving = true;
    this.#backends.release(reservation);
    if (this.#backends.take(reservation, tried) === true) {
      room.dispatch();
      return undefined;
    }
    room.dispatch();
    const line = `not ${[...tried].map(({ name }) => name).join()} ${model}`;
    const take = (): boolean | 'later' => ended() || this.#backends.take(reservation, tried);
    const evicted = await this.wait(reservation, line, take, { signal, returned: true, except: tried });
    if (evicted !== undefined) return evicted;
    return ended() ? none() : undefined;
  }
}

function textsOf(input: AdmitRequest['input']): readonly string[] {
  if (input === undefined) return [];
  if (typeof input === 'string') return [input];
  if ('texts' in input) return input.texts;
  return 'tokens' in input ? [] : input;
}
