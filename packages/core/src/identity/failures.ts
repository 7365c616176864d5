/**
 * Credentials that turned out wrong: counted by the limits on `failures`, and blocked past them. Right ones from the same
 * address still pass, since many may share it.
 *
 *   free --failure--> free            while the limit has room: the answer is the ordinary 401
 *     '---failure--> blocked          past it, for `block`: wrong ones are answered 429, and nothing is counted
 *                       '--time--> free
 *
 * Each further block is twice as long as the one before, up to a day; each day without one takes a doubling back.
 *
 * All of it is kept in counters, so that it is bounded, survives a reload, and is shared by all processes that share a store:
 * beside each limit stand two buckets, one whose debt is the rest of the block, and one that counts the blocks lately.
 *
 * While a shared store is away, what the policy's `onDown` does not let be counted is refused as any request would be: who
 * guesses is not told anything that nobody counts.
 */
import type { RequestEvent } from '../events.js';
import type { Identity, Limit, LimitState, Refusal } from '../model.js';
import { countsOn, type MatchFacts } from '../policy/match.js';
import { blocked, storeDown } from '../refusal.js';
import { noCost } from '../store/cost.js';
import type { LimitSet, Store, Subject } from '../store/store.js';

const dayMs = 86_400_000;
/** Doublings that are remembered: more than lead from a second to a day. */
const doublingsMax = 20;
/** Slack against rounding in what time has taken back. */
const slack = 1e-6;
const oneFailure = { ...noCost, failures: 1 };

/** Where a credential was tried. */
export interface Attempt {
  readonly address: string;
  readonly path: string;
  readonly method: string;
}

export interface FailuresOptions {
  readonly store: Store;
  readonly resolveIdentity: (given: string) => Identity;
  /** A failure was counted: for alerts at a share of these limits. */
  readonly onCounted: (attempt: AttemptBy & { readonly alerted: LimitSet }) => void;
  /** A limit in shadow mode would have blocked. */
  readonly onWouldBlock: (attempt: AttemptBy, refusal: Refusal) => void;
}

/** Who tried, as far as that is known. */
export interface AttemptBy {
  readonly about: RequestEvent;
  readonly subject: Subject;
}

/** A limit on failures, and the buckets beside it where it blocks. */
interface Rule {
  readonly limit: Limit;
  readonly block: LimitSet | undefined;
  readonly blocks: LimitSet | undefined;
}

/** What stands beside the limits on failures among these: where their blocks are kept. */
export function bucketsBeside(limits: readonly Limit[]): Limit[] {
  return limits.filter(({ blockMs }) => blockMs !== undefined).flatMap((limit) => [blockOf(limit), blocksOf(limit)]);
}

/** No name of a policy has a `#` in it. */
const bucketBeside = (limit: Limit, what: string, capacity: number, periodMs: number): Limit => ({
  name: `${limit.name}#${what}`,
  measure: 'failures',
  algorithm: 'token-bucket',
  amount: 1,
  capacity,
  periodMs,
  per: limit.per,
  mode: 'enforce',
  queue: false,
});

/** Empty while a block lasts: one unit is `block` of time. */
function blockOf(limit: Limit): Limit {
  return bucketBeside(limit, 'block', 1, limit.blockMs!);
}

/** What is missing in it is how many doublings the next block has: one for each block, less one for each day without. */
function blocksOf(limit: Limit): Limit {
  return bucketBeside(limit, 'blocks', doublingsMax, dayMs);
}

export class Failures {
  readonly #options: FailuresOptions;
  #rules: readonly Rule[] = [];
  /** By the names of the limits in it. */
  readonly #sets = new Map<string, LimitSet>();
  #alerted: LimitSet | undefined;

  constructor(options: FailuresOptions) {
    this.#options = options;
  }

  /** Takes up the limits on failures among these, which the store knows already, with the buckets beside them. */
  configure(limits: readonly Limit[]): void {
    const { store } = this.#options;
    this.#sets.clear();
    this.#rules = limits
      .filter(({ measure }) => measure === 'failures')
      .map((limit) => ({
        limit,
        block: limit.blockMs === undefined ? undefined : store.prepare([blockOf(limit)]),
        blocks: limit.blockMs === undefined ? undefined : store.prepare([blocksOf(limit)]),
      }));
    const alerted = this.#rules.filter(({ limit }) => limit.alertAt !== undefined);
    this.#alerted = alerted.length === 0 ? undefined : this.#set(alerted);
  }

