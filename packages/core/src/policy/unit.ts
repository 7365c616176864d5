/** Numbers with units, one reader a kind. Pure; used by amounts and by every setting of the policy. */
import { fault, isFault, type Read } from './read.js';
import { nearest } from './spelling.js';

const secondMs = 1000;
const dayMs = 86_400_000;

/** Length of each period and duration unit, ms. A month is nominally 30 days. */
export const unitMs = {
  ms: 1,
  s: secondMs,
  min: 60 * secondMs,
  hour: 3600 * secondMs,
  day: dayMs,
  week: 7 * dayMs,
  month: 30 * dayMs,
} as const;
export type Unit = keyof typeof unitMs;

const unitAliases: Readonly<Record<string, Unit>> = {
  ms: 'ms',
  s: 's',
  m: 'min',
  min: 'min',
  h: 'hour',
  hour: 'hour',
  d: 'day',
  day: 'day',
  week: 'week',
  month: 'month',
};
/** Spellings people try that the language does not have, and the one to use instead. */
const unitMistakes: Readonly<Record<string, string>> = {
  sec: 's',
  secs: 's',
  second: 's',
  seconds: 's',
  mins: 'min',
  minute: 'min',
  minutes: 'min',
  hr: 'hour',
  hrs: 'hour',
  hours: 'hour',
  days: 'day',
  w: 'week',
  weeks: 'week',
  mo: 'month',
  months: 'month',
  millisecond: 'ms',
  milliseconds: 'ms',
  msec: 'ms',
};

export function unitOf(word: string): Unit | undefined {
  return Object.hasOwn(unitAliases, word) ? unitAliases[word] : undefined;
}

/** The likelier first, for words that are as near to one as to another. */
const unitsByUse: readonly Unit[] = ['min', 's', 'hour', 'day', 'week', 'month', 'ms'];

export function nearestUnit(word: string): string | undefined {
  const lower = word.toLowerCase();
  return Object.hasOwn(unitMistakes, lower) ? unitMistakes[lower] : nearest(word, unitsByUse);
}

/** Longest period or duration: past ten years a figure is a mistake, and some arithmetic would lose exactness. */
export const durationMsMax = 3653 * dayMs;

const suffixes: Readonly<Record<string, number>> = { '': 1, k: 1e3, K: 1e3, M: 1e6, G: 1e9 };
const numberPattern = /^(\d+(?:\.\d+)?|\.\d+)([a-zA-Z]*)$/;

/** A plain number of any size, `100k`, `1.5M`, `2G`. Thousands, not 1024s. Never negative, always finite. */
export function readNumber(input: string | number): Read<number> {
  const expected = 'a number such as `60`, `100k` or `1.5M`';
  if (typeof input === 'number') {
    return Number.isFinite(input) && input >= 0 && input <= Number.MAX_SAFE_INTEGER
      ? { value: input }
      : fault(expected);
  }
  const match = numberPattern.exec(input.trim());
  const suffix = match?.[2] ?? '';
  if (match === null) return fault(expected);
  if (!Object.hasOwn(suffixes, suffix)) {
    const capital = suffix.toUpperCase();
    const right = Object.hasOwn(suffixes, capital) ? `${match[1]}${capital}` : undefined;
    return fault(`${expected}; the suffixes are \`k\`, \`M\` and \`G\``, right);
  }
  // Parsed as one literal: 1.1 * 1e6 is not exactly 1100000, 1.1e6 is.
  const value = Number(`${match[1]}e${Math.log10(suffixes[suffix]!)}`);
  return value <= Number.MAX_SAFE_INTEGER ? { value } : fault(`${expected}, at most ${Number.MAX_SAFE_INTEGER}`);
}

/** A whole number of things. */
export function readCount(input: string | number, least = 1, example = '`100` or `32k`'): Read<number> {
  const read = readNumber(input);
  if (!isFault(read) && Number.isInteger(read.value) && read.value >= least) return read;
  return fault(`a whole number of at least ${least}, such as ${example}`, isFault(read) ? read.nearest : undefined);
}

/** Dollars: `$5`, `$0.60`, or a plain number. */
export function readDollars(input: string | number): Read<number> {
  const text = typeof input === 'string' ? input.trim() : input;
  const read = readNumber(typeof text === 'string' && text.startsWith('$') ? text.slice(1) : text);
  return isFault(read) ? fault('an amount of dollars such as `$0.60`') : read;
}

const durationPattern = /^(\d+(?:\.\d+)?)\s*([a-zA-Z]+)$/;

