/** The documentation as data: its files, and in each the fenced blocks, tables, links and anchors. */
import { posix } from 'node:path';
import { files, textOf } from './repository.js';

export interface Block {
  /** The first word after the fence: `ts`, `yaml`, `sh`, or empty. */
  readonly language: string;
  /** The words after it, such as `refused`. */
  readonly marks: readonly string[];
  readonly text: string;
  /** `docs/start.md:12`, for names of tests. */
  readonly place: string;
}

export interface Link {
  readonly text: string;
  readonly target: string;
  readonly place: string;
}

export interface Row {
  /** The heading that it stands under. */
  readonly section: string;
  readonly cells: readonly string[];
}

export interface Page {
  /** From the root: `docs/start.md`. */
  readonly path: string;
  readonly text: string;
  readonly blocks: readonly Block[];
  readonly links: readonly Link[];
  /** What `#...` may point at. */
  readonly anchors: ReadonlySet<string>;
  /** Every row of every table but the heads. */
  readonly rows: readonly Row[];
}

/** Every page of the repository. */
export function pages(): readonly Page[] {
  return files.filter((file) => file.endsWith('.md')).map(page);
}

export function page(path: string): Page {
  const text = textOf(path);
  const { blocks, prose } = separate(text, path);
  return { path, text, blocks, links: linksIn(prose, path), anchors: anchorsIn(prose), rows: rowsIn(prose) };
}

type Line = readonly [number: number, text: string];

/** The fenced blocks, and the lines that are outside of them. */
function separate(text: string, path: string): { blocks: Block[]; prose: Line[] } {
  const blocks: Block[] = [];
  const prose: Line[] = [];
  let open: { language: string; marks: string[]; lines: string[]; place: string } | undefined;
  text.split('\n').forEach((line, index) => {
    const fence = /^```(.*)$/.exec(line)?.[1];
    if (fence === undefined) {
      if (open === undefined) prose.push([index + 1, line]);
      else open.lines.push(line);
    } else if (open === undefined) {
      const [language = '', ...marks] = fence.trim().split(/\s+/);
      open = { language, marks, lines: [], place: `${path}:${index + 1}` };
    } else {
      const { lines, ...rest } = open;
      blocks.push({ ...rest, text: `${lines.join('\n')}\n` });
      open = undefined;
    }
  });
  if (open !== undefined) throw new Error(`${open.place}: a block that is never closed`);
  return { blocks, prose };
}

/** A link may go over several lines. */
function linksIn(prose: readonly Line[], path: string): Link[] {
  const text = prose.map(([, line]) => line).join('\n');
  return [...text.matchAll(/\[((?:`[^`]*`|[^\]`])+)\]\(([^)\s]+)\)/g)].map(
    ({ index, 1: words = '', 2: target = '' }) => {
      const [number] = prose[text.slice(0, index).split('\n').length - 1]!;
      return { text: words.replace(/\s+/g, ' '), target, place: `${path}:${number}` };
    },
  );
}

/** Headings, by the rule that makes their anchors on the usual sites. */
function anchorsIn(prose: readonly Line[]): Set<string> {
  const anchors = new Set<string>();
  for (const [, line] of prose) {
    const heading = /^#{1,6}\s+(.*)$/.exec(line)?.[1];
    if (heading === undefined) continue;
    const plain = heading.toLowerCase().replace(/[^\p{L}\p{N}\s_-]/gu, '');
    const anchor = plain.trim().replace(/\s/g, '-');
    if (anchors.has(anchor)) throw new Error(`two headings are "${heading}": only the first can be linked to`);
    anchors.add(anchor);
  }
  return anchors;
}

function rowsIn(prose: readonly Line[]): Row[] {
  const rows: Row[] = [];
  let section = '';
  let head = true;
  for (const [, line] of prose) {
    section = /^#{1,6}\s+(.*)$/.exec(line)?.[1] ?? section;
    if (!line.startsWith('|')) head = true;
    else if (/^\|[\s|:-]+\|$/.test(line)) head = false;
    else if (!head) rows.push({ section, cells: cells(line) });
  }
  return rows;
}

function cells(line: string): string[] {
  return line
    .replace(/^\||\|\s*$/g, '')
    .split(/(?<!\\)\|/)
    .map((cell) => cell.trim().replaceAll('\\|', '|'));
}

/** The code in a cell or a sentence, without its quotes. */
export function codeIn(text: string): string[] {
  return [...text.matchAll(/`([^`]+)`/g)].map(([, code = '']) => code);
}

/** Resolves a relative link of a page to a path from the root. */
export function resolved(from: string, target: string): string {
  return posix.join(posix.dirname(from), decodeURIComponent(target)).replace(/\/$/, '');
}
