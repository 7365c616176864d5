/** The port through which JSON web tokens are checked: core itself knows no cryptography of theirs. */
import type { Clock } from '../kernel/clock.js';
import { HeadgateError } from '../kernel/errors.js';
import type { JwtSource, Policy } from '../policy/policy.js';

export type TokenVerdict =
  | { readonly valid: true; readonly claims: Readonly<Record<string, unknown>> }
  /**
   * `wrong`: not signed by a key of the source, or not meant for here. `expired`: it was right once. `unavailable`: the keys
   * to check it with cannot be had now.
   */
  | { readonly valid: false; readonly cause: 'wrong' | 'expired' | 'unavailable' };

/**
 * Checks a token against one source of the policy: its signature, its issuer, its audience and its time. Never rejects for
 * what a client sent.
 * @param clock for the times in it, and for how long keys are kept
 */
export type VerifyToken = (token: string, source: JwtSource, clock: Clock) => Promise<TokenVerdict>;

/** @throws HeadgateError `HG_NO_VERIFIER` for a policy with tokens and nothing to check them with */
export function checkVerifier({ identity }: Policy, verifyToken: VerifyToken | undefined): void {
  if (verifyToken !== undefined || !identity.some(({ kind }) => kind === 'jwt')) return;
  throw new HeadgateError(
    'HG_NO_VERIFIER',
    'this policy identifies by JSON web tokens, and nothing here can check them: createLimiter(policy, { verifyToken: jwtVerifier() }), with jwtVerifier from @headgate/jwt.',
  );
}
