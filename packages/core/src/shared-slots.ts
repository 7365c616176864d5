/** What a limiter needs beyond its stages when its counters are shared: slots that come later, backends that others use too, leases. */
import type { SharedBackends } from './backend-slots.js';
import type { LimiterEvents } from './events.js';
import type { Clock } from './kernel/clock.js';
import { HeadgateError } from './kernel/errors.js';
import type { Events } from './kernel/events.js';
import type { Random } from './kernel/random.js';
import type { Limit } from './model.js';
import type { BackendRules, Policy } from './policy/policy.js';
import type { Reservation } from './reservation.js';
import { SlotPurse, type SlotPurseOptions } from './slot-purse.js';
import { GuardedStore } from './store/guard.js';
import { MemoryStore } from './store/memory.js';
import type { LimitSet, Receipt, Store, Subject } from './store/store.js';

const everyone: Subject = { identity: '', address: '', model: '', tier: '', run: '' };

/** The slots of a backend as a limit, so that all processes count them together. A backend is known to all by its name. */
export function backendLimit({ name, slots }: BackendRules): Limit {
  return {
    name: `backend ${name}`,
    measure: 'concurrency',
    algorithm: 'slots',
    amount: slots,
    capacity: slots,
    periodMs: 0,
    per: ['all'],
    mode: 'enforce',
    queue: true,
  };
}

export interface SharedSlotsOptions extends SlotPurseOptions {
  readonly backends: readonly BackendRules[];
  /** Whether somebody here waits for slots. */
  readonly isWaiting: () => boolean;
}

export class SharedSlots implements SharedBackends {
  readonly #options: SharedSlotsOptions;
  readonly #purse: SlotPurse;
  #backends = new Map<string, LimitSet>();
  readonly #holders = new WeakMap<Receipt, Reservation>();

  constructor(options: SharedSlotsOptions) {
    const { store, backends } = options;
    this.#options = options;
    this.#purse = new SlotPurse(options);
    this.configure(backends);
    store.onLost?.((receipt) => this.#lose(receipt));
  }

  /** Takes up other backends; the store knows of them already. */
  configure(backends: readonly BackendRules[]): void {
    const { store } = this.#options;
    this.#backends = new Map(backends.map((rules) => [rules.name, store.prepare([backendLimit(rules)])]));
  }

  /** Notes whose slots they are. */
  holds(receipt: Receipt, reservation: Reservation): void {
    this.#holders.set(receipt, reservation);
  }

  #lose(receipt: Receipt): void {
    this.#purse.lose(receipt);
    const reservation = this.#holders.get(receipt);
    if (reservation === undefined || reservation.lost !== undefined) return;
    const reason = new HeadgateError('HG_LEASE_LOST', 'the slot that this request held is held by another now');
    reservation.lost = { reason };
    reservation.holder?.abort(reason);
  }

  /** Gives back what nobody here will take any more. */
  close(): void {
    this.#purse.close();
  }

  takeLimits(set: LimitSet, subject: Subject): Receipt | undefined {
    return this.#purse.take(set, subject);
  }

  giveLimits(receipt: Receipt): void {
    this.#purse.give(receipt, this.#options.isWaiting());
  }

  async fetchLimits(reservation: Reservation): Promise<boolean> {
    const { queued } = reservation.rules;
    if (queued === undefined) return true;
    const receipt = await this.#fetch(queued, reservation.subject);
    if (receipt === undefined) return false;
    this.holds(receipt, reservation);
    reservation.queuedReceipt = receipt;
    return true;
  }

  /** A store that is down has no slots for now: whoever wants one waits. */
  #fetch(set: LimitSet, subject: Subject): Promise<Receipt | undefined> {
    return this.#purse.fetch(set, subject).catch(() => undefined);
  }

  take(backend: string, reservation: Reservation): boolean {
    const receipt = this.#purse.take(this.#backends.get(backend)!, everyone);
    if (receipt === undefined) return false;
    this.holds(receipt, reservation);
    reservation.backendReceipt = receipt;
    return true;
  }

  async fetch(backend: string): Promise<boolean> {
    const receipt = await this.#fetch(this.#backends.get(backend)!, everyone);
    if (receipt === undefined) return false;
    this.#purse.keep(receipt);
    return true;
  }

  give(reservation: Reservation): void {
    const { backendReceipt } = reservation;
    if (backendReceipt === undefined) return;
    reservation.backendReceipt = undefined;
    this.giveLimits(backendReceipt);
  }
}

/** What the store counts for the policy: its limits, and the slots of its backends where other processes use them too. */
export function limitsToCount(
  limits: readonly Limit[],
  backends: readonly BackendRules[],
  store: Store,
): readonly Limit[] {
  return store.sync ? limits : [...limits, ...backends.map(backendLimit)];
}

/** The store of a limiter that was given none. */
export function memoryFor({ store }: Policy, clock: Clock): Store {
  if (store.kind === 'memory') return new MemoryStore(clock);
  const message =
    'the policy keeps its counters in Redis: make the store, with redisStore(client, { prefix }) of @headgate/redis, and give it to the limiter as its option `store`.';
  throw new HeadgateError('HG_STORE_MISSING', message);
}

interface GuardedBy {
  readonly policy: Policy;
  readonly clock: Clock;
  readonly random: Random;
  readonly events: Events<LimiterEvents>;
}

/** No decision waits long for a store that is asked from afar, nor fails with it. */
export function guarded(store: Store, { policy, clock, random, events }: GuardedBy): Store {
  if (store.sync) return store;
  return new GuardedStore(store, {
    clock,
    random,
    onDown: policy.store.kind === 'redis' ? policy.store.onDown : 'local-share',
    onChange: (isDown, cause) => {
      if (isDown) events.emit('store-down', { cause: cause instanceof Error ? cause.message : String(cause) });
      else events.emit('store-up', {});
    },
    onAsked: (tookMs, answered) => {
      if (events.heard('store-asked')) events.emit('store-asked', { tookMs, answered });
    },
  });
}
