/** Which requests a limit counts. */
import type { Limit, Match, Operation, Priority } from '../model.js';
import { matchesModel, matchesPattern } from '../model-name.js';

/** What a limit may ask of a request. */
export interface MatchFacts {
  readonly operation: Operation;
  /** In canonical form; empty when the request names no model. */
  readonly modelCanonical: string;
  readonly tier: string;
  /** The id of the identity. */
  readonly identity: string;
  readonly path: string;
  /** In capitals. */
  readonly method: string;
  readonly priority: Priority;
  /** Whether the request is made for an agent run. */
  readonly inRun: boolean;
}

type Fact = Exclude<keyof Match, 'not'>;
const factOf: { readonly [F in Fact]: (facts: MatchFacts) => string } = {
  operation: (facts) => facts.operation,
  model: (facts) => facts.modelCanonical,
  tier: (facts) => facts.tier,
  identity: (facts) => facts.identity,
  path: (facts) => facts.path,
  method: (facts) => facts.method,
  priority: (facts) => facts.priority,
};
const factNames = Object.keys(factOf) as readonly Fact[];

function fits(match: Match, facts: MatchFacts): boolean {
  for (const name of factNames) {
    const patterns = match[name];
    if (patterns === undefined) continue;
    const word = factOf[name](facts);
    const fitsPattern = name === 'model' ? matchesModel : matchesPattern;
    if (!patterns.some((pattern) => fitsPattern(pattern, word))) return false;
  }
  return match.not === undefined || !fits(match.not, facts);
}

/**
 * Whether a request is one of those a match is about; without a match all are. Cheap reads (operation `models`: tags, ps,
 * version, show) are only when the match names that operation, since a dashboard that polls must not use up anyone's limit.
 */
export function matches(match: Match | undefined, facts: MatchFacts): boolean {
  if (facts.operation === 'models' && match?.operation?.includes('models') !== true) return false;
  return match === undefined || fits(match, facts);
}

/** Whether a request counts on a limit: it is of the limit's tier, if that has one, of a run, if each of these has a counter, and matches. */
export function countsOn(limit: Pick<Limit, 'tier' | 'match' | 'per'>, facts: MatchFacts): boolean {
  if (!facts.inRun && limit.per.includes('run')) return false;
  return (limit.tier === undefined || limit.tier === facts.tier) && matches(limit.match, facts);
}

/** The facts that decide which of these limits a request counts on. Operation always does, because of the cheap reads. */
export function factsUsed(limits: readonly Pick<Limit, 'tier' | 'match'>[]): { readonly [F in Fact]: boolean } {
  const used = {
    operation: true,
    model: false,
    tier: false,
    identity: false,
    path: false,
    method: false,
    priority: false,
  };
  for (const limit of limits) {
    if (limit.tier !== undefined) used.tier = true;
    for (let match = limit.match; match !== undefined; match = match.not) {
      for (const name of factNames) if (match[name] !== undefined) used[name] = true;
    }
  }
  return used;
}
