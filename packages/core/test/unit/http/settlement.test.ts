import { expect, test } from 'vitest';
import { Answer } from '../../../src/http/answer.js';
import type { AnswerMeter } from '../../../src/http/dialect.js';
import type { Passage } from '../../../src/http/passage.js';
import { type AnswerEnd, usageOf } from '../../../src/http/settlement.js';
import type { Usage } from '../../../src/model.js';

interface Told {
  readonly operation?: 'chat' | 'embed' | 'models' | 'other';
  readonly how?: AnswerEnd['how'];
  readonly status?: number;
  /** Absent: the answer could not be read. */
  readonly meter?: { readonly usage?: Usage; readonly complete?: boolean; readonly outputTokens?: number };
  readonly metered?: number;
  readonly unread?: boolean;
  readonly chargesAll?: boolean;
}

function charged({ operation = 'chat', how = 'delivered', status = 200, metered = 0, ...told }: Told): Usage {
  const permit = { metered, reserved: { inputTokens: 40, outputTokens: 300, outputTokensMax: 1_000 } };
  const passage = { permit, route: { operation }, reading: undefined } as unknown as Passage;
  const meter = told.meter && ({ complete: false, outputTokens: 0, ...told.meter } as AnswerMeter);
  return usageOf(passage, { status, meter, how, unread: told.unread ?? false, chargesAll: told.chargesAll ?? false });
}

const reported = { inputTokens: 12, outputTokens: 90 };

test.each<[string, Told, Usage]>([
  ['a whole answer costs what it reports', { meter: { usage: reported, complete: true }, metered: 80 }, reported],
  [
    'F9: a reported zero stays zero',
    { meter: { usage: { inputTokens: 0, outputTokens: 0 }, complete: true } },
    { inputTokens: 0, outputTokens: 0 },
  ],
  [
    'F8: a whole answer without usage costs what was counted',
    { meter: { complete: true, outputTokens: 7 } },
    { outputTokens: 7 },
  ],
  ['an answer in which nothing could be counted costs what was reserved', { meter: {} }, {}],
  ['a compressed answer costs what was reserved', { unread: true }, {}],
  ['an empty answer costs its prompt', { status: 204 }, { outputTokens: 0 }],
  ['an error costs no tokens', { status: 500, meter: {} }, { inputTokens: 0, outputTokens: 0 }],
  ['an error after tokens had been reported costs those', { status: 500, meter: { usage: reported } }, reported],
  ['F9: who leaves before the head pays for the prompt', { how: 'gone' }, { outputTokens: 0 }],
  [
    'F9: who leaves mid-stream pays for what was delivered',
    { how: 'gone', meter: { outputTokens: 5 }, metered: 5 },
    { outputTokens: 5 },
  ],
  [
    'usage reported early is a floor, not the bill',
    { how: 'gone', meter: { usage: { inputTokens: 12, outputTokens: 1 } }, metered: 5 },
    { inputTokens: 12, outputTokens: 5 },
  ],
  [
    'who leaves after the last object pays what it says',
    { how: 'gone', meter: { usage: reported, complete: true }, metered: 80 },
    reported,
  ],
  [
    'who leaves where leaving is no excuse pays what was to be expected',
    { how: 'gone', metered: 5, meter: {}, chargesAll: true },
    { outputTokens: 300 },
  ],
  [
    'and more where more was delivered',
    { how: 'gone', metered: 500, meter: {}, chargesAll: true },
    { outputTokens: 500 },
  ],
  [
    'an answer that was cut costs what was let through',
    { how: 'cut', metered: 50, meter: { usage: { inputTokens: 12 } } },
    { inputTokens: 12, outputTokens: 50 },
  ],
  [
    'an embedding reports its prompt only',
    { operation: 'embed', meter: { usage: { inputTokens: 12 }, complete: true } },
    { inputTokens: 12 },
  ],
  ['a listing costs no tokens', { operation: 'models', meter: {} }, { inputTokens: 0, outputTokens: 0 }],
  [
    'a page of the application costs no tokens',
    { operation: 'other', how: 'gone' },
    { inputTokens: 0, outputTokens: 0 },
  ],
  ['what another path reports counts all the same', { operation: 'other', meter: { usage: reported } }, reported],
])('%s', (_name, told, expected) => {
  expect(charged(told)).toEqual(expected);
});

test.each(['end', 'usage'] as const)('a dialect whose meter throws in `%s` keeps no permit', (where) => {
  const broken = (): never => {
    throw new Error('dialect');
  };
  const ended: (Usage | undefined)[] = [];
  const permit = { ended: false, metered: 0, settle: (usage?: Usage) => ended.push(usage) };
  const meter =
    where === 'end'
      ? { end: broken }
      : {
          end: () => ({}),
          get usage() {
            return broken();
          },
        };
  const passage = { permit, route: { operation: 'chat' }, meter: () => meter } as unknown as Passage;
  const answer = new Answer(passage, { onBudgetSpent: 'finish-cleanly', onClientGone: 'finish' });
  answer.begin({ status: 200, contentType: 'application/json', bodyless: false, encoded: false });
  expect(() => answer.close({ delivered: true, refused: false })).toThrow('dialect');
  expect(ended).toEqual([undefined]);
});
