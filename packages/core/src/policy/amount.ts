/** The amounts of limits: `60/min burst 10`, `100k/hour rolling`, `$5/day`. Pure: text in, numbers or a fault out. */
import type { Algorithm, Limit, Measure } from '../model.js';
import { looksLikeNginx, readNginx } from './nginx.js';
import { compact, fault, isFault, type Read } from './read.js';
import { type Period, readCount, readDollars, readNumber, readPeriod } from './unit.js';

/** The part of a limit that its amount decides. */
export interface Amount extends Pick<Limit, 'algorithm' | 'amount' | 'capacity' | 'periodMs' | 'calendar' | 'delay'> {
  /** The period as names of limits spell it: `min`, `90s`; empty for slots. */
  readonly period: string;
  /** Whether nginx's spelling was used, which settles burst and delay by itself. */
  readonly nginx: boolean;
}

export type WindowMeasure = Exclude<Measure, 'concurrency'>;
type Written = Exclude<Algorithm, 'slots'>;

/** The same in code: `{ limit: 60, per: 'min', burst: 10, algorithm: 'token-bucket' }`. */
export interface AmountParts {
  readonly limit: string | number;
  readonly per: string;
  readonly burst?: string | number | undefined;
  readonly algorithm?: Written | undefined;
}

export function exampleOf(measure: Measure): string {
  if (measure === 'requests') return '`60/min` or `60/min burst 10`';
  if (measure === 'cost') return '`$5/day`';
  if (measure === 'concurrency') return '`5`';
  if (measure === 'failures') return '`5/min`';
  return measure === 'gpuSeconds' ? '`600/hour`' : '`100k/hour` or `500k/day`';
}

const shape = /^([^/]*)\/([^/]*)$/;

/** Reads `<amount>/<period> [burst <n>] [rolling|calendar]`, or for `requests` nginx's `10r/m burst=3 nodelay`. */
export function readAmount(input: string | number, measure: WindowMeasure): Read<Amount> {
  const expected = `an amount and a period, such as ${exampleOf(measure)}`;
  const text = String(input)
    .trim()
    .replace(/\s*\/\s*/, '/')
    .replace(/\s+/g, ' ')
    .replace(/\/([\d.]+) (?=[A-Za-z])/, '/$1');
  if (looksLikeNginx(text)) {
    if (measure !== 'requests') return fault(`${expected}; nginx's spelling is for \`requests\` only`);
    const read = readNginx(text);
    return isFault(read) ? read : { value: { ...read.value, algorithm: 'token-bucket', nginx: true } };
  }
  const match = shape.exec(text);
  if (match === null) return fault(expected, /^\$?[\d.]+[kKMG]?$/.test(text) ? `${text}/min` : undefined);
  const [period = '', ...options] = match[2]!.split(' ');
  const parts: { limit: string; per: string; burst?: string; algorithm?: Written } = { limit: match[1]!, per: period };
  const broken = readOptions(options, parts, expected);
  if (broken !== undefined) return broken;
  const read = composeAmount(parts, measure);
  if (!isFault(read)) return read;
  // The part is of the text here, so the right spelling is shown within the whole of it.
  const [wrong, slash] = read.part === 'per' ? [`/${period}`, '/'] : [match[1]!, ''];
  return fault(read.expected, read.nearest && text.replace(wrong, `${slash}${read.nearest}`));
}

function readOptions(
  options: readonly string[],
  parts: { burst?: string; algorithm?: Written },
  expected: string,
): ReturnType<typeof fault> | undefined {
  for (let i = 0; i < options.length; i++) {
    const word = options[i]!;
    if (word === 'burst' && parts.burst === undefined) {
      const value = options[++i];
      if (value === undefined) return fault('a number after `burst`, such as `burst 10`');
      parts.burst = value;
    } else if ((word === 'rolling' || word === 'calendar') && parts.algorithm === undefined) parts.algorithm = word;
    else if (word === 'burst' || word === 'rolling' || word === 'calendar') {
      return fault('each option once, and only one of `rolling` and `calendar`');
    } else return fault(`${expected}, then at most \`burst <n>\`, \`rolling\` or \`calendar\``);
  }
  return undefined;
}