/** `30s`, `5min`, `250ms`, `1.5hour` in ms, rounded to whole ms. */
export function readDuration(input: string | number, leastMs = 1): Read<number> {
  const expected = 'a duration with its unit, such as `30s`, `5min` or `250ms`';
  if (typeof input === 'number') return fault(expected, input > 0 ? `${input}s` : undefined);
  const match = durationPattern.exec(input.trim());
  if (match === null) {
    return input.trim() === '0' && leastMs === 0 ? { value: 0 } : fault(expected);
  }
  const unit = unitOf(match[2]!);
  if (unit === undefined) {
    const right = nearestUnit(match[2]!);
    return fault(expected, right && `${match[1]}${right}`);
  }
  const value = Math.round(Number(match[1]) * unitMs[unit]);
  if (value < leastMs) return fault(`${expected}, longer than zero`);
  return value <= durationMsMax ? { value } : fault(`${expected}, at most ten years`);
}

const byteUnits: Readonly<Record<string, number>> = {
  B: 1,
  kB: 1e3,
  MB: 1e6,
  GB: 1e9,
  KiB: 2 ** 10,
  MiB: 2 ** 20,
  GiB: 2 ** 30,
};

/** `20MiB`, `512KiB`, `1.5GB`; a plain number is bytes. */
export function readBytes(input: string | number): Read<number> {
  const expected = 'a size in bytes such as `20MiB` or `512KiB`';
  const text = String(input).trim();
  const match = /^(\d+(?:\.\d+)?)\s*([a-zA-Z]*)$/.exec(text);
  if (match === null) return fault(expected);
  const unit = match[2] === '' ? 'B' : match[2]!;
  if (!Object.hasOwn(byteUnits, unit)) {
    const right = Object.keys(byteUnits).find((name) => name.toLowerCase() === unit.toLowerCase());
    const short = Object.keys(byteUnits).find((name) => name.toLowerCase() === `${unit.toLowerCase()}ib`);
    const best = right ?? short;
    return fault(expected, best && `${match[1]}${best}`);
  }
  const value = Math.floor(Number(match[1]) * byteUnits[unit]!);
  return value >= 1 && value <= Number.MAX_SAFE_INTEGER ? { value } : fault(`${expected}, at least one byte`);
}

/** A share from 0 to 1: `0.8`, or `80%`. */
export function readShare(input: string | number, zero: 'zero-allowed' | 'above-zero' = 'above-zero'): Read<number> {
  const expected = `a share such as \`0.8\` or \`80%\`, ${zero === 'above-zero' ? 'above 0 and' : 'from 0 and'} at most 1`;
  const match = typeof input === 'string' ? /^(\d+(?:\.\d+)?)\s*(%?)$/.exec(input.trim()) : undefined;
  if (match === null) return fault(expected);
  const number = match === undefined ? (input as number) : Number(match[1]);
  const value = match?.[2] === '%' ? number / 100 : number;
  if (value >= 0 && value <= 1 && (value > 0 || zero === 'zero-allowed')) return { value };
  return fault(expected, value > 1 && value <= 100 && match?.[2] !== '%' ? `${number}%` : undefined);
}

const periodPattern = /^(\d+(?:\.\d+)?)?\s*([a-zA-Z]+)$/;

export interface Period {
  readonly ms: number;
  readonly unit: Unit;
  /** How many units; 1 when no number is written. */
  readonly count: number;
  /** As names of limits spell it: `min`, `90s`, `5min`. */
  readonly word: string;
}

/** What stands after the slash: `s`, `min`, `hour`, `day`, `week`, `month`, or with a number, `90s`. */
export function readPeriod(text: string): Read<Period> {
  const expected = 'a period such as `s`, `min`, `hour`, `day`, `week`, `month`, or with a number, `90s`';
  const match = periodPattern.exec(text.trim());
  if (match === null) return fault(expected);
  const unit = unitOf(match[2]!);
  if (unit === undefined) {
    const right = nearestUnit(match[2]!);
    return fault(expected, right && `${match[1] ?? ''}${right}`);
  }
  if (unit === 'ms') return fault(`${expected}; a period in \`ms\` is too short to count in`);
  const count = match[1] === undefined ? 1 : Number(match[1]);
  const ms = Math.round(count * unitMs[unit]);
  if (ms === 0) return fault('a period longer than zero, such as `90s`');
  if (ms < secondMs) return fault('a period of at least one second');
  if (ms > durationMsMax) return fault('a period of at most ten years');
  return { value: { ms, unit, count, word: count === 1 ? unit : `${count}${unit}` } };
}
