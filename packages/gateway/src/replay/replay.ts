/**
 * A policy against the past. Each request is decided twice: under the policy as it is, which says what would have been
 * refused, and under the same in shadow, which says what each would have used and so which amounts would have let it pass.
 * Nothing waits: a request that would have queued counts as admitted. Nobody gives up or comes back, as they would have.
 */
import {
  type AdmitRequest,
  type Charged,
  isRefusal,
  type Limit,
  Limiter,
  type Operation,
  type Policy,
} from '@headgate/core';
import { defaultDialects } from '@headgate/dialects';
import { jwtVerifier } from '@headgate/jwt';
import { Ends } from './ends.js';
import { LimitResult } from './limit-result.js';
import { PastClock } from './past-clock.js';
import type { PastRequest } from './record.js';

const operations: ReadonlySet<string> = new Set<Operation>(['generate', 'chat', 'embed', 'models', 'admin', 'other']);

export class Replay {
  readonly #clock: PastClock;
  readonly #enforced: Limiter;
  readonly #shadow: Limiter;
  readonly #addressTier: string | undefined;
  readonly #ends = new Ends<() => void>();
  readonly #limits = new Map<string, Limit>();
  readonly #results = new Map<string, LimitResult>();
  readonly #operations = new Map<string, Operation>();
  readonly from: number;
  requests = 0;
  refused = 0;
  /** Requests whose time lies before that of one above them; they count as of the same instant. */
  outOfOrder = 0;
  /** Whether the log says how many tokens requests used, without which nothing can be said of them. */
  #knowsTokens = false;

