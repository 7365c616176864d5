/** Which limits apply to a request, worked out once per kind of request and remembered. */
import { LRUCache } from 'lru-cache';
import type { Identity, Limit, Operation } from '../model.js';
import { countsOn, factsUsed, type MatchFacts } from '../policy/match.js';
import type { Policy, Tier } from '../policy/policy.js';
import type { Rules } from '../reservation.js';
import type { LimitSet, Store } from '../store/store.js';

const estimated = new Set(['tokens', 'inputTokens', 'outputTokens', 'cost', 'gpuSeconds']);
/** Kinds of request remembered; what is forgotten is worked out again. */
const rememberedMax = 10_000;

interface TierBook {
  readonly tier: Tier;
  readonly limits: readonly Limit[];
  /** Which facts the answer depends on, beyond tier and operation. */
  readonly uses: ReturnType<typeof factsUsed>;
  readonly byOperation: Map<Operation, Rules>;
  readonly byOperationInRun: Map<Operation, Rules>;
}

/** What a request is aimed at. */
export interface Target {
  readonly modelCanonical: string;
  readonly path: string;
  readonly method: string;
  /** Whether it is made for an agent run. */
  readonly inRun: boolean;
}

export class Rulebook {
  readonly #store: Store;
  readonly #books = new Map<string, TierBook>();
  readonly #remembered = new LRUCache<string, Rules>({ max: rememberedMax });
  /** One set per combination of limits, however many kinds of request share it. */
  readonly #sets = new Map<string, LimitSet>();

  constructor(policy: Policy, store: Store) {
    this.#store = store;
    this.configure(policy);
  }

  /** Takes up another policy, whose limits the store knows already. */
  configure(policy: Policy): void {
    this.#books.clear();
    this.#remembered.clear();
    this.#sets.clear();
    for (const tier of Object.values(policy.tiers)) {
      const limits = [...tier.limits, ...policy.limits].filter((limit) => limit.measure !== 'failures');
      this.#books.set(tier.name, {
        tier,
        limits,
        uses: factsUsed(limits),
        byOperation: new Map(),
        byOperationInRun: new Map(),
      });
    }
  }

  /** What an identity's runs are held to. */
  runRules(identity: Identity): Rules {
    return this.rules(identity, 'chat', { modelCanonical: '', path: '', method: '', inRun: true });
  }

  rules(identity: Identity, operation: Operation, target: Target): Rules {
    const { modelCanonical, path, method, inRun } = target;
    // A run goes on when a reload takes the tier of its identity away.
    const book = this.#books.get(identity.tier) ?? this.#books.get('default')!;
    const { uses } = book;
    const varies = uses.model || uses.identity || uses.path || uses.method || uses.priority;
    if (!varies) {
      const known = (inRun ? book.byOperationInRun : book.byOperation).get(operation);
      if (known !== undefined) return known;
    }
    const facts: MatchFacts = {
      operation,
      modelCanonical,
      tier: book.tier.name,
      identity: identity.id,
      path,
      method,
      priority: identity.priority,
      inRun,
    };
    if (!varies) {
      const rules = this.#work(book, facts);
      (inRun ? book.byOperationInRun : book.byOperation).set(operation, rules);
      return rules;
    }
    const key = JSON.stringify([
      book.tier.name,
      operation,
      uses.model && modelCanonical,
      uses.identity && identity.id,
      uses.path && path,
      uses.method && method,
      uses.priority && identity.priority,
      inRun,
    ]);
    let rules = this.#remembered.get(key);
    if (rules === undefined) {
      rules = this.#work(book, facts);
      this.#remembered.set(key, rules);
    }
    return rules;
  }

  #work(book: TierBook, facts: MatchFacts): Rules {
    const limits = book.limits.filter((limit) => countsOn(limit, facts));
    const queued = limits.filter((limit) => limit.queue && limit.mode === 'enforce');
    const toolCalls = limits.filter((limit) => limit.measure === 'toolCalls');
    const alerted = limits.filter((limit) => limit.alertAt !== undefined);
    return {
      tier: book.tier,
      atOnce: this.#set(limits.filter((limit) => !queued.includes(limit))),
      queued: queued.length === 0 ? undefined : this.#set(queued),
      toolCalls: toolCalls.length === 0 ? undefined : this.#set(toolCalls),
      alerted: alerted.length === 0 ? undefined : this.#set(alerted),
      countsSlots: limits.some(({ algorithm }) => algorithm === 'slots'),
      measured: needsSize(book.tier) || limits.some((limit) => estimated.has(limit.measure)),
      priced: limits.some(({ measure }) => measure === 'cost' || measure === 'gpuSeconds'),
    };
  }

  #set(limits: readonly Limit[]): LimitSet {
    const key = JSON.stringify(limits.map((limit) => limit.name));
    let set = this.#sets.get(key);
    if (set === undefined) {
      set = this.#store.prepare(limits);
      this.#sets.set(key, set);
    }
    return set;
  }
}

function needsSize({ inputTokensMax, contextAlert }: Tier): boolean {
  return inputTokensMax !== undefined || contextAlert !== undefined;
}
