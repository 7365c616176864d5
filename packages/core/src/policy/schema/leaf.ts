/** The building blocks of the schema: values with units, and sections that know their keys. */
import { z } from 'zod';
import { isFault, type Read } from '../read.js';
import { oneOf } from '../spelling.js';
import { readBytes, readCount, readDollars, readDuration, readNumber, readShare } from '../unit.js';

/** A text or number that `read` understands. `expected` is said when it is neither. */
export function written<T>(read: (input: string | number) => Read<T>, expected: string) {
  return z.union([z.string(), z.number()], { error: () => expected }).transform((input, context): T => {
    const result = read(input);
    if (!isFault(result)) return result.value;
    context.issues.push({
      code: 'custom',
      message: result.expected,
      params: { nearest: result.nearest },
      input,
    });
    return z.NEVER;
  });
}

/** A text that `read` understands. */
export function text<T>(read: (input: string) => Read<T>, expected: string) {
  return z.string({ error: () => expected }).transform((input, context): T => {
    const result = read(input);
    if (!isFault(result)) return result.value;
    context.issues.push({ code: 'custom', message: result.expected, params: { nearest: result.nearest }, input });
    return z.NEVER;
  });
}

// Not zod's own `min`: it asks a mapping for its length too, and `{ length: { valueOf: 1 } }` would throw there.
/** A list with something in it. */
export function filledList<S extends z.ZodType>(item: S, expected: string, empty: string) {
  const list = z.array(item, { error: () => expected });
  return list.refine((items) => items.length > 0, { error: () => empty }).meta({ minItems: 1 });
}

/** A text with something in it. */
export function filledText(expected: string) {
  const words = z.string({ error: () => expected });
  return words.refine((given) => given !== '', { error: () => expected }).meta({ minLength: 1 });
}

/** A mapping with exactly these keys, all but the required ones optional. An unknown key is an issue that names those there are. */
export function section<S extends z.ZodRawShape>(shape: S, expected = 'a mapping of keys to values') {
  const keys = Object.keys(shape).join(' ');
  return z.strictObject(shape, { error: (issue) => (issue.code === 'unrecognized_keys' ? keys : expected) });
}

export function word<const W extends readonly [string, ...string[]]>(words: W) {
  return z.enum(words, { error: () => oneOf(words) });
}

/** One or a list of them, always read as a list. */
export function oneOrMore<S extends z.ZodType>(item: S, expected: string) {
  return z.union([item, z.array(item)], { error: () => expected }).transform((input, context): z.output<S>[] => {
    const list = (Array.isArray(input) ? input : [input]) as z.output<S>[];
    if (list.length === 0) context.issues.push({ code: 'custom', message: `${expected}, at least one`, input });
    return list;
  });
}

export const duration = written(readDuration, 'a duration with its unit, such as `30s`, `5min` or `250ms`');
export const durationOrZero = written(
  (input) => readDuration(input, 0),
  'a duration with its unit, such as `30s`, `5min` or `250ms`',
);
export const bytes = written(readBytes, 'a size in bytes such as `20MiB` or `512KiB`');
export const count = written(readCount, 'a whole number of at least 1, such as `100` or `32k`');
export const countOrZero = written(
  (input) => readCount(input, 0),
  'a whole number of at least 0, such as `100` or `32k`',
);
export const share = written(readShare, 'a share such as `0.8` or `80%`');
export const shareOrZero = written((input) => readShare(input, 'zero-allowed'), 'a share such as `0.8` or `80%`');
export const dollars = written(readDollars, 'an amount of dollars such as `$0.60`');
export const weight = written((input) => {
  const read = readNumber(input);
  return !isFault(read) && read.value > 0 && read.value <= 1e6
    ? read
    : { expected: 'a weight above 0, such as `1` or `2`' };
}, 'a weight above 0, such as `1` or `2`');
