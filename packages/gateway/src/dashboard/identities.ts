/** Who asked lately, what became of it, and what is left to them. Of all identities that ever come, so many are remembered. */
import {
  type AdmitRequest,
  describeLimit,
  type Identity,
  type Limit,
  type LimitState,
  type Operation,
  type Reason,
  type RequestEvent,
} from '@headgate/core';
import { shown } from './names.js';
import type { BudgetView, CauseView, IdentityView } from './snapshot.js';
import { latelyMinutes, Tally } from './tally.js';

/** Remembered; of so many more than this, those seen least recently are forgotten together, which is cheaper than one by one. */
const knownMax = 500;
const knownMore = 100;
/** Shown at once. */
const shownMax = 50;
const causesMax = 8;
const limitsMax = 8;
const lowShare = 0.1;

/** As much of a request as limits can match. */
export interface Asked {
  readonly operation?: string;
  readonly model?: string;
  readonly address?: string;
  readonly path?: string;
}

/** Of one whose first request is not over. */
const nothing: Asked = {};

interface Cause {
  readonly reason: Reason;
  readonly limit: string | undefined;
  readonly mode: 'enforce' | 'shadow';
  readonly tally: Tally;
}

interface Known {
  identity: Identity;
  /** The last request that limits are about: they are asked where they stand for its like. */
  asked: Asked;
  method: string;
  inFlight: number;
  seenAt: number;
  /** Puts those in order that were seen in the same instant. */
  seen: number;
  readonly requests: Tally;
  readonly tokens: Tally;
  readonly refused: Tally;
  readonly causes: Map<string, Cause>;
}

export interface Limits {
  /** Where they stand for one request; undefined when that is not known. */
  readonly peek: (request: AdmitRequest) => Promise<readonly LimitState[] | undefined>;
  /** The one of that name, for identities of a tier. */
  readonly find: (name: string, tier: string) => Limit | undefined;
}

export class RecentIdentities {
  readonly #known = new Map<string, Known>();
  #seen = 0;

  get size(): number {
    return this.#known.size;
  }

  admitted({ identity, operation, model }: RequestEvent, wall: number): void {
    const known = this.#see(identity, wall);
    known.inFlight++;
    if (known.asked === nothing) known.asked = { operation, model };
  }

  released({ identity }: RequestEvent): void {
    const known = this.#known.get(identity.id);
    // It may have been forgotten in between.
    if (known !== undefined && known.inFlight > 0) known.inFlight--;
  }

  /** A request is over. */
  done(identity: Identity, asked: Asked, method: string, tokens: number, wall: number): void {
    const known = this.#see(identity, wall);
    if (asked.operation !== 'models' || known.asked === nothing) {
      known.asked = asked;
      known.method = method;
    }
    known.requests.add(1, wall);
    known.tokens.add(tokens, wall);
  }

  refused(identity: Identity, cause: Omit<Cause, 'tally'>, wall: number): void {
    const known = this.#see(identity, wall);
    if (cause.mode === 'enforce') known.refused.add(1, wall);
    const key = `${cause.mode} ${cause.reason} ${cause.limit ?? ''}`;
    let same = known.causes.get(key);
    if (same === undefined) {
      if (known.causes.size >= causesMax) known.causes.delete(known.causes.keys().next().value!);
      same = { ...cause, tally: new Tally() };
      known.causes.set(key, same);
    }
    same.tally.add(1, wall);
  }

  #see(identity: Identity, wall: number): Known {
    const known = this.#known.get(identity.id) ?? this.#add(identity);
    known.identity = identity;
    known.seenAt = wall;
    known.seen = ++this.#seen;
    return known;
  }

  #add(identity: Identity): Known {
    if (this.#known.size >= knownMax + knownMore) {
      const oldest = [...this.#known].sort(([, a], [, b]) => a.seen - b.seen);
      for (const [id] of oldest.slice(0, knownMore)) this.#known.delete(id);
    }
    const known: Known = {
      ...{ identity, asked: nothing, method: '', inFlight: 0, seenAt: 0, seen: 0 },
      ...{ requests: new Tally(), tokens: new Tally(), refused: new Tally(), causes: new Map() },
    };
    this.#known.set(identity.id, known);
    return known;
  }

  async views(wall: number, limits: Limits): Promise<{ identities: IdentityView[]; identitiesMore: number }> {
    const lately = [...this.#known.values()].filter(
      ({ seenAt, inFlight }) => inFlight > 0 || wall - seenAt < latelyMinutes * 60_000,
    );
    const isRefused = (known: Known): number => (known.refused.sum(wall) > 0 ? 1 : 0);
    lately.sort((a, b) => isRefused(b) - isRefused(a) || b.seen - a.seen);
    const identities = await Promise.all(lately.slice(0, shownMax).map((known) => viewOf(known, wall, limits)));
    return { identities, identitiesMore: lately.length - identities.length };
  }
}

async function viewOf(known: Known, wall: number, { peek, find }: Limits): Promise<IdentityView> {
  const { identity, inFlight, seenAt } = known;
  const states = await peek(likeTheLast(known)).catch(() => undefined);
  return {
    ...{
      id: shown(identity.id),
      tier: shown(identity.tier),
      priority: identity.priority,
      inFlight,
      seenAt: Math.round(seenAt),
    },
    requests: known.requests.sum(wall),
    tokens: known.tokens.sum(wall),
    refused: known.refused.sum(wall),
    causes: causesOf(known, wall),
    ...(states === undefined ? {} : { limits: budgetsOf(states, (name) => find(name, identity.tier)) }),
  };
}

function likeTheLast({ identity, asked, method }: Known): AdmitRequest {
  const { operation, model, address = '', path = '' } = asked;
  return {
    ...{ identity, address, path, method },
    ...(operation === undefined ? {} : { operation: operation as Operation }),
    ...(model === undefined ? {} : { model }),
  };
}

function causesOf({ causes }: Known, wall: number): CauseView[] {
  return [...causes.values()]
    .map(({ reason, limit, mode, tally }) => ({
      ...{ reason, mode, count: tally.sum(wall) },
      ...(limit === undefined ? {} : { limit: shown(limit) }),
    }))
    .filter(({ count }) => count > 0)
    .sort((a, b) => b.count - a.count);
}

/** Those that are nearly spent come first; the others stay in the order of the policy, so that what is read does not move. */
function isLow({ remaining, capacity }: BudgetView): boolean {
  return remaining <= lowShare * capacity;
}

function budgetsOf(states: readonly LimitState[], find: (name: string) => Limit | undefined): BudgetView[] {
  return states
    .map(({ name, measure, limit: amount, remaining, resetMs, mode }): BudgetView => {
      const limit = find(name);
      const rule = limit === undefined ? {} : { rule: shown(describeLimit(limit)) };
      return { name: shown(name), measure, capacity: limit?.capacity ?? amount, remaining, resetMs, mode, ...rule };
    })
    .sort((a, b) => (isLow(a) ? 0 : 1) - (isLow(b) ? 0 : 1))
    .slice(0, limitsMax);
}
