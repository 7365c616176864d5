/** Turns a name into an identity: declared names bring their tier, weight and priority, all others are of the default tier. */
import { type Identity, priorities } from '../model.js';
import type { DeclaredKey, Policy } from '../policy/policy.js';

/** As far apart as weights may be; the policy holds its own to the same most. */
const weightMin = 1e-6;
const weightMax = 1e6;

export class Identities {
  readonly #declared = new Map<string, DeclaredKey>();
  #tiers!: Policy['tiers'];

  constructor(policy: Policy) {
    this.configure(policy);
  }

  configure(policy: Policy): void {
    this.#tiers = policy.tiers;
    this.#declared.clear();
    for (const source of policy.identity) {
      if (source.kind !== 'apiKey') continue;
      for (const key of source.keys) this.#declared.set(key.id, key);
    }
  }

  /** @param given a name, or what is known beside it; an unknown tier counts as the default one */
  resolve(given: string | Partial<Identity> | undefined): Identity {
    if (typeof given === 'string') return this.#identity(given, undefined);
    return this.#identity(given?.id ?? 'anonymous', given);
  }

  #identity(id: string, given: Partial<Identity> | undefined): Identity {
    const declared = this.#declared.size === 0 ? undefined : this.#declared.get(id);
    const name = given?.tier ?? declared?.tier;
    const tier = (name === undefined ? undefined : this.#tiers[name]) ?? this.#tiers.default!;
    return {
      id,
      tier: tier.name,
      weight: known(given?.weight) ?? declared?.weight ?? 1,
      priority: priorities.find((one) => one === given?.priority) ?? declared?.priority ?? tier.priority,
    };
  }
}

/** What an application says may be anything; a weight that is none would spoil every counter that is divided by it. */
function known(weight: unknown): number | undefined {
  return typeof weight === 'number' && weight >= weightMin && weight <= weightMax ? weight : undefined;
}