  /** @param from instant of the first request, ms */
  constructor(policy: Policy, from: number) {
    this.from = from;
    this.#clock = new PastClock(from);
    const alone: Policy = { ...policy, store: { kind: 'memory' }, backends: [], alerts: [] };
    // Who asked is in the log, so that no token is ever checked.
    const options = { clock: this.#clock, verifyToken: jwtVerifier() };
    this.#enforced = new Limiter(withoutWaiting(alone), options);
    this.#enforced.on('request-would-refuse', ({ identity, limit }) => {
      this.#result(limit).refuse(identity.id, this.#clock.now());
    });
    this.#shadow = new Limiter(inShadow(alone), options);
    this.#addressTier = policy.identity.find((source) => source.kind === 'address')?.tier;
    for (const limit of limitsOf(policy)) {
      this.#limits.set(limit.name, limit);
      if (limit.measure !== 'failures') this.#results.set(limit.name, new LimitResult(limit.name, limit, from));
    }
  }

  get to(): number {
    return this.#clock.now();
  }

  get results(): readonly LimitResult[] {
    return [...this.#results.values()];
  }

  request(past: PastRequest): void {
    if (!this.#clock.moveTo(past.at)) this.outOfOrder++;
    const now = this.#clock.now();
    for (let end = this.#ends.next(now); end !== undefined; end = this.#ends.next(now)) end();
    this.requests++;
    if (past.inputTokens !== undefined || past.outputTokens !== undefined) this.#knowsTokens = true;
    const asked = this.#asked(past);
    this.#decide(asked, past);
    this.#measure(asked, past);
  }

  #decide(asked: AdmitRequest, past: PastRequest): void {
    const decision = this.#enforced.admitNow(asked);
    if (decision.admitted) {
      const { permit } = decision;
      this.#later(past, () => permit.settle(usageOf(past)));
      return;
    }
    const { reason, limit = reason } = decision.refusal;
    this.refused++;
    this.#result(limit).refuse(identityOf(asked), this.#clock.now());
  }

  /** What the request used of each limit that it counts on, whether or not it would have been refused. */
  #measure(asked: AdmitRequest, past: PastRequest): void {
    const decision = this.#shadow.admitNow(asked);
    if (!decision.admitted) return;
    const { permit, limits } = decision;
    permit.settle(usageOf(past));
    for (const { name } of limits) {
      const limit = this.#limits.get(name);
      if (limit === undefined) continue;
      const result = this.#result(name);
      const scope = scopeOf(limit, asked);
      if (limit.algorithm === 'slots') {
        if (past.tookMs !== undefined) this.#later(past, result.begin(scope));
      } else if (limit.measure === 'requests' || this.#knowsTokens) {
        result.use(scope, this.#clock.now(), unitsOf(limit, permit.charged));
      }
    }
  }

  #later({ tookMs }: PastRequest, end: () => void): void {
    if (tookMs === undefined) end();
    else this.#ends.add(this.#clock.now() + tookMs, end);
  }

  #result(name: string): LimitResult {
    let result = this.#results.get(name);
    if (result === undefined) {
      result = new LimitResult(name, this.#limits.get(name), this.from);
      this.#results.set(name, result);
    }
    return result;
  }

  #asked(past: PastRequest): AdmitRequest {
    const { identity, tier, address, method, path, model, inputTokens } = past;
    // As the gateway does: a name where there is one, else the address.
    const byAddress = {
      id: address === '' ? 'anonymous' : `address:${address}`,
      ...(this.#addressTier === undefined ? {} : { tier: this.#addressTier }),
    };
    // A tier of the past that this policy does not have says nothing.
    const known = tier !== undefined && Object.hasOwn(this.#enforced.policy.tiers, tier) ? { tier } : {};
    const who = identity === undefined ? byAddress : { id: identity, ...known };
    return {
      identity: who,
      operation: this.#operationOf(past),
      address,
      method,
      path,
      ...(model === undefined ? {} : { model }),
      ...(inputTokens === undefined ? {} : { input: { tokens: inputTokens } }),
    };
  }

  #operationOf({ operation, method, path }: PastRequest): Operation {
    if (operation !== undefined) return operations.has(operation) ? (operation as Operation) : 'other';
    const key = `${method} ${path}`;
    const known = this.#operations.get(key);
    if (known !== undefined) return known;
    const found = routedOperation(method, path);
    if (this.#operations.size < 10_000) this.#operations.set(key, found);
    return found;
  }
}

function routedOperation(method: string, path: string): Operation {
  for (const dialect of defaultDialects) {
    const route = dialect.route(method, path);
    if (route !== undefined && !isRefusal(route)) return route.operation;
  }
  return 'other';
}

function limitsOf({ tiers, limits }: Policy): Limit[] {
  return [...Object.values(tiers).flatMap((tier) => tier.limits), ...limits];
}

/** The policy with each limit as the function makes it. */
function withLimits(policy: Policy, change: (limit: Limit) => Limit, mode?: Policy['tiers'][string]['mode']): Policy {
  const tiers = Object.entries(policy.tiers).map(([name, tier]) => [
    name,
    { ...tier, limits: tier.limits.map(change), mode: mode ?? tier.mode },
  ]);
  return { ...policy, tiers: Object.fromEntries(tiers), limits: policy.limits.map(change) };
}

const inShadow = (policy: Policy): Policy => withLimits(policy, (limit) => ({ ...limit, mode: 'shadow' }), 'shadow');

/** Who would have waited was served in the end, so it is counted and let through. */
function withoutWaiting(policy: Policy): Policy {
  return withLimits(policy, ({ delay: _, ...limit }) => (limit.queue ? { ...limit, mode: 'shadow' } : limit));
}

function usageOf({ inputTokens = 0, outputTokens = 0 }: PastRequest): { inputTokens: number; outputTokens: number } {
  return { inputTokens, outputTokens };
}

function identityOf({ identity }: AdmitRequest): string {
  return typeof identity === 'string' ? identity : (identity?.id ?? 'anonymous');
}

function scopeOf({ per }: Limit, asked: AdmitRequest): string {
  const values = {
    identity: identityOf(asked),
    address: asked.address,
    model: asked.model,
    tier: '',
    run: '',
    all: '',
  };
  return per.map((scope) => values[scope] ?? '').join(' ');
}

function unitsOf({ measure }: Limit, charged: Charged | undefined): number {
  if (measure === 'requests') return 1;
  if (charged === undefined) return 0;
  if (measure === 'tokens') return charged.inputTokens + charged.outputTokens;
  if (measure === 'failures' || measure === 'toolCalls' || measure === 'concurrency') return 0;
  return charged[measure];
}