/** From the parts to numbers, with the defaults of the measure and the period. */
export function composeAmount(parts: AmountParts, measure: WindowMeasure): Read<Amount> {
  const number = readLimit(parts.limit, measure);
  if (isFault(number)) return { ...number, part: 'limit' };
  const period = readPeriod(parts.per);
  if (isFault(period)) return { ...period, part: 'per' };
  const algorithm = parts.algorithm ?? defaultAlgorithm(parts, measure, period.value);
  const common = { amount: number.value, periodMs: period.value.ms, period: period.value.word, nginx: false };
  if (algorithm === 'token-bucket') return bucket(common, parts.burst);
  if (parts.burst !== undefined) {
    return fault(`\`burst\` or \`${algorithm}\`, not both: a window has no burst, all of it may come at once`);
  }
  if (measure !== 'cost' && measure !== 'gpuSeconds' && !Number.isInteger(number.value)) {
    return fault(`a whole number for a ${algorithm} window, such as ${exampleOf(measure)}`);
  }
  if (algorithm === 'rolling') return { value: { ...common, algorithm, capacity: common.amount } };
  const calendar = calendarOf(period.value);
  if (calendar === undefined) {
    return fault(
      '`day`, `week` or `month` with `calendar`: only these begin at the same instant for everyone; other periods are `rolling`',
    );
  }
  return { value: { ...common, algorithm, calendar, capacity: common.amount } };
}

function readLimit(input: string | number, measure: WindowMeasure): Read<number> {
  const dollars = typeof input === 'string' && input.trim().startsWith('$');
  if (dollars && measure !== 'cost')
    return fault(`an amount without \`$\`, such as ${exampleOf(measure)}; \`$\` is for \`cost\``);
  if (!dollars && measure === 'cost' && typeof input === 'string') {
    return fault('an amount of dollars, such as `$5/day`', `$${input.trim()}`);
  }
  const read = measure === 'cost' ? readDollars(input) : readNumber(input);
  if (isFault(read)) return fault(`an amount and a period, such as ${exampleOf(measure)}`, read.nearest);
  return read.value > 0 ? read : fault('an amount above zero; what is never allowed belongs in `models` or `guard`');
}

/** Requests flow, the others are budgets: short ones roll, those of whole days, weeks and months follow the calendar. */
function defaultAlgorithm(parts: AmountParts, measure: WindowMeasure, period: Period): Written {
  if (measure === 'requests' || parts.burst !== undefined) return 'token-bucket';
  return calendarOf(period) === undefined ? 'rolling' : 'calendar';
}

function calendarOf(period: Period): 'day' | 'week' | 'month' | undefined {
  const { unit, count } = period;
  return count === 1 && (unit === 'day' || unit === 'week' || unit === 'month') ? unit : undefined;
}

function bucket(
  common: Pick<Amount, 'amount' | 'periodMs' | 'period' | 'nginx'>,
  burst: string | number | undefined,
): Read<Amount> {
  const capacity = burst === undefined ? { value: common.amount } : readCount(burst, 1, '`burst 10`');
  if (isFault(capacity)) {
    return fault(
      '`burst` as a whole number of at least 1: it is how many may come at once, and with 0 none ever could',
    );
  }
  if (capacity.value < 1) {
    return fault('room for at least one at once: write a longer period (`1/2s` for half a one a second) or a `burst`');
  }
  return { value: compact({ ...common, algorithm: 'token-bucket' as const, capacity: capacity.value }) };
}

/** Slots: how many at once. */
export function readSlots(input: string | number): Read<Amount> {
  const read = readCount(input, 1, '`5`');
  if (isFault(read))
    return fault('how many at once, a whole number of at least 1 without a period, such as `5`', read.nearest);
  const { value } = read;
  return { value: { algorithm: 'slots', amount: value, capacity: value, periodMs: 0, period: '', nginx: false } };
}
