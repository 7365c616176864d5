/** `${NAME}` in values and in declared keys stands for a variable of the environment. */
import type { Report } from './report.js';
import { Unreadable } from './snapshot.js';
import type { Path } from './spelling.js';

export type Environment = Readonly<Record<string, string | undefined>>;

const reference = /\$\{([^}]*)\}/g;

/** The text with every `${NAME}` replaced; a variable that is unset or empty is a problem at `path`. */
export function substitute(text: string, path: Path, env: Environment, report: Report): string {
  if (!text.includes('${')) return text;
  return text.replace(reference, (whole, name: string) => {
    if (!/^[A-Za-z_]\w*$/.test(name)) {
      report.add(path, { expected: 'the name of an environment variable between the braces, such as ADMIN_KEY' });
      return whole;
    }
    const value = Object.hasOwn(env, name) ? env[name] : undefined;
    if (value !== undefined && value !== '') return value;
    const state = value === '' ? 'is set but empty' : 'is not set';
    report.add(path, { expected: `the environment variable ${name} to hold a value; it ${state}` });
    return whole;
  });
}

/** A copy of a snapshot with the values replaced; keys stay as written, so that paths keep the spelling of the file. */
export function substituteAll(value: unknown, env: Environment, report: Report, path: Path = []): unknown {
  if (typeof value === 'string') return substitute(value, path, env, report);
  if (typeof value !== 'object' || value === null) return value;
  if (value instanceof Unreadable) {
    report.add(path, { expected: value.expected });
    return undefined;
  }
  if (Array.isArray(value)) return value.map((item, index) => substituteAll(item, env, report, [...path, index]));
  const entries = Object.entries(value).map(([key, item]) => {
    const at = [...path, key];
    if (item === undefined) report.add(at, unset);
    return [key, substituteAll(item, env, report, at)];
  });
  return Object.fromEntries(entries);
}

/** In code: `{ requests: process.env.RATE }` without that variable would be a limiter without a limit. */
const unset = { expected: 'a value; where there is none, leave the key out' };
