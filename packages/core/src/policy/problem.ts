/** What is wrong with a policy, all of it at once, in words for the person who wrote the file. */
import { HeadgateError } from '../kernel/errors.js';
import type { Path } from './spelling.js';

export interface Problem {
  /** As the file spells it: `tiers.free.requests`, `limits[2].match.operation`. Never holds a secret. */
  readonly path: string;
  /** What stands there, as written (before `${NAME}` is replaced); secrets are masked, undefined is nothing. */
  readonly value: unknown;
  /** The same in words, as the message has it. */
  readonly got: string;
  readonly expected: string;
  readonly nearest?: string;
  readonly line?: number;
  readonly column?: number;
}

export type Positions = (path: Path) => { line: number; column: number } | undefined;

/** A policy that cannot be used. `problems` has everything that is wrong, in the order of the sections of the policy. */
export class PolicyError extends HeadgateError {
  readonly problems: readonly Problem[];
  readonly file: string | undefined;

  constructor(problems: readonly Problem[], file?: string) {
    super('HG_POLICY', messageOf(problems, file));
    this.name = 'PolicyError';
    this.problems = problems;
    this.file = file;
  }
}

function messageOf(problems: readonly Problem[], file: string | undefined): string {
  const count = problems.length === 1 ? '1 problem' : `${problems.length} problems`;
  const head = `${count} in the policy${file === undefined ? '' : ` ${file}`}`;
  return [head, ...problems.map((problem) => entry(problem, file))].join('\n\n');
}

function entry({ path, got, expected, nearest, line, column }: Problem, file: string | undefined): string {
  const place = [file, line, line === undefined ? undefined : column].filter((part) => part !== undefined).join(':');
  const where = place === '' ? '' : file === undefined ? `line ${place}: ` : `${place}: `;
  const hint = nearest === undefined ? '' : `; did you mean \`${nearest}\`?`;
  return `  ${where}${path}\n    got ${got}\n    expected ${expected}${hint}`;
}

const shownLengthMax = 120;

/** A value in words; mappings only by their size. */
export function valueWords(value: unknown): string {
  if (value === undefined) return 'nothing';
  if (value === mask) return 'a secret';
  if (typeof value === 'object' && value !== null) return Array.isArray(value) ? listWords(value) : mappingWords(value);
  const text = typeof value === 'string' ? JSON.stringify(value) : String(value);
  return text.length > shownLengthMax ? `${text.slice(0, shownLengthMax)}... (${text.length} characters)` : text;
}

function listWords(list: readonly unknown[]): string {
  const scalar = list.length <= 8 && list.every((item) => typeof item === 'string' || typeof item === 'number');
  return scalar ? `[${list.join(', ')}]` : `a list of ${list.length}`;
}

export function mappingWords(mapping: object): string {
  const count = Object.keys(mapping).length;
  return count === 1 ? 'a mapping with 1 key' : `a mapping with ${count} keys`;
}

/** Stands for a secret wherever one would be shown. */
export const mask = '***';

/** What stands at a path of the input; undefined where there is nothing. */
export function at(input: unknown, path: Path): unknown {
  let value = input;
  for (const segment of path) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, segment)) return undefined;
    value = (value as Readonly<Record<string | number, unknown>>)[segment];
  }
  return value;
}
