/** docs/gateway.md against the program: its options and pages. */
import { describe, expect, test } from 'vitest';
import { help } from '../../../packages/gateway/src/cli/usage.js';
import { codeIn, page, pages } from '../../support/markdown.js';
import { textOf } from '../../support/repository.js';

const { text, rows } = page('docs/gateway.md');
const source = (file: string): string => textOf(`packages/gateway/src/${file}`);
const inFirstCells = rows.flatMap(({ cells: [cell = ''] }) => codeIn(cell));

test('every option of every command is told', () => {
  const options = new Set([...help.matchAll(/--[a-z]+/g)].map(([option]) => option));
  const untold = [...options].filter((option) => !text.includes(option) && !/--(help|version)/.test(option));
  expect(untold).toEqual([]);
});

test('every command is in the table of the package', () => {
  const commands = new Set([...help.matchAll(/^ {2}headgate ([a-z]+)/gm)].map(([, command]) => command!));
  expect(commands.size).toBeGreaterThan(4);
  const told = page('packages/gateway/README.md').rows.flatMap(({ cells: [cell = ''] }) => codeIn(cell));
  const isTold = (command: string): boolean => told.some((one) => one.startsWith(`headgate ${command}`));
  expect([...commands].filter((command) => !isTold(command))).toEqual([]);
});

test('every page for operators is in the table', () => {
  const paths = [...source('admin/pages.ts').matchAll(/\[\s*'(\/[a-z]+)'/g)].map(([, path]) => path!);
  expect(paths).toContain('/metrics');
  expect([...paths, '/dashboard'].filter((path) => !inFirstCells.includes(path))).toEqual([]);
});

describe('commands that a page tells to type', () => {
  const scripts = Object.keys(JSON.parse(textOf('package.json')).scripts);
  const typed = pages().flatMap(({ blocks }) =>
    blocks
      .filter(({ language }) => language === 'sh' || language === 'console')
      .flatMap((block) => block.text.split('\n').map((line) => [block.place, line.replace(/\s+#.*$/, '')] as const)),
  );

  test('are scripts of the repository', () => {
    const unknown = typed.filter(([, line]) => {
      const script = /^\$? ?npm (?:run (?:-s )?)?([\w:-]+)/.exec(line)?.[1];
      return script !== undefined && !['install', ...scripts].includes(script);
    });
    expect(unknown).toEqual([]);
  });

  test('are commands of headgate, with options that it has', () => {
    const unknown = typed.filter(([, line]) => {
      const [, command, rest = ''] =
        /(?:^|npx |-- |\$ )headgate (?:-- )?(\w+)(.*)$/.exec(line.replace('headgate -- ', 'headgate ')) ?? [];
      if (command === undefined) return false;
      const options = rest.match(/--[a-z]+/g) ?? [];
      return !help.includes(`headgate ${command}`) || options.some((option) => !help.includes(option));
    });
    expect(unknown).toEqual([]);
  });
});
