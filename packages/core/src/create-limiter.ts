import { Limiter } from './limiter.js';
import type { LimiterOptions } from './limiter-options.js';
import { policyOf } from './policy/parse.js';

/**
 * A limiter from a policy: the object described in docs/policies.md, or one that was parsed before.
 * @throws PolicyError naming every wrong key, its value and what was expected
 */
export function createLimiter(policy: object, options: LimiterOptions = {}): Limiter {
  return new Limiter(policyOf(policy), options);
}
