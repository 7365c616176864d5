/** The slot of a backend that a request needs: taken from the pool and, where other processes use the backend too, from them. */
import type { Backend } from './model.js';
import type { Pool } from './pool/pool.js';
import type { Reservation } from './reservation.js';

/** Slots of backends, as all processes together count them. */
export interface SharedBackends {
  /** Takes one that is held here. False: there is none, and it is asked for. */
  take(backend: string, reservation: Reservation): boolean;
  /** Asks for one and waits for the answer. True: it is held here now. */
  fetch(backend: string): Promise<boolean>;
  /** Gives back the one that the request has, if it has one. */
  give(reservation: Reservation): void;
}

export class BackendSlots {
  readonly #pool: Pool;
  readonly #shared: SharedBackends | undefined;

  constructor(pool: Pool, shared: SharedBackends | undefined) {
    this.#pool = pool;
    this.#shared = shared;
  }

  /** @param except backends that were tried */
  take(reservation: Reservation, except?: ReadonlySet<Backend>): boolean | 'later' {
    const { wish } = reservation;
    if (wish === undefined) return true;
    const shared = this.#shared;
    const lent = shared === undefined ? undefined : ({ name }: Backend) => shared.take(name, reservation);
    const taken = this.#pool.take(wish, except, lent);
    if (typeof taken === 'string') return taken === 'later' ? 'later' : false;
    reservation.slot = taken;
    return true;
  }

  /** Asks those who share the backends for a slot, and waits for the answer, but for no slot. */
  async fetch({ wish }: Reservation): Promise<boolean> {
    const shared = this.#shared;
    if (wish === undefined || shared === undefined) return true;
    for (const tried = new Set<Backend>(); ; ) {
      const intent = this.#pool.intend(wish, tried);
      if (typeof intent === 'string') return false;
      const isFetched = await shared.fetch(intent.backend.name);
      intent.end();
      if (isFetched) return true;
      tried.add(intent.backend);
    }
  }

  release(reservation: Reservation): void {
    // Here first: who waits here is asked before others are.
    reservation.slot?.release();
    reservation.slot = undefined;
    this.#shared?.give(reservation);
  }
}
