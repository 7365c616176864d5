/** The threat model: everyone in it has an answer, and every answer a test that would notice if it were none. */
import { describe, expect, test } from 'vitest';
import { page } from '../../support/markdown.js';

const { text, rows } = page('SECURITY.md');
const threats = rows.filter(({ section }) => section === 'Who wants what');
const sections = new Map(
  text
    .split(/^## /m)
    .slice(1)
    .map((section): [title: string, body: string] => {
      const [title = '', ...body] = section.split('\n');
      return [title, body.join('\n')];
    }),
);
const answers = [...sections.keys()].filter((title) => title !== 'Who wants what' && title !== 'Out of scope');
const anchorOf = (title: string): string => `(#${title.toLowerCase().replaceAll(' ', '-')})`;

test('everyone who wants something is answered in a section, and every section answers somebody', () => {
  expect(threats.length).toBeGreaterThan(8);
  const links = threats.map(({ cells }) => cells.at(-1)!);
  for (const link of links)
    expect(
      answers.some((title) => link.includes(anchorOf(title))),
      link,
    ).toBe(true);
  for (const title of answers)
    expect(
      links.some((link) => link.includes(anchorOf(title))),
      title,
    ).toBe(true);
});

describe.each(answers)('%s', (title) => {
  const bullets = sections.get(title)!.split(/^- /m).slice(1);

  test('has a test for every answer', () => {
    const body = sections.get(title)!;
    expect(body).toContain('.test.ts)');
    const without = bullets.filter((bullet) => !bullet.includes('.test.ts)')).map((bullet) => bullet.split('\n', 1)[0]);
    expect(without).toEqual([]);
  });
});

test('what is out of scope is said', () => {
  expect(sections.get('Out of scope')!.split(/^- /m).length).toBeGreaterThan(5);
});
