/** From rules as written to limits: defaults filled in, combinations that cannot work refused, every limit named. */
import { type Limit, type Match, type Measure, type Mode, measures, type Scope } from '../../model.js';
import { compact } from '../read.js';
import type { Report } from '../report.js';
import type { LimitEntry, Rule } from '../schema/limits.js';
import { oneOf, type Path } from '../spelling.js';

/** A limit and where it was written, for problems found later. */
export interface PlacedLimit {
  readonly limit: Limit;
  readonly path: Path;
}

/** Where a rule stands and what that adds to it. */
interface Setting {
  readonly measure: Measure;
  readonly name: string;
  readonly per: readonly Scope[];
  readonly tier?: string;
  readonly match?: Match | undefined;
  readonly mode: Mode;
  readonly blockMs?: number | undefined;
  readonly path: Path;
  /** Path of an option: beside the measure in `limits`, inside the object form in a tier. */
  readonly optionPath: (option: string) => Path;
}

/** `tokens.hour`, `requests.min.rolling`: what a limit is, with the algorithm where it is not the usual one. */
export function nameOf(measure: Measure, { amount }: Rule): string {
  if (measure === 'concurrency') return 'concurrency';
  const usual =
    amount.period === 'day' || amount.period === 'week' || amount.period === 'month' ? 'calendar' : 'rolling';
  const unusual = amount.algorithm !== (measure === 'requests' ? 'token-bucket' : usual);
  const algorithm = amount.algorithm === 'token-bucket' ? 'bucket' : amount.algorithm;
  return `${measure}.${amount.period}${unusual ? `.${algorithm}` : ''}`;
}

/** One limit, or undefined after its problems were noted. */
export function compileRule({ amount, options }: Rule, setting: Setting, report: Report): Limit | undefined {
  const { measure, per, optionPath } = setting;
  const before = report.problems.length;
  if (options.queue !== undefined && measure !== 'concurrency') {
    report.add(optionPath('queue'), {
      expected: 'no `queue` here: only `concurrency` may wait in the queue; for requests there is `delay`',
    });
  }
  const delay = compileDelay({ amount, options }, setting, report);
  if (report.problems.length > before) return undefined;
  const waits = per.includes('all') || (per.includes('model') && !per.includes('identity'));
  return compact({
    name: setting.name,
    measure,
    algorithm: amount.algorithm,
    amount: amount.amount,
    capacity: amount.capacity,
    periodMs: amount.periodMs,
    calendar: amount.calendar,
    per,
    tier: setting.tier,
    match: setting.match,
    mode: setting.mode,
    queue: measure === 'concurrency' && (options.queue ?? waits),
    delay,
    alertAt: options.alertAt,
    blockMs: setting.blockMs,
  });
}

function compileDelay({ amount, options }: Rule, setting: Setting, report: Report): { after: number } | undefined {
  const { delay } = options;
  if (delay === undefined || delay === false) return amount.delay;
  const path = setting.optionPath('delay');
  if (setting.measure !== 'requests') {
    report.add(path, { expected: 'no `delay` here: only `requests` may wait for their turn' });
  } else if (amount.nginx) {
    report.add(path, {
      expected: "no `delay` beside nginx's spelling, which says it itself: without `nodelay` the excess waits",
    });
  } else if (amount.algorithm !== 'token-bucket') {
    report.add(path, {
      expected: `no \`delay\` on a ${amount.algorithm} window: only a rate with a burst has turns to wait for`,
    });
  } else {
    // One always passes at once: its turn is now.
    const after = delay === true ? 1 : Math.max(1, delay.after);
    if (delay === true || after < amount.capacity) return after < amount.capacity ? { after } : undefined;
    report.add(path, { expected: `less than the burst of ${amount.capacity}, or none would ever wait` });
  }
  return undefined;
}

/** An entry of `limits`. `given` is the entry as written: what may stand together is checked even when a part of it is wrong. */
export function compileEntry(
  given: Readonly<Record<string, unknown>>,
  entry: LimitEntry | undefined,
  path: Path,
  mode: Mode,
  report: Report,
): PlacedLimit | undefined {
  const said = measures.filter((measure) => given[measure] !== undefined);
  const [measure] = said;
  if (measure === undefined || said.length > 1) {
    const found = measure === undefined ? 'there is none' : `there are ${said.join(' and ')}`;
    report.add(path, { expected: `exactly one of ${oneOf(measures)}; ${found}` });
    return undefined;
  }
  if (given.block !== undefined && measure !== 'failures') {
    report.add([...path, 'block'], { expected: 'no `block` here: it belongs to `failures`' });
  }
  const rule = entry?.[measure] as Rule | undefined;
  if (entry === undefined || rule === undefined) return undefined;
  const per = entry.per ?? (measure === 'failures' ? ['address'] : ['identity']);
  if (measure === 'failures' && per.some((scope) => scope !== 'address' && scope !== 'all')) {
    report.add([...path, 'per'], {
      expected: '`address` or `all` for `failures`: who fails to say who they are has no identity',
    });
    return undefined;
  }
  if (measure === 'failures' && !isKnownBeforeIdentity(entry.match)) {
    report.add([...path, 'match'], {
      expected: '`path` or `method` alone for `failures`: nothing else is known of who fails to say who they are',
    });
    return undefined;
  }
  const { name, mode: own, alertAt, queue, delay } = entry;
  const options = compact({ alertAt, queue, delay });
  const setting: Setting = {
    measure,
    name: name ?? entryName(measure, { amount: rule.amount, options }, entry.match, per),
    per,
    match: entry.match,
    mode: mode === 'shadow' ? mode : (own ?? mode),
    blockMs: entry.block,
    path: [...path, measure],
    optionPath: (option) => [...path, option],
  };
  const limit = compileRule({ amount: rule.amount, options }, setting, report);
  return limit && { limit, path };
}

function isKnownBeforeIdentity({ not, path: _path, method: _method, ...rest }: Match = {}): boolean {
  return Object.keys(rest).length === 0 && (not === undefined || isKnownBeforeIdentity(not));
}

/** What an unnamed entry matches, whose counter it is unless the identity's, and what it counts: `generate.requests.min`. */
function entryName(measure: Measure, rule: Rule, match: Match | undefined, per: readonly Scope[]): string {
  const usual = per.length === 1 && per[0] === (measure === 'failures' ? 'address' : 'identity');
  const parts = ['limits', ...matchWords(match), ...(usual ? [] : [per.join('+')]), nameOf(measure, rule)];
  // `limits` only where nothing else sets the name apart from those of the tier `default`.
  return (parts.length > 2 ? parts.slice(1) : parts).join('.');
}

function matchWords(match: Match | undefined): string[] {
  if (match === undefined) return [];
  return Object.entries(match).map(([key, value]) =>
    key === 'not' ? `not-${matchWords(value as Match).join('.')}` : safe((value as readonly string[]).join('+')),
  );
}

const safe = (word: string): string => word.replace(/[^A-Za-z0-9._:/@*+-]/g, '_');

/** Names are what clients, logs and metrics see, so no two limits may have the same. */
export function checkNames(limits: readonly PlacedLimit[], report: Report): void {
  const taken = new Map<string, Path>();
  for (const { limit, path } of limits) {
    if (taken.has(limit.name)) {
      report.add(path, { expected: `a \`name\` of its own: another limit is called \`${limit.name}\` too` });
    } else taken.set(limit.name, path);
  }
}
