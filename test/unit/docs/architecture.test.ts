/** ARCHITECTURE.md names every part that there is, and docs/decisions/ lists every decision. */
import { expect, test } from 'vitest';
import { codeIn, page } from '../../support/markdown.js';
import { files, manifestOf, sources } from '../../support/repository.js';

const { text } = page('ARCHITECTURE.md');
/** The first part of each path below a folder. */
const partsOf = (folder: string): string[] => [
  ...new Set(sources.filter((file) => file.startsWith(folder)).map((file) => file.slice(folder.length).split('/')[0]!)),
];

test('every package is in the table', () => {
  const packages = partsOf('packages/');
  expect(packages.length).toBeGreaterThan(3);
  expect(packages.filter((name) => !text.includes(`](packages/${name}/README.md)`))).toEqual([]);
});

test('what a package may import is what it depends on', () => {
  const packages = partsOf('packages/');
  const rows = page('ARCHITECTURE.md').rows.filter(({ cells }) => cells[0]!.includes('](packages/'));
  expect(rows).toHaveLength(packages.length);
  for (const { cells } of rows) {
    const [name = ''] = codeIn(cells[0]!);
    const { dependencies, peerDependencies } = manifestOf(`packages/${name}`);
    const needed = packages.filter((one) => `@headgate/${one}` in { ...dependencies, ...peerDependencies });
    const told = cells[2]!.split(', ').filter((one) => packages.includes(one));
    expect(told.sort(), name).toEqual(needed.sort());
  }
});

test.each(['packages/core/src/', 'packages/gateway/src/'])(
  'every folder and file at the top of %s is in its listing',
  (folder) => {
    const parts = partsOf(folder);
    expect(parts.length).toBeGreaterThan(3);
    const isTold = (part: string): boolean => text.includes(part.endsWith('.ts') ? part : `\n${part}/ `);
    expect(parts.filter((part) => !isTold(part) && !/^(index|main)\.ts$/.test(part))).toEqual([]);
  },
);

test('every decision is in the index, under its number', () => {
  const decisions = files.filter((file) => /^docs\/decisions\/\d{4}-.*\.md$/.test(file));
  const index = page('docs/decisions/README.md').text;
  for (const [at, file] of decisions.sort().entries()) {
    const number = at + 1;
    const [, title = ''] = /^# \d+\. (.+)$/m.exec(page(file).text) ?? [];
    expect(file).toContain(`/${String(number).padStart(4, '0')}-`);
    expect(index).toContain(`\n${number}. [${title}](${file.slice('docs/decisions/'.length)})`);
  }
});
