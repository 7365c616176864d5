/** Tiers: the top of the policy is tier `default`, the others stand under `tiers`, and `extends` takes over what is not said. */
import type { Limit, Mode } from '../../model.js';
import type { Tier } from '../policy.js';
import { compact } from '../read.js';
import type { Report } from '../report.js';
import type { Rule } from '../schema/limits.js';
import { type TierEntry, tierMeasures, tierSchema, tierShape } from '../schema/tiers.js';
import { nearest, type Path } from '../spelling.js';
import { compileRule, nameOf, type PlacedLimit } from './limits.js';

type Given = Readonly<Record<string, unknown>>;

/** A tier as written, its keys' own paths kept through inheritance. */
interface Draft {
  readonly name: string;
  readonly path: Path;
  readonly entry: TierEntry;
  readonly parent: string | undefined;
}

export interface CompiledTiers {
  readonly tiers: Readonly<Record<string, Tier>>;
  readonly limits: readonly PlacedLimit[];
  /** All that are declared, whether or not they could be read. */
  readonly names: readonly string[];
}

const tierNameShape = /^[A-Za-z][\w-]{0,63}$/;

export function compileTiers(given: Given, mode: Mode, report: Report): CompiledTiers {
  const declared = isMapping(given.tiers) ? given.tiers : {};
  const names = ['default', ...Object.keys(declared)];
  const drafts = new Map<string, Draft>();
  const read = (name: string, path: Path, value: unknown) => {
    const entry = report.check(tierSchema, value, path);
    const parent = isMapping(value) && typeof value.extends === 'string' ? value.extends : undefined;
    if (entry !== undefined) drafts.set(name, { name, path, entry, parent });
    if (parent === undefined || names.includes(parent)) return;
    const right = nearest(parent, names);
    const expected = `the name of a tier that exists: ${names.join(', ')}`;
    report.add([...path, 'extends'], right === undefined ? { expected } : { expected, nearest: right });
  };
  read('default', [], Object.fromEntries(Object.entries(given).filter(([key]) => Object.hasOwn(tierShape, key))));
  for (const [name, value] of Object.entries(declared)) {
    const path = ['tiers', name];
    if (name === 'default') {
      report.add(path, { expected: 'the keys of tier `default` at the top of the policy, not under `tiers`' });
    } else if (!tierNameShape.test(name)) {
      report.add(path, {
        expected: 'a name of letters, digits, `-` and `_` that begins with a letter, such as `free`',
      });
    } else read(name, path, value);
  }
  const tiers: Record<string, Tier> = Object.create(null);
  const limits: PlacedLimit[] = [];
  for (const draft of drafts.values()) {
    const lineage = lineageOf(draft, drafts, report);
    if (lineage === undefined) continue;
    const compiled = compileTier(draft, lineage, mode, report);
    tiers[draft.name] = { ...compiled.tier, limits: compiled.limits.map(({ limit }) => limit) };
    limits.push(...compiled.limits);
  }
  return { tiers, limits, names };
}

export function isMapping(value: unknown): value is Given {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** The tier and those it extends, nearest first; undefined when one of them could not be read or they form a ring. */
function lineageOf(draft: Draft, drafts: ReadonlyMap<string, Draft>, report: Report): Draft[] | undefined {
  const lineage = [draft];
  let { parent } = draft;
  while (parent !== undefined) {
    const next = drafts.get(parent);
    if (next === undefined) return undefined;
    if (lineage.includes(next)) {
      const ring = [...lineage.map(({ name }) => name), parent].join(' extends ');
      report.add([...draft.path, 'extends'], { expected: `a tier that does not extend this one in turn: ${ring}` });
      return undefined;
    }
    lineage.push(next);
    parent = next.parent;
  }
  return lineage;
}

function compileTier(draft: Draft, lineage: readonly Draft[], policyMode: Mode, report: Report) {
  const owner = (key: keyof TierEntry): Draft => lineage.find(({ entry }) => entry[key] !== undefined) ?? draft;
  const value = <K extends keyof TierEntry>(key: K): TierEntry[K] => owner(key).entry[key];
  const mode = policyMode === 'shadow' ? policyMode : (value('mode') ?? policyMode);
  const limits: PlacedLimit[] = [];
  for (const measure of tierMeasures) {
    const source = owner(measure);
    const rules = source.entry[measure] as readonly Rule[] | undefined;
    for (const rule of rules ?? []) {
      const path = [...source.path, measure, ...(rule.index === undefined ? [] : [rule.index])];
      const inherited = source !== draft;
      const limit = compileRule(
        rule,
        {
          measure,
          name: limitName(draft.name, rule, nameOf(measure, rule), inherited),
          per: ['identity'],
          tier: draft.name,
          mode: mode === 'shadow' ? mode : (rule.options.mode ?? mode),
          path,
          optionPath: (option) => [...path, option],
        },
        report,
      );
      if (limit !== undefined) limits.push({ limit, path: inherited ? [...draft.path, 'extends'] : path });
    }
  }
  const models = value('models');
  const runOwner = owner('run');
  const run = runOwner.entry.run;
  limits.push(...runLimits(draft, run, mode, [...runOwner.path, 'run']));
  const tier = compact({
    name: draft.name,
    // `*` among them makes the others say nothing.
    models: models?.includes('*') ? undefined : models,
    priority: value('priority') ?? ('normal' as const),
    inputTokensMax: value('input'),
    outputTokensMax: value('output'),
    contextAlert: value('contextAlert'),
    run: run && compact({ toolCallsMax: run.toolCalls, depthMax: run.depth, timeMs: run.time, tokensMax: run.tokens }),
    mode,
  });
  return { tier, limits };
}

/** Counters of a run without a time of its own last this long, ms. */
const runPeriodMs = 24 * 3600 * 1000;

/** The envelope's amounts are limits like any other, on a counter of the run; the window is as long as a run can be. */
function runLimits({ name }: Draft, run: TierEntry['run'], mode: Mode, path: Path): PlacedLimit[] {
  if (run === undefined) return [];
  const amounts = [
    ['toolCalls', run.toolCalls],
    ['tokens', run.tokens],
  ] as const;
  return amounts.flatMap(([measure, amount]): PlacedLimit[] => {
    if (amount === undefined) return [];
    const limit: Limit = {
      name: name === 'default' ? `run.${measure}` : `${name}.run.${measure}`,
      measure,
      algorithm: 'rolling',
      amount,
      capacity: amount,
      periodMs: run.time ?? runPeriodMs,
      per: ['run'],
      tier: name,
      mode,
      queue: false,
      envelope: true,
    };
    return [{ limit, path: [...path, measure] }];
  });
}

/** The top level needs no prefix. A name given by hand is kept, and gets the tier's where a tier takes it over from another. */
function limitName(tier: string, rule: Rule, what: string, inherited: boolean): string {
  const own = rule.options.name;
  if (own !== undefined && !inherited) return own;
  return tier === 'default' ? (own ?? what) : `${tier}.${own ?? what}`;
}

/** Notes a problem when no such tier exists. */
export function checkTierName(name: unknown, names: readonly string[], path: Path, report: Report): void {
  if (typeof name !== 'string' || names.includes(name)) return;
  const right = nearest(name, names);
  const expected = `the name of a tier that exists: ${names.join(', ')}`;
  report.add(path, right === undefined ? { expected } : { expected, nearest: right });
}
