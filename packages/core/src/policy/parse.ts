/** From the policy as written (a plain object, read from YAML or JSON or made in code) to the rule book. */
import type { Mode } from '../model.js';
import { compileBackends, compilePool } from './compile/backends.js';
import { compileIdentity } from './compile/identity.js';
import { compileJobs } from './compile/jobs.js';
import { checkNames, compileEntry, type PlacedLimit } from './compile/limits.js';
import { compileSettings } from './compile/settings.js';
import { checkTierName, compileTiers, isMapping } from './compile/tiers.js';
import { type Environment, substituteAll } from './environment.js';
import type { Policy } from './policy.js';
import type { Positions } from './problem.js';
import { Report } from './report.js';
import { limitSchema } from './schema/limits.js';
import { policySchema, policyShape } from './schema/policy.js';
import { snapshot } from './snapshot.js';
import type { Path } from './spelling.js';

export { PolicyError, type Positions, type Problem } from './problem.js';
export { policySchema } from './schema/policy.js';

export interface ParseOptions {
  /** What the file is called in messages. */
  readonly file?: string;
  /** Variables that `${NAME}` stands for; none unless given. */
  readonly env?: Environment;
  /** Where a value stands in the file, for messages; the path is the one of the input. */
  readonly positions?: Positions;
}

/**
 * Checks a policy and fills in every default.
 * @throws PolicyError with everything that is wrong with it, never anything else
 */
export function parsePolicy(input: unknown, options: ParseOptions = {}): Policy {
  const { env = {}, positions, file } = options;
  const written = snapshot(input);
  const report = new Report(written, positions, file);
  const policy = substituteAll(written, env, report);
  report.check(policySchema, policy, []);
  // The parts are read one by one after the whole, so that a fault in one does not hide those between the others.
  const given = isMapping(policy) ? policy : {};
  const result = compile(given, env, report);
  report.throwIfAny();
  return result;
}

/**
 * A policy as written or as parsed before.
 * @throws PolicyError for one as written that is wrong
 */
export function policyOf(given: unknown): Policy {
  return isParsed(given) ? given : parsePolicy(given);
}

/** A parsed policy holds its limits by tier; one as written never has this shape, since `default` is no tier's name there. */
function isParsed(policy: unknown): policy is Policy {
  if (!isMapping(policy)) return false;
  const { tiers } = policy as Partial<Policy>;
  return tiers?.default !== undefined && Array.isArray(tiers.default.limits) && 'keysMax' in policy;
}

function compile(given: Readonly<Record<string, unknown>>, env: Environment, report: Report): Policy {
  const mode: Mode = given.mode === 'shadow' ? 'shadow' : 'enforce';
  const tiers = compileTiers(given, mode, report);
  const limits = compileLimits(given.limits, mode, tiers.names, report);
  checkNames([...tiers.limits, ...limits], report);
  const settings = compileSettings(given, report);
  checkPrices([...tiers.limits, ...limits], settings.prices.length, report);
  return {
    ...settings,
    identity: compileIdentity(given.identity, {
      env,
      tierNames: tiers.names,
      report,
      trustProxy: settings.client.trustProxy,
    }),
    tiers: tiers.tiers,
    limits: limits.map(({ limit }) => limit),
    backends: compileBackends(report.check(policyShape.backends, given.backends, ['backends']), report),
    jobs: compileJobs(given.jobs, settings.store.kind, report),
    pool: compilePool(report.check(policyShape.pool, given.pool, ['pool'])),
    remarks: report.remarks,
  };
}

function compileLimits(given: unknown, mode: Mode, tierNames: readonly string[], report: Report): PlacedLimit[] {
  if (!Array.isArray(given)) return [];
  return given.flatMap((written: unknown, index) => {
    if (!isMapping(written)) return [];
    const path = ['limits', index];
    checkMatchTiers(written.match, tierNames, [...path, 'match'], report);
    const entry = report.check(limitSchema, written, path);
    return compileEntry(written, entry, path, mode, report) ?? [];
  });
}

/** Tiers that a match names must exist; patterns may match tiers to come. */
function checkMatchTiers(match: unknown, names: readonly string[], path: Path, report: Report): void {
  if (!isMapping(match)) return;
  const tiers: unknown[] = Array.isArray(match.tier) ? match.tier : [match.tier];
  tiers.forEach((tier, index) => {
    if (typeof tier === 'string' && tier.includes('*')) return;
    const at = Array.isArray(match.tier) ? [...path, 'tier', index] : [...path, 'tier'];
    checkTierName(tier, names, at, report);
  });
  checkMatchTiers(match.not, names, [...path, 'not'], report);
}

/** Without prices every request costs nothing, and a limit on cost would never refuse. */
function checkPrices(limits: readonly PlacedLimit[], prices: number, report: Report): void {
  const first = limits.find(({ limit }) => limit.measure === 'cost');
  if (prices > 0 || first === undefined) return;
  report.add(first.path, {
    expected: '`prices` in the policy for a limit on cost, such as `"*": { gpuSecond: $0.0006 }`',
  });
}
