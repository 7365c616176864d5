/** What every adapter to a framework takes, whatever the framework calls its request. */
import { HeadgateError } from '../kernel/errors.js';
import type { Identity } from '../model.js';
import type { Dialect } from './dialect.js';
import { Gate } from './gate.js';
import type { GateLimiter } from './passage.js';

/** Who is asking: a name, more about it, or undefined to leave it to the policy. */
export type Identification = string | Partial<Identity> | undefined;

/** A limiter that knows the wire formats, or may. */
export interface HttpLimiter extends GateLimiter {
  readonly dialects: readonly Dialect[] | undefined;
}

/** A gate in front of an application's own routes. */
export function applicationGate(limiter: HttpLimiter, dialects: readonly Dialect[]): Gate {
  return new Gate({ limiter, dialects, otherPaths: 'pass' });
}

/**
 * The wire formats to speak.
 * @throws HeadgateError `HG_NO_DIALECTS` when nobody named any
 */
export function dialectsOf(
  limiter: HttpLimiter,
  own: readonly Dialect[] | undefined,
  caller: string,
): readonly Dialect[] {
  const dialects = own ?? limiter.dialects;
  if (dialects !== undefined && dialects.length > 0) return dialects;
  throw new HeadgateError(
    'HG_NO_DIALECTS',
    `${caller} must know the wire formats that it limits: createLimiter(policy, { dialects: defaultDialects }), with defaultDialects from @headgate/dialects.`,
  );
}

/** An adapter's own options, taken out of the policy where they stand in it. What can hold none is left to whoever reads the policy. */
export function ownOptions<Own extends object>(
  given: object,
  names: readonly (keyof Own)[],
  options: Own,
): { readonly policy: object; readonly own: Own } {
  if (typeof given !== 'object' || given === null || Array.isArray(given)) return { policy: given, own: options };
  const policy: Record<string, unknown> = {};
  const own: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(given)) {
    if (!names.includes(name as keyof Own)) policy[name] = value;
    else if (value !== undefined) own[name] = value;
  }
  return { policy, own: { ...(own as Own), ...options } };
}
