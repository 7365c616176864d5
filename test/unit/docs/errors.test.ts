/** docs/errors.md against the codes that the packages throw. */
import { expect, test } from 'vitest';
import { page } from '../../support/markdown.js';
import { sources, textOf } from '../../support/repository.js';

function codesThrown(): Set<string> {
  return new Set(sources.flatMap((file) => textOf(file).match(/(?<=')HG_[A-Z_]+(?=')/g) ?? []));
}

test('every code has a heading of its own, and no heading is of a code that is gone', () => {
  const thrown = codesThrown();
  expect(thrown).toContain('HG_POLICY');
  const headings = [...page('docs/errors.md').anchors].filter((anchor) => anchor.startsWith('hg_'));
  expect(headings.sort()).toEqual([...thrown].map((code) => code.toLowerCase()).sort());
});
