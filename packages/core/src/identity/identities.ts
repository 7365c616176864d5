/** Turns a name into an identity: declared names bring their tier, weight and priority, all others are of the default tier. */
import { HeadgateError } from '../kernel/errors.js';
import { type Identity, priorities } from '../model.js';
import type { DeclaredKey, Policy, Tier } from '../policy/policy.js';
import { nearest } from '../policy/spelling.js';

/** As far apart as weights may be; the policy holds its own to the same most. */
const weightMin = 1e-6;
const weightMax = 1e6;

export class Identities {
  readonly #declared = new Map<string, DeclaredKey>();
  /** The names of all tiers that there ever were. */
  readonly #tiersSeen = new Set<string>();
  readonly #tiersMissed = new Set<string>();
  readonly #onTierMissing: (identity: string, tier: string) => void;
  #tiers!: Policy['tiers'];

  /** @param onTierMissing somebody is still said to be of a tier that the policy lost; told once a tier and policy */
  constructor(policy: Policy, onTierMissing: (identity: string, tier: string) => void) {
    this.#onTierMissing = onTierMissing;
    this.configure(policy);
  }

  configure(policy: Policy): void {
    this.#tiers = policy.tiers;
    this.#tiersMissed.clear();
    for (const name of Object.keys(policy.tiers)) this.#tiersSeen.add(name);
    this.#declared.clear();
    for (const source of policy.identity) {
      if (source.kind !== 'apiKey') continue;
      for (const key of source.keys) this.#declared.set(key.id, key);
    }
  }

  /**
   * @param given a name, or what is known beside it
   * @throws HeadgateError `HG_TIER` for a tier that no policy of this limiter had; one that a reload took away counts as the default one
   */
  resolve(given: string | Partial<Identity> | undefined): Identity {
    if (typeof given === 'string') return this.#identity(given, undefined);
    return this.#identity(given?.id ?? 'anonymous', given);
  }

  #identity(id: string, given: Partial<Identity> | undefined): Identity {
    const declared = this.#declared.size === 0 ? undefined : this.#declared.get(id);
    const tier = this.#tierOf(id, said(given?.tier) ?? declared?.tier);
    return {
      id,
      tier: tier.name,
      weight: known(given?.weight) ?? declared?.weight ?? 1,
      priority: priorities.find((one) => one === given?.priority) ?? declared?.priority ?? tier.priority,
    };
  }

  #tierOf(identity: string, name: string | undefined): Tier {
    const tiers = this.#tiers;
    if (name === undefined) return tiers.default!;
    if (Object.hasOwn(tiers, name)) return tiers[name]!;
    if (!this.#tiersSeen.has(name)) throw noSuchTier(identity, name, Object.keys(tiers));
    if (!this.#tiersMissed.has(name)) {
      this.#tiersMissed.add(name);
      this.#onTierMissing(identity, name);
    }
    return tiers.default!;
  }
}

function noSuchTier(identity: string, tier: unknown, names: readonly string[]): HeadgateError {
  const right = nearest(String(tier), names);
  const hint = right === undefined ? '' : `; did you mean ${right}?`;
  const message = `${identity} is said to be of tier '${tier}', which the policy does not have: ${names.join(', ')}${hint}`;
  return new HeadgateError('HG_TIER', message);
}

/** A column of a database without a value may come as null or as an empty text: neither names a tier. */
function said(tier: string | undefined): string | undefined {
  return tier === '' ? undefined : tier;
}

/** What an application says may be anything; a weight that is none would spoil every counter that is divided by it. */
function known(weight: unknown): number | undefined {
  return typeof weight === 'number' && weight >= weightMin && weight <= weightMax ? weight : undefined;
}