  #set(rules: readonly Rule[]): LimitSet {
    const key = rules.map(({ limit }) => limit.name).join(' ');
    let set = this.#sets.get(key);
    if (set === undefined) {
      set = this.#options.store.prepare(rules.map(({ limit }) => limit));
      this.#sets.set(key, set);
    }
    return set;
  }

  /**
   * Counts a credential that is wrong.
   * @returns why it is answered 429; undefined for the ordinary 401
   */
  async count(attempt: Attempt): Promise<Refusal | undefined> {
    const identity = this.#options.resolveIdentity(`address:${attempt.address}`);
    const subject = { identity: identity.id, address: attempt.address, model: '', tier: identity.tier, run: '' };
    const by = { subject, about: { identity, operation: 'other', model: '' } } as const;
    const rules = this.#rules.filter(({ limit }) => countsOn(limit, factsOf(attempt, identity)));
    for (const rule of rules.filter(({ limit }) => limit.mode === 'shadow')) {
      const refusal =
        (await this.#blocked(rule, subject)) ?? (await this.#charge([rule], subject).catch(() => undefined));
      if (refusal !== undefined) this.#options.onWouldBlock(by, refusal);
    }
    const enforced = rules.filter(({ limit }) => limit.mode === 'enforce');
    let longest: Refusal | undefined;
    for (const rule of enforced) {
      const refusal = await this.#blocked(rule, subject);
      if (refusal !== undefined && refusal.retryAfterMs! > (longest?.retryAfterMs ?? 0)) longest = refusal;
    }
    // What is blocked is counted nowhere: asking again makes nothing worse.
    if (longest !== undefined || enforced.length === 0) return longest;
    const refusal = await this.#charge(enforced, subject).catch(storeDown);
    if (this.#alerted !== undefined) this.#options.onCounted({ ...by, alerted: this.#alerted });
    return refusal;
  }

  /** Whether a block lasts. */
  async #blocked({ limit, block }: Rule, subject: Subject): Promise<Refusal | undefined> {
    if (block === undefined) return undefined;
    const state = await this.#state(block, subject);
    return state !== undefined && state.nextMs > 0 ? blocked(limit, subject.address, state.nextMs) : undefined;
  }

  /** Counts on all of these limits, or on none and begins the block of one that has no room. */
  async #charge(rules: readonly Rule[], subject: Subject): Promise<Refusal | undefined> {
    const { store } = this.#options;
    const answer = await store.reserve(this.#set(rules), subject, oneFailure);
    if (answer.admitted) await store.settle(answer, oneFailure);
    const short = answer.admitted ? answer.shadowed[0] : answer;
    if (short === undefined) return undefined;
    const rule = rules.find(({ limit }) => limit.name === short.limit.name)!;
    const { retryAfterMs: wholeMs } = short;
    // A block that cannot be written down lasts until the limit has room.
    const retryAfterMs = rule.block === undefined ? wholeMs : await this.#begin(rule, subject).catch(() => wholeMs);
    return blocked(rule.limit, subject.address, retryAfterMs);
  }

  /** @returns how long the block lasts, ms */
  async #begin({ limit, block, blocks }: Rule, subject: Subject): Promise<number> {
    const { store } = this.#options;
    const begun = await store.reserve(block!, subject, oneFailure);
    // Somebody else has begun it in between.
    if (!begun.admitted) return begun.retryAfterMs;
    const before = await this.#state(blocks!, subject);
    const doublings = before === undefined ? 0 : Math.ceil(doublingsMax - before.remaining - slack);
    const lastsMsMax = Math.max(dayMs, limit.blockMs!);
    const lastsMs = Math.min(limit.blockMs! * 2 ** Math.max(0, doublings), lastsMsMax);
    await store.settle(begun, { ...noCost, failures: lastsMs / limit.blockMs! });
    const counted = await store.reserve(blocks!, subject, oneFailure);
    // The time of the block itself takes nothing back.
    const more = (lastsMs < lastsMsMax ? 1 : 0) + lastsMs / dayMs;
    if (counted.admitted) await store.settle(counted, { ...noCost, failures: more });
    return lastsMs;
  }

  /** Undefined while nobody knows. */
  async #state(set: LimitSet, subject: Subject): Promise<LimitState | undefined> {
    return (await this.#options.store.peek(set, subject))[0];
  }
}

function factsOf({ path, method }: Attempt, { id, tier, priority }: Identity): MatchFacts {
  return { operation: 'other', modelCanonical: '', tier, identity: id, path, method, priority, inRun: false };
}
