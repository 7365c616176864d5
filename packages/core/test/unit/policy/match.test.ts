import { describe, expect, test } from 'vitest';
import type { Match } from '../../../src/model.js';
import { canonicalModel, matchesModel, matchesPattern } from '../../../src/model-name.js';
import { countsOn, factsUsed, type MatchFacts, matches } from '../../../src/policy/match.js';
import { parsePolicy } from '../../../src/policy/parse.js';

const facts = (more: Partial<MatchFacts> = {}): MatchFacts => ({
  operation: 'chat',
  modelCanonical: 'llama3.1:8b',
  tier: 'free',
  identity: 'team-a',
  path: '/api/chat',
  method: 'POST',
  priority: 'normal',
  inRun: false,
  ...more,
});

describe('a match', () => {
  test.each<[string, Match | undefined, Partial<MatchFacts>, boolean]>([
    ['none takes everything', undefined, {}, true],
    ['an exact word', { operation: ['chat'] }, {}, true],
    ['another word', { operation: ['embed'] }, {}, false],
    ['one of a list', { operation: ['embed', 'chat'] }, {}, true],
    ['a pattern', { model: ['llama3*'] }, {}, true],
    ['a pattern that does not fit', { model: ['codellama:*'] }, {}, false],
    [
      'the default tag, unsaid, fits a pattern of tags',
      { model: ['codellama:*'] },
      { modelCanonical: 'codellama' },
      true,
    ],
    ['the default tag, left out', { not: { model: ['codellama:*'] } }, { modelCanonical: 'codellama' }, false],
    ['no model has no tag either', { model: ['*:*'] }, { modelCanonical: '' }, false],
    ['no model is no model of a name', { model: ['llama3*'] }, { modelCanonical: '' }, false],
    ['all keys must match', { operation: ['chat'], tier: ['premium'] }, {}, false],
    ['all keys match', { operation: ['chat'], tier: ['free'], identity: ['team-*'], path: ['/api/*'] }, {}, true],
    ['method', { method: ['GET'] }, {}, false],
    ['priority', { priority: ['low'] }, { priority: 'low' }, true],
    ['not is the rest', { not: { operation: ['embed'] } }, {}, true],
    ['not what it names', { not: { operation: ['chat'] } }, {}, false],
    [
      'not of several keys excludes only those with all of them',
      { not: { operation: ['chat'], tier: ['pro'] } },
      {},
      true,
    ],
    ['not beside other keys', { tier: ['free'], not: { identity: ['team-a'] } }, {}, false],
    ['not of not', { not: { not: { operation: ['chat'] } } }, {}, true],
  ])('%s', (_, match, more, expected) => {
    expect(matches(match, facts(more))).toBe(expected);
  });
});

describe('cheap reads', () => {
  const read = facts({ operation: 'models', modelCanonical: '', path: '/api/tags', method: 'GET' });
  test.each<[string, Match | undefined, boolean]>([
    ['count on no limit that does not name them', undefined, false],
    ['count where they are named', { operation: ['models'] }, true],
    ['count where they are named among others', { operation: ['chat', 'models'] }, true],
    ['are not named by a pattern', { operation: ['*'] }, false],
    ['are not named by their path', { path: ['/api/tags'] }, false],
    ['are not named by what is left out', { not: { operation: ['chat'] } }, false],
  ])('%s', (_, match, expected) => {
    expect(matches(match, read)).toBe(expected);
  });
  test('administration counts like everything else', () => {
    expect(matches(undefined, facts({ operation: 'admin' }))).toBe(true);
  });
});

test("a tier's limit counts for its tier only", () => {
  expect(countsOn({ tier: 'free', per: ['identity'] }, facts())).toBe(true);
  expect(countsOn({ tier: 'pro', per: ['identity'] }, facts())).toBe(false);
});

test('a limit of runs counts only what is made for one', () => {
  const limit = { per: ['identity', 'run'] } as const;
  expect([countsOn(limit, facts()), countsOn(limit, facts({ inRun: true }))]).toEqual([false, true]);
});

test('the facts that are used are those of all matches, inner ones too', () => {
  expect(factsUsed([{}])).toEqual({
    operation: true,
    model: false,
    tier: false,
    identity: false,
    path: false,
    method: false,
    priority: false,
  });
  const limits = [{ tier: 'free' }, { match: { model: ['a'], not: { path: ['/x'], not: { priority: ['low'] } } } }];
  expect(factsUsed(limits)).toMatchObject({
    tier: true,
    model: true,
    path: true,
    priority: true,
    identity: false,
    method: false,
  });
});

describe('a model and a pattern', () => {
  const spellings = ['codellama', 'codellama:latest', 'CodeLlama:LATEST', 'registry.ollama.ai/library/codellama'];
  test.each<[string, boolean]>([
    ['codellama', true],
    ['codellama:*', true],
    ['*:*', true],
    ['*llama:*', true],
    ['code*:lat*', true],
    ['codellama*', true],
    ['*', true],
    ['codellama:7b', false],
    ['codellama:*b', false],
    ['llama:*', false],
  ])('%s fits every spelling of the default tag alike: %s', (pattern, expected) => {
    expect(spellings.map((name) => matchesModel(pattern, canonicalModel(name)))).toEqual(spellings.map(() => expected));
  });

  test.each<[string, string, boolean]>([
    ['codellama:*', 'codellama:7b', true],
    ['codellama', 'codellama:7b', false],
    ['*:latest*', 'codellama:7b', false],
    ['gpu.local:5000/team/*:*', 'gpu.local:5000/team/coder', true],
    ['gpu.local:5000/team/coder:*', 'gpu.local:5000/team/coder', true],
    ['hf.co/*:*', 'hf.co/bartowski/llama-gguf', true],
    ['*:latest*', '', false],
  ])('%s and %s: %s', (pattern, model, expected) => {
    expect(matchesModel(pattern, model)).toBe(expected);
  });
});

test.each(['model', 'identity', 'tier'])(
  'a pattern for `%s` is at most 256 characters long, and at least one',
  (fact) => {
    const withPattern = (pattern: string) => () =>
      parsePolicy({ limits: [{ requests: '60/min', match: { [fact]: pattern } }] });
    expect(withPattern(`${'a'.repeat(255)}*`)().limits[0]?.match).toEqual({ [fact]: [`${'a'.repeat(255)}*`] });
    for (const pattern of [`${'a'.repeat(256)}*`, '', ' ']) expect(withPattern(pattern)).toThrow(/such as/);
  },
);

test('a pattern of thousands of stars is matched in no time to speak of', () => {
  const word = 'a'.repeat(100_000);
  let soonestMs = Number.POSITIVE_INFINITY;
  for (let times = 0; times < 5; times++) {
    const from = performance.now();
    expect(matchesPattern(`${'*a'.repeat(10_000)}*`, word)).toBe(true);
    expect(matchesPattern(`${'*a'.repeat(10_000)}*b*`, word)).toBe(false);
    expect(matchesPattern(`*${'ab*'.repeat(10_000)}`, word)).toBe(false);
    soonestMs = Math.min(soonestMs, performance.now() - from);
  }
  // Each star of a regular expression would multiply it: it would not end. The soonest counts, on a machine that is shared.
  expect(soonestMs).toBeLessThan(500);
});
