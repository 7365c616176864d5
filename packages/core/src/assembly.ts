/** Builds the stages of a limiter and hands one to another as plain functions, so that none has to know the next. */
import { Alerts } from './admission/alerts.js';
import { Covers } from './admission/cover.js';
import { Entrance } from './admission/entrance.js';
import type { CountTokens } from './admission/estimate.js';
import { Experience } from './admission/experience.js';
import { LessonExchange, type LessonStats } from './admission/lesson-exchange.js';
import { Pricing } from './admission/pricing.js';
import { Reserves } from './admission/reserve.js';
import { Rulebook } from './admission/rulebook.js';
import { Webhooks } from './alert/webhooks.js';
import type { Decision } from './decision.js';
import type { LimiterEvents } from './events.js';
import { bucketsBeside, Failures } from './identity/failures.js';
import { Identities } from './identity/identities.js';
import type { Clock } from './kernel/clock.js';
import { HeadgateError } from './kernel/errors.js';
import type { Events } from './kernel/events.js';
import type { Random } from './kernel/random.js';
import type { Signal } from './kernel/signal.js';
import type { Charged, Refusal, Usage } from './model.js';
import type { Policy } from './policy/policy.js';
import { Pool } from './pool/pool.js';
import type { ProbeBackend } from './pool/probes.js';
import { WaitingRoom } from './queue/queue.js';
import type { QueueOptions } from './queue/rules.js';
import { Turns } from './queue/turns.js';
import { draining } from './refusal.js';
import type { Reservation } from './reservation.js';
import { Runs } from './run/runs.js';
import { Permits } from './settlement/permits.js';
import { limitsToCount, SharedSlots } from './shared-slots.js';
import { Slots } from './slots.js';
import type { Store } from './store/store.js';

/** How long work that was told to stop has to say that it did, before a shared store is closed. */
const endingMsMax = 1_000;

export interface AssemblyOptions {
  readonly clock: Clock;
  readonly random: Random;
  readonly store: Store;
  readonly events: Events<LimiterEvents>;
  readonly countTokens: CountTokens;
  readonly fetch: typeof fetch;
  readonly probe: ProbeBackend | undefined;
}

export interface Stages {
  readonly identities: Identities;
  readonly entrance: Entrance;
  readonly reserves: Reserves;
  readonly turns: Turns;
  readonly room: WaitingRoom;
  readonly pool: Pool;
  readonly slots: Slots;
  readonly permits: Permits;
  readonly runs: Runs;
  readonly failures: Failures;
  readonly alerts: Alerts;
  readonly webhooks: Webhooks;
  /**
   * Charges all that an answer in one piece may have, once it is let through; a store that answers at once did so by then. Rejects
   * with the signal's reason where the client left meanwhile.
   */
  readonly covered: (reservation: Reservation, decided: Promise<Decision>, signal?: Signal) => Promise<Decision>;
  /** Takes back what a request was charged. */
  readonly uncharge: (reservation: Reservation) => void;
  /** Puts the refusal into words only when somebody listens. */
  readonly tellWouldRefuse: (reservation: Reservation, refusal: () => Refusal) => void;
  /** Everyone who waits, for slots or for a turn. */
  readonly waiting: () => number;
  /** What was exchanged with other processes; undefined where the store has no such thing. */
  readonly lessons: () => LessonStats | undefined;
  /** Sends off who waits, lets running work end for so long, then aborts it; lets go of all that is kept open. */
  readonly shutDown: (drainMs: number) => Promise<void>;
  /** Has every stage take up another policy. What they have counted and learned stays, and so does whoever is under way. */
  readonly configure: (policy: Policy) => void;
}

