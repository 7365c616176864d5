/**
 * What stands beside a policy, and what it has to be. An option that is misspelt would be a setting that is silently not made:
 * counters in memory instead of the store, everyone known by address. Looked at once, when something is made of it.
 */
import { HeadgateError } from '../kernel/errors.js';
import { policyShape } from './schema/policy.js';
import { nearest, oneOf } from './spelling.js';

/** What an option has to be, in words that go on after "it has to be". */
export interface OptionKind {
  readonly words: string;
  fits(value: unknown): boolean;
}

export type OptionKinds<Options> = Readonly<Record<keyof Options & string, OptionKind>>;

/** An instance of anything that can do this. */
export const withMethod = (method: string, words: string): OptionKind => ({
  words,
  fits: (value) => typeof (value as Record<string, unknown> | null)?.[method] === 'function',
});

export const aFunction: OptionKind = { words: 'a function', fits: (value) => typeof value === 'function' };
export const aText: OptionKind = { words: 'text', fits: (value) => typeof value === 'string' };
export const aFlag: OptionKind = { words: '`true` or `false`', fits: (value) => typeof value === 'boolean' };
export const aDuration: OptionKind = {
  words: 'a number of milliseconds, above zero',
  fits: (value) => typeof value === 'number' && value > 0 && value < Number.POSITIVE_INFINITY,
};
export const aClock: OptionKind = withMethod('now', 'a clock, such as `systemClock()`');
export const aDialectList: OptionKind = {
  words: 'a list, such as `defaultDialects` of @headgate/dialects',
  fits: Array.isArray,
};
export const oneOfWords = (...words: readonly string[]): OptionKind => ({
  words: oneOf(words),
  fits: (value) => words.includes(value as string),
});
/** Those of `createLimiter`. */
export const limiterOptionKinds = {
  store: withMethod('configure', 'a store, such as `redisStore(client)` of @headgate/redis'),
  countTokens: aFunction,
  clock: aClock,
  random: aFunction,
  probe: aFunction,
  dialects: aDialectList,
  verifyToken: aFunction,
  fetch: aFunction,
} as const;

/** Those that an application gives to an adapter, in every adapter. */
export const callbackKinds = { identify: aFunction, skip: aFunction, onRefused: aFunction } as const;

/** @throws HeadgateError `HG_OPTIONS` when what is made needs something else; `what` begins the message: `the client of redisStore` */
export function checkKind(given: unknown, kind: OptionKind, what: string): void {
  if (!kind.fits(given)) throw wrong(`${what} is ${kindOf(given)}; it has to be ${kind.words}`);
}

/**
 * @param caller whose options they are, for the message, such as `createLimiter`
 * @throws HeadgateError `HG_OPTIONS` for one that does not exist, or is something else than it has to be
 */
export function checkOptions(given: unknown, kinds: Readonly<Record<string, OptionKind>>, caller: string): void {
  if (given === undefined) return;
  if (typeof given !== 'object' || given === null || Array.isArray(given))
    throw wrong(`the options of ${caller} are ${kindOf(given)}; they have to be a mapping of ${namesOf(kinds)}`);
  for (const [name, value] of Object.entries(given)) {
    if (value === undefined) continue;
    const kind = Object.hasOwn(kinds, name) ? kinds[name] : undefined;
    if (kind === undefined) throw wrong(`${caller} has no option \`${name}\`${remedy(name, kinds)}`);
    checkKind(value, kind, `the option \`${name}\` of ${caller}`);
  }
}

/** @throws HeadgateError `HG_OPTIONS` for an event that is none of these, or a listener that is no function */
export function checkListener(name: string, listener: unknown, events: readonly string[]): void {
  if (!events.includes(name)) {
    const right = nearest(name, events);
    const known = events.map((event) => `\`${event}\``).join(', ');
    throw wrong(
      `there is no event \`${name}\`${right === undefined ? `; there are ${known}` : `; did you mean \`${right}\`?`}`,
    );
  }
  checkKind(listener, aFunction, `the listener for \`${name}\``);
}

/** For an option without which there is no way to go on. */
export function needsOption(name: string, example: string): HeadgateError {
  return wrong(`the option \`${name}\` is missing: ${example}`);
}

function remedy(name: string, kinds: Readonly<Record<string, OptionKind>>): string {
  const right = nearest(name, Object.keys(kinds));
  if (Object.hasOwn(limiterOptionKinds, name)) return ': it is one of createLimiter, where the limiter is made';
  if (Object.hasOwn(policyShape, name)) return ': it is a key of the policy';
  return right === undefined ? `; there are ${namesOf(kinds)}` : `; did you mean \`${right}\`?`;
}

function namesOf(kinds: Readonly<Record<string, OptionKind>>): string {
  return Object.keys(kinds)
    .map((name) => `\`${name}\``)
    .join(', ');
}

function wrong(message: string): HeadgateError {
  return new HeadgateError('HG_OPTIONS', message);
}

/** Never the value, which may be a secret. */
function kindOf(value: unknown): string {
  if (value === undefined) return 'nothing';
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'a list';
  if (typeof value === 'string') return 'text';
  return typeof value === 'object' ? 'a mapping' : `a ${typeof value}`;
}

/** What was expected at a top key of a policy that holds what only code can make: an option that has got among the rules. */
export function insteadOfOption(key: string, value: unknown): string | undefined {
  const known = Object.hasOwn(limiterOptionKinds, key);
  if (known && (key === 'store' ? canBeAsked(value) : typeof value === 'object' || typeof value === 'function'))
    return `none here: it stands beside the policy, as in \`createLimiter(policy, { ${key} })\``;
  if (typeof value !== 'function') return undefined;
  const right = nearest(key, [...Object.keys(callbackKinds), ...Object.keys(limiterOptionKinds)]);
  if (right === key) return `none here: it is an option of adapters, such as \`ollamaLimiter(policy, { ${key} })\``;
  return right && `a key that exists here; did you mean the option \`${right}\`?`;
}

function canBeAsked(value: unknown): boolean {
  return typeof (value as { configure?: unknown } | null | undefined)?.configure === 'function';
}
