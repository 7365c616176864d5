/** Who asks: the sources in order, and the declared keys. */
import { type Environment, substitute } from '../environment.js';
import type { AddressSource, ApiKeySource, DeclaredKey, HeaderSource, IdentitySource, JwtSource } from '../policy.js';
import { compact } from '../read.js';
import type { Report } from '../report.js';
import { addressSchema, apiKeySchema, headerSchema, jwtSchema, keySchema } from '../schema/identity.js';
import type { Path } from '../spelling.js';
import { checkTierName, isMapping } from './tiers.js';

const newNames = { amount: 1000, periodMs: 3_600_000 };

const apiKeyDefaults: ApiKeySource = {
  kind: 'apiKey',
  from: ['authorization', 'x-api-key'],
  unknown: 'accept',
  newNames,
  keys: [],
};
const addressDefaults = { kind: 'address', ipv6Prefix: 64 } as const;

export interface IdentityContext {
  readonly env: Environment;
  readonly tierNames: readonly string[];
  readonly report: Report;
  /** Proxies in front, for an address source that does not say. */
  readonly trustProxy: number;
}

interface Context extends IdentityContext {
  /** Declared keys seen so far, over all sources. */
  readonly keys: Map<string, Path>;
  readonly ids: Map<string, DeclaredKey>;
}

/** Without `identity`: any API key is a name, and who has none is known by address. */
export function compileIdentity(given: unknown, around: IdentityContext): readonly IdentitySource[] {
  const { report, trustProxy } = around;
  if (!Array.isArray(given)) return [apiKeyDefaults, { ...addressDefaults, trustProxy }];
  const context: Context = { ...around, keys: new Map(), ids: new Map() };
  const last = given.findIndex((source) => isMapping(source) && Object.hasOwn(source, 'address'));
  for (let index = last + 1; last >= 0 && index < given.length; index++) {
    report.add(['identity', index], {
      expected: 'no source after `address`, which recognises everyone; put `address` last',
    });
  }
  return given.flatMap((source: unknown, index): IdentitySource[] => {
    if (!isMapping(source)) return [];
    return Object.entries(source).flatMap(([kind, value]): IdentitySource[] => {
      const path = ['identity', index, kind];
      const settings = value ?? {};
      if (kind === 'apiKey') return apiKeySource(settings, path, context) ?? [];
      if (kind === 'jwt') return jwtSource(settings, path, context) ?? [];
      if (kind === 'header') return headerSource(settings, path, context) ?? [];
      return kind === 'address' ? (addressSource(settings, path, context) ?? []) : [];
    });
  });
}

function apiKeySource(given: unknown, path: Path, context: Context): [ApiKeySource] | undefined {
  const { report } = context;
  if (!isMapping(given)) return undefined;
  checkTierName(given.tier, context.tierNames, [...path, 'tier'], report);
  const tier = typeof given.tier === 'string' ? given.tier : undefined;
  const keys = isMapping(given.keys) ? declaredKeys(given.keys, tier, [...path, 'keys'], context) : [];
  if (isMapping(given.keys) && Object.keys(given.keys).length === 0) {
    report.add([...path, 'keys'], { expected: 'at least one key; without `keys` any key would be taken as a name' });
  }
  const entry = report.check(apiKeySchema, given, path);
  if (entry === undefined) return undefined;
  const unknown = entry.unknown ?? (entry.keys === undefined ? 'accept' : 'refuse');
  if (entry.newNames !== undefined && unknown !== 'accept') {
    const why = 'a key that is not declared is no name here. Say `unknown: accept` beside it, or leave it out.';
    report.remark([...path, 'newNames'], why);
  }
  return [
    compact({
      ...apiKeyDefaults,
      from: entry.from ?? apiKeyDefaults.from,
      unknown,
      newNames: entry.newNames ?? newNames,
      tier,
      keys,
    }),
  ];
}

function declaredKeys(
  given: Readonly<Record<string, unknown>>,
  sourceTier: string | undefined,
  path: Path,
  context: Context,
): DeclaredKey[] {
  const { report, tierNames } = context;
  return Object.entries(given).flatMap(([writtenKey, value]) => {
    const keyPath = [...path, writtenKey];
    if (isMapping(value)) checkTierName(value.tier, tierNames, [...keyPath, 'tier'], report);
    const secret = readKey(writtenKey, keyPath, context);
    const entry = report.check(keySchema, value, keyPath);
    if (entry === undefined || secret === undefined) return [];
    const key = compact({
      ...secret,
      id: entry.id,
      tier: entry.tier ?? sourceTier,
      weight: entry.weight ?? 1,
      priority: entry.priority,
    });
    checkId(key, keyPath, context);
    return [key];
  });
}

function readKey(writtenKey: string, path: Path, context: Context): Pick<DeclaredKey, 'plain' | 'sha256'> | undefined {
  const { report, keys, env } = context;
  const before = report.problems.length;
  const key = substitute(writtenKey, path, env, report).trim();
  if (report.problems.length > before) return undefined;
  const hash = /^sha256:(.*)$/i.exec(key)?.[1]?.toLowerCase();
  if (hash !== undefined && !/^[0-9a-f]{64}$/.test(hash)) {
    report.add(path, { expected: '64 hex digits after `sha256:`, as `headgate key` prints them' });
    return undefined;
  }
  if (!/^[\x21-\x7e]{1,512}$/.test(key)) {
    report.add(path, { expected: 'a key of printable letters without spaces, at most 512' });
    return undefined;
  }
  const id = hash === undefined ? key : `sha256:${hash}`;
  if (keys.has(id)) {
    report.add(path, { expected: 'each key once; this one is declared before' });
    return undefined;
  }
  keys.set(id, path);
  return hash === undefined ? { plain: key } : { sha256: hash };
}

/** Several keys may be one identity, as long as they agree on what it is. */
function checkId(key: DeclaredKey, path: Path, { ids, report }: Context): void {
  const other = ids.get(key.id);
  if (other === undefined) ids.set(key.id, key);
  else if (other.tier !== key.tier || other.weight !== key.weight || other.priority !== key.priority) {
    report.add([...path, 'id'], {
      expected: `the same tier, weight and priority as the other key of \`${key.id}\`, or an id of its own`,
    });
  }
}

function jwtSource(given: unknown, path: Path, { report }: Context): [JwtSource] | undefined {
  const entry = report.check(jwtSchema, given, path);
  if (entry === undefined) return undefined;
  const { clockTolerance: clockToleranceMs = 30_000, id = 'sub', ...rest } = entry;
  return [{ kind: 'jwt', ...compact({ ...rest, id, clockToleranceMs }) }];
}

function headerSource(given: unknown, path: Path, context: Context): [HeaderSource] | undefined {
  if (isMapping(given)) checkTierName(given.tier, context.tierNames, [...path, 'tier'], context.report);
  const entry = context.report.check(headerSchema, given, path);
  return entry && [{ kind: 'header', ...compact(entry) }];
}

function addressSource(given: unknown, path: Path, context: Context): [AddressSource] | undefined {
  if (isMapping(given)) checkTierName(given.tier, context.tierNames, [...path, 'tier'], context.report);
  const entry = context.report.check(addressSchema, given, path);
  if (entry?.trustProxy !== undefined && context.trustProxy > 0 && entry.trustProxy !== context.trustProxy) {
    context.report.add([...path, 'trustProxy'], {
      expected: `${context.trustProxy} as in \`client.trustProxy\`; say it there alone`,
    });
  }
  return entry && [{ ...addressDefaults, trustProxy: context.trustProxy, ...compact(entry) }];
}
