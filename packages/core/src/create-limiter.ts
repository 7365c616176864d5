import { Limiter } from './limiter.js';
import type { LimiterOptions } from './limiter-options.js';
import { checkOptions, limiterOptionKinds, type OptionKinds } from './policy/options.js';
import { policyOf } from './policy/parse.js';

const optionKinds: OptionKinds<LimiterOptions> = limiterOptionKinds;

/**
 * A limiter from a policy: the object described in docs/policies.md, or one that was parsed before.
 * @throws PolicyError naming every wrong key, its value and what was expected
 * @throws HeadgateError `HG_OPTIONS` for an option that does not exist, or is something else than it has to be
 */
export function createLimiter(policy: object, options: LimiterOptions = {}): Limiter {
  checkOptions(options, optionKinds, 'createLimiter');
  return new Limiter(policyOf(policy), options);
}
