/** docs/refusals.md against the reasons there are and what each looks like on the wire. */
import { type Reason, type Refusal, refuse } from '@headgate/core';
import { anthropicDialect, ollamaDialect, openaiDialect } from '@headgate/dialects';
import { describe, expect, test } from 'vitest';
import { codeIn, page } from '../../support/markdown.js';
import { textOf } from '../../support/repository.js';

const documented = page('docs/refusals.md');
const [, union = ''] = /export type Reason =([^;]+);/.exec(textOf('packages/core/src/model.ts')) ?? [];
const reasons = [...union.matchAll(/'([a-z-]+)'/g)].map(([, reason]) => reason as Reason);

const table = new Map(
  documented.rows
    .filter(({ cells }) => cells.length === 4)
    .map(({ cells: [reason = '', ...cells] }) => [codeIn(reason)[0], cells]),
);

/** Types and codes as a client finds them. */
function onTheWire(refusal: Refusal): string[][] {
  const { error: openai } = JSON.parse(openaiDialect.refusal(refusal, 'r').body);
  const { error: anthropic } = JSON.parse(anthropicDialect.refusal(refusal, 'r').body);
  return [[openai.type, openai.code].filter((word) => word !== null), [anthropic.type]];
}

test('there are reasons, and the table has no others', () => {
  expect(reasons.length).toBeGreaterThan(10);
  expect([...table.keys()].sort()).toEqual([...reasons].sort());
});

describe.each(reasons)('%s', (reason) => {
  test('has a paragraph of its own', () => {
    expect(documented.anchors).toContain(reason);
  });

  test('is in the table with its status, types and codes', () => {
    // A limit that can be waited for; without an instant it would be a quota.
    const refusal = refuse(reason, 'no.', { retryAfterMs: 1000 });
    const [status, openai = '', anthropic = ''] = table.get(reason) ?? [];
    expect(status).toBe(String(refusal.status));
    expect([codeIn(openai), codeIn(anthropic)]).toEqual(onTheWire(refusal));
  });
});

describe('the bodies that are shown', () => {
  const shown = documented.blocks.filter(({ language }) => language === 'json').map(({ text }) => JSON.parse(text));
  const message = shown[0]?.error;
  const refusal = refuse('limit', message, { measure: 'requests', retryAfterMs: 1000 });

  test.each(
    [ollamaDialect, openaiDialect, anthropicDialect].map((dialect, index) => [dialect.name, dialect, index] as const),
  )('are those of %s', (_name, dialect, index) => {
    expect(JSON.parse(dialect.refusal(refusal, 'req_0c83acf2d23abccaab271ceb').body)).toEqual(shown[index]);
  });
});
