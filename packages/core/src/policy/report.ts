/** Gathers the problems of one policy while it is read, and turns zod's issues into words of ours. */
import type { z } from 'zod';
import { maskedPath, maskedValue } from './mask.js';
import { at, mask, PolicyError, type Positions, type Problem, valueWords } from './problem.js';
import type { Fault } from './read.js';
import { nearest, oneOf, type Path } from './spelling.js';

type Issue = z.core.$ZodIssue;

export class Report {
  readonly problems: Problem[] = [];
  /** What does nothing as it stands, a sentence each. */
  readonly remarks: string[] = [];
  /** The policy as written, before `${NAME}` is replaced: what is shown comes from here, so that no secret of the environment is. */
  readonly #written: unknown;
  readonly #positions: Positions | undefined;
  readonly #file: string | undefined;
  readonly #seen = new Set<string>();

  constructor(written: unknown, positions: Positions | undefined, file: string | undefined) {
    this.#written = written;
    this.#positions = positions;
    this.#file = file;
  }

  /** Notes a problem; the first at a path is the one that helps, further ones at the same path are left out. */
  add(path: Path, fault: Fault): void {
    this.#add(path, fault, true);
  }

  /** Notes what harms nobody and does nothing as it stands. */
  remark(path: Path, why: string): void {
    const { line, column } = this.#positions?.(path) ?? {};
    const place = [this.#file, line, column].filter((part) => part !== undefined).join(':');
    const { got } = this.#shown(path, true);
    this.remarks.push(
      `${place === '' ? '' : `${place}: `}${maskedPath(path, this.#written, false)} is ${got} and does nothing: ${why}`,
    );
  }

  /** A key that is not one of `known`. */
  addUnknownKey(path: Path, known: readonly string[]): void {
    const right = nearest(String(path.at(-1)), known);
    const hint = path[0] === 'identity' && known.includes('keys') ? '; declared keys stand under `keys`' : '';
    const expected = 'a key that exists here';
    if (right !== undefined) this.#add(path, { expected, nearest: right }, false);
    else this.#add(path, { expected: `${expected}: ${known.join(', ')}${hint}` }, false);
  }

  #add(path: Path, { expected, nearest: right }: Fault, known: boolean): void {
    const id = JSON.stringify(path);
    if (this.#seen.has(id)) return;
    this.#seen.add(id);
    const position = this.#positions?.(path);
    this.problems.push({
      path: maskedPath(path, this.#written, !known && right !== undefined),
      ...this.#shown(path, known),
      expected,
      ...(right !== undefined && { nearest: right }),
      ...(position !== undefined && { line: position.line, column: position.column }),
    });
  }

  /** The value at a place as it may be shown, and in words. */
  #shown(path: Path, known: boolean): { readonly value: unknown; readonly got: string } {
    const written = at(this.#written, path);
    const value = maskedValue(path, written, known);
    // A mapping comes back as words already.
    const isWords = typeof written === 'object' && typeof value === 'string' && value !== mask;
    return { value, got: isWords ? value : valueWords(value) };
  }

  /** What the schema makes of the value, or undefined after its problems were noted. */
  check<S extends z.ZodType>(schema: S, value: unknown, path: Path): z.output<S> | undefined {
    const result = schema.safeParse(value, { error: wordsOf });
    if (result.success) return result.data;
    this.#addIssues(result.error.issues, path);
    return undefined;
  }

  throwIfAny(): void {
    if (this.problems.length > 0) throw new PolicyError(this.problems, this.#file);
  }

  #addIssues(issues: readonly Issue[], base: Path): void {
    const misspelt = new Set(issues.filter(({ code }) => code === 'unrecognized_keys').map(({ path }) => String(path)));
    for (const issue of issues) {
      // What a mapping lacks is not worth saying while it has a key that may be meant for it.
      if (issue.code !== 'custom' || !misspelt.has(String(issue.path))) this.#addIssue(issue, base);
    }
  }

  #addIssue(issue: Issue, base: Path): void {
    const path = [...base, ...(issue.path as Path)];
    if (issue.code === 'unrecognized_keys') {
      // `section` puts the keys that exist into the message of this issue.
      for (const key of issue.keys) this.addUnknownKey([...path, key], issue.message.split(' '));
    } else if (issue.code === 'invalid_union') {
      const branch = nearestBranch(issue.errors);
      if (branch === undefined) this.add(path, { expected: issue.message });
      else this.#addIssues(branch, path);
    } else if (issue.code === 'invalid_value') {
      this.add(path, { expected: issue.message, ...nearestValue(at(this.#written, path), issue.values) });
    } else if (issue.code === 'custom' && typeof issue.params?.nearest === 'string') {
      this.add(path, { expected: issue.message, nearest: issue.params.nearest });
    } else this.add(path, { expected: issue.message });
  }
}

/** Of a union the branch whose kind of value was given: text, list or mapping. None when no branch takes that kind at all. */
function nearestBranch(branches: readonly (readonly Issue[])[]): readonly Issue[] | undefined {
  const fitting = branches.filter((branch) => !branch.some(isWrongKind));
  return fitting.sort((a, b) => a.length - b.length)[0];
}

function isWrongKind(issue: Issue): boolean {
  if (issue.path.length > 0) return false;
  return issue.code === 'invalid_type' || (issue.code === 'invalid_union' && nearestBranch(issue.errors) === undefined);
}

function nearestValue(given: unknown, values: readonly unknown[]): { nearest: string } | undefined {
  if (typeof given !== 'string') return undefined;
  const right = nearest(given, values.map(String));
  return right === undefined ? undefined : { nearest: right };
}

const kinds: Readonly<Record<string, string>> = {
  string: 'text',
  number: 'a number',
  int: 'a whole number',
  boolean: '`true` or `false`',
  array: 'a list',
  object: 'a mapping of keys to values',
  record: 'a mapping of keys to values',
};

/** Words for issues whose schema brings none of its own. */
function wordsOf(issue: z.core.$ZodRawIssue): string {
  if (issue.code === 'invalid_type') return kinds[issue.expected] ?? 'another kind of value';
  if (issue.code === 'invalid_value') return oneOf(issue.values.map(String));
  if (issue.code === 'too_small') return `at least ${issue.minimum}${issue.origin === 'array' ? ' of them' : ''}`;
  if (issue.code === 'too_big') return `at most ${issue.maximum}${issue.origin === 'array' ? ' of them' : ''}`;
  return 'another value';
}
