/** docs/policies.md against the schema, the defaults and what the parser of this version refuses. */
import { describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { type ParseOptions, PolicyError, parsePolicy } from '../../../packages/core/src/policy/parse.js';
import { type Block, codeIn, page, pages } from '../../support/markdown.js';
import { keysOfSchema, objectFormOption, policySaying } from '../../support/policy-keys.js';

const reference = page('docs/policies.md');

interface KeyRow {
  readonly key: string;
  readonly standard: string;
  readonly examples: readonly string[];
}

/** Rows of the tables of keys: key, default, example, meaning. */
const rows: readonly KeyRow[] = reference.rows
  .filter(({ cells }) => cells.length === 4)
  .map(({ cells: [key = '', standard = '', example = ''] }) => ({
    key: codeIn(key)[0] ?? '',
    standard: /^`([^`]+)`$/.exec(standard)?.[1] ?? '',
    examples: codeIn(example),
  }));

/** Every variable that a snippet names is set, to something that may stand anywhere a variable does. */
function environment(text: string): Record<string, string> {
  return Object.fromEntries([...text.matchAll(/\$\{(\w+)\}/g)].map(([, name = '']) => [name, `value-of-${name}`]));
}

function problems(input: unknown, options: ParseOptions = {}): string[] {
  try {
    parsePolicy(input, options);
    return [];
  } catch (error) {
    if (!(error instanceof PolicyError)) throw error;
    return error.problems.map(({ path, got, expected, nearest }) => {
      return `${path}: got ${got}, expected ${expected}${nearest === undefined ? '' : `; did you mean \`${nearest}\`?`}`;
    });
  }
}

describe('the tables of keys', () => {
  test('have a row for every key of the language, and none for another', () => {
    const keys = [...keysOfSchema()].filter((key) => objectFormOption(key) === undefined);
    const plain = (key: string): string => key.replace(/<\w+>/g, '<>');
    const written = rows.map(({ key }) => plain(key)).filter((key) => objectFormOption(key) === undefined);
    // A section whose parts are all described needs no row for itself.
    const covered = (key: string): boolean => written.some((one) => one === key || one.startsWith(`${key}.`));
    // The times of one operation are described once.
    const isRepeated = (key: string): boolean => /^pool\.timeout\.(chat|generate)\./.test(key);
    expect(keys.map(plain).filter((key) => !covered(key) && !isRepeated(key))).toEqual([]);
    expect(written.filter((key) => !keys.map(plain).includes(key))).toEqual([]);
  });

  test('have a row for every option of the object form', () => {
    const options = (keys: Iterable<string>): Set<string> =>
      new Set([...keys].map(objectFormOption).filter((one) => one !== undefined));
    expect(options(rows.map(({ key }) => key))).toEqual(options(keysOfSchema()));
  });

  test.each(rows.filter(({ standard }) => standard !== ''))('$key is $standard unless said', ({ key, standard }) => {
    // That it does nothing without others is told of what is said only.
    const ruling = (value: unknown) => ({ ...parsePolicy(policySaying(key, value)), remarks: [] });
    expect(ruling(parse(standard))).toEqual(ruling(undefined));
  });

  test.each(rows)('the example of $key is read', (row) => {
    expect(row.examples.length).toBeGreaterThan(0);
    for (const example of row.examples) {
      const policy = policySaying(row.key, parse(example));
      const env = environment(example);
      expect(problems(policy, { env })).toEqual([]);
    }
  });
});

/** `recipe:name` is the name by which a test finds a policy, and says nothing of how it is read. */
const isName = (mark: string): boolean => mark.startsWith('recipe:');

const yaml = pages().flatMap(({ blocks }) => blocks.filter(({ language }) => language === 'yaml'));

describe('a policy that is shown as right', () => {
  test.each(yaml.filter(({ marks }) => marks.every(isName)))('$place is read', ({ text }) => {
    expect(problems(parse(text), { env: environment(text) })).toEqual([]);
  });
});

describe('a policy that is shown as wrong', () => {
  const wrong = yaml.filter(({ marks }) => marks.includes('refused'));

  test.each(wrong)('$place is refused, in every line that a comment explains, with these words', ({ text }) => {
    const comments = [...text.matchAll(/ # (.+)$/gm)].map(([, comment = '']) => comment);
    const found = problems(parse(text), { env: environment(text) });
    expect(comments.filter((comment) => !found.some((problem) => problem.includes(comment)))).toEqual([]);
    expect(found).toHaveLength(comments.length);
  });

  test('is marked by a word that is known here', () => {
    const unknown = (block: Block): boolean => block.marks.some((mark) => mark !== 'refused' && !isName(mark));
    expect(yaml.filter(unknown).map(({ place }) => place)).toEqual([]);
  });
});
