import { expect, test } from 'vitest';
import { parsePolicy } from '../../../src/policy/parse.js';
import { wholeEnvironment, wholePolicy } from './whole-policy.js';

const policy = parsePolicy(wholePolicy, { env: wholeEnvironment });

test('the whole language is read', () => {
  expect(Object.values(policy.tiers).flatMap(({ limits }) => limits.map(({ name }) => name))).toEqual([
    'free.requests.min',
    'free.tokens.hour',
    'free.tokens.day',
    'free.cost.day',
    'free.concurrency',
    'free.run.toolCalls',
    'free.run.tokens',
    'premium.requests.min',
    'premium.tokens.hour',
    'premium.tokens.day',
    'premium.cost.day',
    'premium.concurrency',
    'premium.run.toolCalls',
    'premium.run.tokens',
    'batch.requests.min',
  ]);
  expect(policy.limits.map(({ name }) => name)).toEqual([
    'generate',
    'embed',
    'big-model',
    'house',
    'spend',
    'guessing',
    'trial',
    'free.not-/v1/*.GET.requests.min',
  ]);
});

test('its figures that are the defaults are those of an empty policy', () => {
  const empty = parsePolicy({});
  expect(policy.queue).toEqual({ ...empty.queue, priority: 'strict' });
  for (const key of ['listen', 'client', 'log', 'guard', 'pool', 'headers', 'drainMs', 'keysMax'] as const) {
    expect(policy[key]).toEqual(empty[key]);
  }
});

test('reading does not change what was given', () => {
  const before = JSON.stringify(wholePolicy);
  parsePolicy(wholePolicy, { env: wholeEnvironment });
  expect(JSON.stringify(wholePolicy)).toBe(before);
});
