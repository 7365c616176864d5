/** What would be refused whenever it came, found without charging anything. */
import { describe, expect, test } from 'vitest';
import type { AdmitRequest } from '../../../src/model.js';
import { world } from '../../support/fixtures.js';

const tokens = (input: number, more: AdmitRequest = {}): AdmitRequest => ({ input: { tokens: input }, ...more });
const backends = [{ url: 'http://127.0.0.1:1', models: ['llama3.2'] }];

describe('a request is refused for good', () => {
  test.each<[string, object, AdmitRequest, string]>([
    ['of a model that its tier lacks', { models: ['llama3.2'] }, { model: 'mistral' }, 'forbidden'],
    ['of a model that no backend has', { backends }, { model: 'mistral' }, 'model-not-found'],
    ['of a prompt above `input`', { input: 100 }, tokens(101), 'too-large'],
    ['of more tokens than a limit ever holds', { tokens: '100/hour' }, tokens(101, { operation: 'embed' }), 'limit'],
    [
      'of a declared length beside which a limit has no room, where that is set aside',
      { tokens: '100/hour', reserve: 'strict' },
      tokens(1, { outputTokensMax: 200 }),
      'limit',
    ],
  ])('%s', (_, policy, request, reason) => {
    const { limiter } = world(policy);
    expect(limiter.refusesForGood(request)).toMatchObject({ reason });
    expect(limiter.refusesForGood(request)?.retryAfterMs).toBeUndefined();
  });
});

describe('a request is not refused for good', () => {
  test('when only waiting is needed, and asking changes nothing', () => {
    const { limiter } = world({ requests: '1/min burst 1' });
    for (let i = 0; i < 5; i++) expect(limiter.refusesForGood({})).toBeUndefined();
    expect(limiter.admitNow({}).admitted).toBe(true);
    expect(limiter.admitNow({}).admitted).toBe(false);
    expect(limiter.refusesForGood({})).toBeUndefined();
  });

  test.each<[string, object, AdmitRequest]>([
    ['of a length that is only a guess, and gives way', { tokens: '100/hour' }, tokens(50)],
    ['by a limit in shadow', { limits: [{ name: 'a', tokens: '10/hour', mode: 'shadow' }] }, tokens(50)],
    ['by a tier in shadow', { mode: 'shadow', input: 10 }, tokens(50)],
  ])('%s', (_, policy, request) => {
    expect(world(policy).limiter.refusesForGood(request)).toBeUndefined();
  });
});
