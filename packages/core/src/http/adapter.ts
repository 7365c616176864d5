/** What every adapter to a framework takes, whatever the framework calls its request. */
import { HeadgateError } from '../kernel/errors.js';
import type { Identity } from '../model.js';
import { aDialectList, checkOptions, limiterOptionKinds, type OptionKinds } from '../policy/options.js';
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

/** A limiter, and what the application says to its adapter. */
export interface AdapterParts<Made, Own> {
  readonly limiter: Made;
  readonly own: Own;
}

export interface AdapterMaking<Made, Own> {
  /** Those that may stand in the policy too. */
  readonly kinds: OptionKinds<Own>;
  /** Makes the limiter, from what is left of the policy and of the options. */
  make(policy: object, options: object): Made;
}

/**
 * What `ollamaLimiter` is given: a policy, in which the adapter's own options may stand too, or a limiter made before; and options.
 * @throws HeadgateError `HG_OPTIONS` for an option that does not exist, or that does nothing beside a limiter made before
 */
export function adapterParts<Made extends HttpLimiter, Own extends object>(
  given: object,
  options: Own,
  { kinds, make }: AdapterMaking<Made, Own>,
): AdapterParts<Made, Own> {
  if (isLimiter<Made>(given)) {
    checkOptions(options, { ...kinds, dialects: aDialectList }, 'ollamaLimiter');
    return { limiter: given, own: options };
  }
  checkOptions(options, { ...kinds, ...limiterOptionKinds }, 'ollamaLimiter');
  const names = Object.keys(kinds);
  const inPolicy = parted(given, names);
  checkOptions(inPolicy.own, kinds, 'ollamaLimiter');
  const beside = parted(options, names);
  return {
    limiter: make(inPolicy.rest, beside.rest),
    own: { ...inPolicy.own, ...beside.own } as Own,
  };
}

export function isLimiter<Made extends HttpLimiter>(value: object): value is Made {
  return typeof value === 'object' && value !== null && 'admit' in value;
}

/** The options of these names that have a value, and all the rest. What can hold none is left to whoever reads it. */
export function parted(given: object, names: readonly string[]): { readonly rest: object; readonly own: object } {
  if (typeof given !== 'object' || given === null || Array.isArray(given)) return { rest: given, own: {} };
  const rest: Record<string, unknown> = {};
  const own: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(given)) {
    if (!names.includes(name)) rest[name] = value;
    else if (value !== undefined) own[name] = value;
  }
  return { rest, own };
}
