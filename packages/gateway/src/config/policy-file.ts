/** Reads a policy from a YAML or JSON file, so that every problem can say where in the file it is. */
import { readFile } from 'node:fs/promises';
import { HeadgateError, type ParseOptions, type Policy, parsePolicy } from '@headgate/core';
import {
  type Document,
  isAlias,
  isMap,
  isNode,
  isPair,
  isScalar,
  isSeq,
  LineCounter,
  parseDocument,
  visit,
} from 'yaml';

type Positions = NonNullable<ParseOptions['positions']>;
type Path = Parameters<Positions>[0];

const notReadable: Readonly<Record<string, string>> = {
  ENOENT: 'there is no such file',
  ENOTDIR: 'there is no such file: a part of the path is no directory',
  EACCES: 'it may not be read by this user: chmod or chown it',
  EISDIR: 'it is a directory; name the file in it',
};

/** What the YAML reader says, in words for the person who wrote the file. */
const notYaml: Readonly<Record<string, string>> = {
  DUPLICATE_KEY: 'this key stands twice in its mapping; keep one of the two',
  MULTIPLE_DOCS: 'a second document begins here, and a policy is one; remove the `---`',
  TAB_AS_INDENT: 'a tab as indentation; YAML takes spaces only',
  TAG_RESOLVE_FAILED: 'an unknown tag; write the value without it',
};

/** What is said here is not the key itself: it may be somebody's secret. */
const unquoted = 'YAML reads this key as something else than text, and would change it; put it into quotes';

/**
 * @throws HeadgateError `HG_POLICY_FILE` when the file cannot be read or is not YAML, with line and column
 * @throws PolicyError for what is wrong with the policy in it
 */
export async function readPolicyFile(file: string, env: NodeJS.ProcessEnv = process.env): Promise<Policy> {
  let bytes: Uint8Array;
  try {
    bytes = await readFile(file);
  } catch (error) {
    const { code = '', message } = error as NodeJS.ErrnoException;
    throw unusable(file, notReadable[code] ?? message);
  }
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    throw unusable(file, 'it is not UTF-8 text; save it in that encoding');
  }
  return parsePolicyText(text, file, env);
}

export function parsePolicyText(text: string, file: string, env: NodeJS.ProcessEnv = {}): Policy {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, merge: true, prettyErrors: false, logLevel: 'error' });
  // A warning is about something that would be passed over, such as a tag, and nothing in a policy may be.
  const [problem] = [...document.errors, ...document.warnings, ...aliasProblems(document), ...keyProblems(document)];
  if (problem !== undefined) {
    const { line, col } = lines.linePos(problem.pos[0]);
    throw unusable(`${file}:${line}:${col}`, notYaml[problem.code] ?? problem.message.split('\n', 1)[0]!);
  }
  return parsePolicy(contentOf(document, file), { file, env, positions: positionsIn(document, lines) });
}

function unusable(where: string, why: string): HeadgateError {
  return new HeadgateError('HG_POLICY_FILE', `${where}: ${why}`);
}

interface TextProblem {
  readonly code: string;
  readonly pos: readonly [number, number];
  readonly message: string;
}

function aliasProblems(document: Document): TextProblem[] {
  const problems: TextProblem[] = [];
  visit(document, {
    Alias(_, alias) {
      if (alias.resolve(document) !== undefined) return;
      const [from = 0, to = from] = alias.range ?? [];
      problems.push({ code: 'ALIAS', pos: [from, to], message: `no anchor &${alias.source} stands before this alias` });
    },
  });
  return problems;
}

/** Keys such as `0123456`, `1e10` or `0x1F` without quotes are numbers, and as keys would be other texts than what was written. */
function keyProblems(document: Document): TextProblem[] {
  const problems: TextProblem[] = [];
  visit(document, {
    Pair(_, { key }) {
      // The sign of a merge, `<<`, is a symbol.
      if (!isScalar(key) || typeof key.value === 'string' || typeof key.value === 'symbol') return;
      const isKept = key.value !== null && String(key.value) === key.source;
      const [from, to] = key.range ?? [0, 0];
      if (!isKept) problems.push({ code: 'KEY', pos: [from, to], message: unquoted });
    },
  });
  return problems;
}

/** What the text says; an empty one says nothing. */
function contentOf(document: Document, file: string): unknown {
  try {
    return document.toJS() ?? {};
  } catch {
    throw unusable(file, 'its anchors stand for more than a policy can hold; write out what they repeat');
  }
}

/** Where a path of the policy stands: at its key, or where there is none at the nearest thing around it. */
function positionsIn(document: Document, lines: LineCounter): Positions {
  return (path) => {
    const offset = offsetOf(document, path);
    if (offset === undefined) return undefined;
    const { line, col } = lines.linePos(offset);
    return { line, column: col };
  };
}

function offsetOf(document: Document, path: Path): number | undefined {
  let node: unknown = document.contents;
  let offset = isNode(node) ? node.range?.[0] : undefined;
  for (const segment of path) {
    if (isAlias(node)) node = node.resolve(document);
    const found: unknown = isMap(node)
      ? node.items.find(({ key }) => isScalar(key) && String(key.value) === String(segment))
      : isSeq(node)
        ? node.items[Number(segment)]
        : undefined;
    const place = isPair(found) ? found.key : found;
    if (!isNode(place)) return offset;
    offset = place.range?.[0] ?? offset;
    node = isPair(found) ? found.value : found;
  }
  return offset;
}
