import { describe, expect, test } from 'vitest';
import { type Link, pages, resolved } from '../../support/markdown.js';
import { files, sources, textOf } from '../../support/repository.js';

const all = pages();
const byPath = new Map(all.map((page) => [page.path, page]));

/** What is wrong with a link; undefined when it leads somewhere. */
function problem(from: string, { text, target, place }: Link): string | undefined {
  if (/^[a-z]+:/.test(target)) return undefined;
  const [path = '', anchor] = target.split('#', 2);
  const to = path === '' ? from : resolved(from, path);
  if (to.startsWith('..')) return `${place}: ${target} is outside of the repository`;
  if (!isThere(to)) return `${place}: there is no ${to}`;
  if (anchor !== undefined && byPath.get(to)?.anchors.has(anchor) !== true) return `${place}: ${to} has no #${anchor}`;
  if (to.endsWith('.test.ts')) return untold(to, text, place);
  return undefined;
}

/** A file, or a folder that has some. */
function isThere(path: string): boolean {
  return files.some((file) => file === path || file.startsWith(`${path}/`));
}

/** A link to a test says what is tested, in the words of the test itself, so that it breaks when the test goes. */
function untold(file: string, text: string, place: string): string | undefined {
  const source = textOf(file).replaceAll("\\'", "'");
  return source.includes(text) || text === `\`${file}\`` ? undefined : `${place}: no test there says "${text}"`;
}

describe.each(all.map(({ path }) => path))('%s', (path) => {
  test('every link leads to a file or a heading that is there', () => {
    const page = byPath.get(path)!;
    expect(page.links.map((link) => problem(path, link)).filter((one) => one !== undefined)).toEqual([]);
  });
});

test('what sources say of a page is of one that is there', () => {
  const named = /\b(?:docs\/[\w/-]+\.md|(?:ARCHITECTURE|CONTRIBUTING|SECURITY)\.md)/g;
  const missing = sources.flatMap((file) =>
    (textOf(file).match(named) ?? []).filter((page) => !byPath.has(page)).map((page) => `${file}: ${page}`),
  );
  expect(missing).toEqual([]);
});

test('every page of docs/ is in its map', () => {
  const map = byPath.get('docs/README.md')!.links.map(({ target }) => resolved('docs/README.md', target));
  const guides = all
    .map(({ path }) => path)
    .filter((path) => /^docs\/(?:operations\/)?[^/]+\.md$/.test(path) && path !== 'docs/README.md');
  expect(guides.filter((path) => !map.includes(path))).toEqual([]);
});
