/** What docs/start.md shows of the program's output is what the program says. */
import { expect, test } from 'vitest';
import { limitsTables } from '../../../packages/gateway/src/config/limits-table.js';
import { parsePolicyText } from '../../../packages/gateway/src/config/policy-file.js';
import { page } from '../../support/markdown.js';
import { textOf } from '../../support/repository.js';

const { blocks, text } = page('docs/start.md');
const policy = blocks.find(({ language }) => language === 'yaml')!.text;
/** An output that begins like this. */
const shown = (beginning: string): string | undefined =>
  blocks.find((block) => block.language === '' && block.text.startsWith(beginning))?.text.trim();

test('check prints the tables that are shown', () => {
  expect(limitsTables(parsePolicyText(policy, 'headgate.yaml'))).toBe(shown('tier default'));
});

test('a mistake is told as shown', () => {
  const mistaken = policy.replace('burst 10 ', 'birst 10 ');
  expect(() => parsePolicyText(mistaken, 'headgate.yaml')).toThrow(shown('headgate: ')?.replace('headgate: ', ''));
});

test('the pnpm to pack with is the one of the repository', () => {
  const { packageManager } = JSON.parse(textOf('package.json')) as { packageManager: string };
  expect(text.match(/pnpm@[\d.]+/g)).toEqual([packageManager]);
});
