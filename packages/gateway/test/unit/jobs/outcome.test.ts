import { type Refusal, refuse } from '@headgate/core';
import { describe, expect, test } from 'vitest';
import type { RequestRecord } from '../../../src/exchange/record.js';
import { outcomeOf, pauseMs } from '../../../src/jobs/outcome.js';

const answer = { status: 200, contentType: 'application/json', body: '{}', whole: true };
const record = (refusal?: Refusal): RequestRecord => ({ ...({} as RequestRecord), ...(refusal && { refusal }) });
const of = (refusal?: Refusal, more: Partial<typeof answer> = {}, failures = 0) =>
  outcomeOf(record(refusal), { ...answer, ...more }, failures);

describe('a job', () => {
  test('with a whole answer is done', () => {
    const { whole: _, ...result } = answer;
    expect(of()).toEqual({ kind: 'done', result });
  });

  test.each([
    ['limit', refuse('limit', 'no.', { retryAfterMs: 4_321 }), 4_321, false],
    ['queue-timeout', refuse('queue-timeout', 'no.', { retryAfterMs: 2_000 }), 2_000, false],
    ['no-backend', refuse('no-backend', 'no.', { retryAfterMs: 1_000 }), 1_000, false],
    ['draining', refuse('draining', 'no.', { retryAfterMs: 5_000 }), 0, false],
    ['backend-error', refuse('backend-error', 'no.', { retryAfterMs: 1_000 }), 1_000, true],
    ['backend-error in the middle of an answer', refuse('backend-error', 'no.'), 1_000, true],
    ['backend-timeout', refuse('backend-timeout', 'no.', { retryAfterMs: 3_000 }), 3_000, true],
  ])(
    'refused with %s is made again after what it is told, and only a backend’s failure counts',
    (_, refusal, afterMs, counts) => {
      expect(of(refusal, { status: refusal.status })).toMatchObject({ kind: 'again', afterMs, counts });
    },
  );

  test.each(['limit', 'too-large', 'forbidden', 'model-not-found', 'run'] as const)(
    'refused with %s for good has failed',
    (reason) => {
      expect(of(refuse(reason, 'never.'))).toMatchObject({ kind: 'failed', error: { reason, message: 'never.' } });
    },
  );

  test.each([
    [500, 'again'],
    [503, 'again'],
    [429, 'again'],
    [400, 'failed'],
    [404, 'failed'],
  ])('that the backend itself answers with %i: %s', (status, kind) => {
    expect(of(undefined, { status, body: 'its own words' })).toMatchObject({
      kind,
      error: { status, message: expect.stringContaining('its own words') },
    });
  });

  test('whose answer breaks off is made again, later each time', () => {
    expect(of(undefined, { whole: false })).toMatchObject({ kind: 'again', afterMs: 1_000, counts: true });
    expect(of(undefined, { whole: false }, 3)).toMatchObject({ afterMs: 8_000 });
    expect(pauseMs(100)).toBe(60_000);
  });
});