export function assemble(first: Policy, options: AssemblyOptions): Stages {
  const { clock, random, store, events, countTokens, fetch, probe } = options;
  /** The one in force: what is read from it late is always the latest. */
  let policy = first;
  configureStore(store, policy);

  const identities = new Identities(policy, (identity, tier) => events.emit('tier-missing', { identity, tier }));
  const resolveIdentity = identities.resolve.bind(identities);
  const rulebook = new Rulebook(policy, store);
  const pricing = new Pricing(policy.prices);
  const experience = new Experience();
  const exchange = store.exchange?.bind(store);
  const lessons =
    exchange === undefined ? undefined : new LessonExchange({ exchange, learners: experience.share(), clock, random });
  const waitMsMax = (): number => policy.queue.waitMs;
  // Whoever was overtaken for that long must still have the time to be served.
  const overtakeMsMax = (): number => Math.min(30_000, waitMsMax() / 2);
  const { backends, pool: rules } = policy;
  const pool = new Pool({ backends, rules, clock, random, events, probe, overtakeMsMax });
  const room = new WaitingRoom(clock, queueOptions(policy));
  const turns = new Turns(clock, waitMsMax);
  const covers = new Covers({ store, pricing });
  const alerts = new Alerts(store, clock, events, covers);
  const webhooks = new Webhooks(policy.alerts, { clock, events, fetch });
  const runs = new Runs({ clock, store, events, resolveIdentity, rulesOf: (identity) => rulebook.runRules(identity) });

  const failures = new Failures({
    store,
    resolveIdentity,
    onCounted: ({ about, subject, alerted }) => alerts.charged({ about, subject, rules: { alerted } }),
    onWouldBlock: (attempt, refusal) => tellWouldRefuse(attempt, () => refusal),
  });
  failures.configure(policy.limits);

  const waiting = (): number => room.size + turns.size;
  const tellWouldRefuse = (asked: Pick<Reservation, 'about'>, refusal: () => Refusal): void => {
    if (!events.heard('request-would-refuse')) return;
    const { reason, limit = reason, measure, retryAfterMs } = refusal();
    const wait = retryAfterMs === undefined ? {} : { retryAfterMs };
    const what = measure === undefined ? {} : { measure };
    events.emit('request-would-refuse', { ...asked.about, reason, limit, ...what, ...wait });
  };
  // With an error at the end of a budget caps stay as declared, so covers would cover nothing.
  const cover = (reservation: Reservation): void | Promise<void> =>
    policy.onBudgetSpent === 'error' ? undefined : covers.cover(reservation);
  const covered: Stages['covered'] = async (reservation, decided, signal) => {
    const decision = await decided;
    if (!decision.admitted) return decision;
    if (!store.sync) await cover(reservation);
    if (signal === undefined || !signal.aborted) return decision;
    decision.permit.cancel();
    throw signal.reason;
  };
  const uncharge = (reservation: Reservation): void => {
    reserves.cancel(reservation);
    runs.takenBack(reservation);
  };
  const settle = (reservation: Reservation, usage: Usage): Charged => {
    const charged = reserves.settle(reservation, usage);
    alerts.charged(reservation);
    experience.learn(reservation, usage);
    return charged;
  };

  const shared = store.sync
    ? undefined
    : new SharedSlots({
        store,
        clock,
        random,
        backends: policy.backends,
        isWaiting: () => room.size > 0,
        onArrived: () => room.dispatch(),
      });
  const reserves = new Reserves({
    store,
    covers,
    later: shared,
    pricing,
    slotMs: (free) => slots.slotMs(free),
    tellWouldRefuse,
    isGuess: (reservation) =>
      (policy.reserve === 'expected' || reservation.outputTokensMax === Number.POSITIVE_INFINITY) &&
      experience.guessesOutput(reservation),
  });
  const entrance = new Entrance({
    reserveRule: () => policy.reserve,
    rulebook,
    clock,
    countTokens,
    pricing,
    backends: pool,
    resolveIdentity,
    experience,
    wishOf: (reservation, request) => slots.wishOf(reservation, request),
  });
  const permits = new Permits({
    clock,
    events,
    onGranted: (reservation) => {
      if (store.sync) void cover(reservation);
    },
    debit: (reservation, outputTokens) => reserves.debit(reservation, outputTokens),
    outputTokensMax: (reservation) =>
      policy.onBudgetSpent === 'error' ? reservation.outputTokensMax : reserves.outputTokensMax(reservation),
    settle,
    cancel: uncharge,
    release: (reservation) => slots.release(reservation),
  });
  const slots: Slots = new Slots({
    clock,
    events,
    pool,
    room,
    waitMsMax,
    takeLimits: (reservation) => reserves.takeSlots(reservation),
    ...(shared === undefined ? {} : { shared, fetchLimits: (reservation) => shared.fetchLimits(reservation) }),
    giveLimits: (reservation) => reserves.giveSlots(reservation),
    uncharge,
    holdMs: () => permits.holdMs,
    inFlight: () => permits.inFlight,
    waiting,
  });
  const configure = (next: Policy): void => {
    policy = next;
    configureStore(store, next);
    identities.configure(next);
    failures.configure(next.limits);
    rulebook.configure(next);
    pricing.configure(next.prices);
    shared?.configure(next.backends);
    room.configure(queueOptions(next));
    webhooks.configure(next.alerts);
    pool.configure(next.backends, next.pool);
    // Slots may have come, of backends or of limits.
    room.dispatch();
  };
  const onRoom = (): void => room.dispatch();
  pool.onRoom = onRoom;
  const shutDown = async (drainMs: number): Promise<void> => {
    room.evictAll('draining');
    turns.sendOffAll(draining());
    await permits.drained(drainMs, () => new HeadgateError('HG_CLOSED', 'the limiter was closed'));
    pool.close();
    webhooks.close();
    countTokens.close?.();
    if (store.close === undefined) return lessons?.close();
    // What was told to stop gives its slots back first: others wait for them, and would wait for as long as a lease.
    await permits.ended(endingMsMax);
    shared?.close();
    await lessons?.close();
    await store.close();
  };
  return {
    identities,
    entrance,
    reserves,
    turns,
    room,
    pool,
    slots,
    permits,
    runs,
    failures,
    alerts,
    webhooks,
    covered,
    uncharge,
    tellWouldRefuse,
    waiting,
    lessons: () => lessons?.stats,
    shutDown,
    configure,
  };
}

function configureStore(store: Store, { tiers, limits, backends, timeZone, keysMax }: Policy): void {
  const all = [...Object.values(tiers).flatMap((tier) => tier.limits), ...limits, ...bucketsBeside(limits)];
  store.configure(limitsToCount(all, backends, store), { timeZone, keysMax });
}

function queueOptions({ queue, keysMax }: Policy): QueueOptions {
  return { ...queue, countersMax: keysMax };
}
