/** What the dashboard remembers: bounded, and forgotten in time. */
import type { AdmitRequest, Identity, LimitState } from '@headgate/core';
import { describe, expect, test } from 'vitest';
import { RecentIdentities } from '../../../src/dashboard/identities.js';
import { shown } from '../../../src/dashboard/names.js';
import { TokenRate } from '../../../src/dashboard/rate.js';
import { RecentRefusals, type Refused } from '../../../src/dashboard/refusals.js';
import { Tally } from '../../../src/dashboard/tally.js';
import { steps, Timeline } from '../../../src/dashboard/timeline.js';

const minute = 60_000;
const start = Date.UTC(2026, 0, 5, 12);
const identity = (id: string): Identity => ({ id, tier: 'default', weight: 1, priority: 'normal' });
const noLimits = { peek: async (): Promise<LimitState[]> => [], find: () => undefined };

describe('a tally', () => {
  test('is the sum of ten minutes, and forgets the eleventh', () => {
    const tally = new Tally();
    for (let at = 0; at < 20; at++) tally.add(1, start + at * minute);
    expect(tally.sum(start + 19 * minute)).toBe(10);
    expect(tally.sum(start + 24 * minute)).toBe(5);
    expect(tally.sum(start + 29 * minute)).toBe(0);
  });

  test('counts on where it was when the clock is put back', () => {
    const tally = new Tally();
    tally.add(1, start);
    tally.add(1, start - 60 * minute);
    expect(tally.sum(start)).toBe(2);
  });
});

describe('the timeline', () => {
  test('has what happened in steps of ten seconds, the mean and the longest wait beside it', () => {
    const timeline = new Timeline();
    timeline.refused('refused', start);
    timeline.refused('shadow', start + 9_999);
    timeline.waited(100, start);
    timeline.waited(300, start);
    timeline.refused('refused', start + 10_000);
    expect(timeline.rows(start + 10_000)).toEqual([
      [start / 1000, 1, 1, 200, 300],
      [start / 1000 + 10, 1, 0, 0, 0],
    ]);
    expect(timeline.rows(start + 10_000, 1)).toEqual([[start / 1000 + 10, 1, 0, 0, 0]]);
  });

  test('is half an hour long, however much happened', () => {
    const timeline = new Timeline();
    for (let step = 0; step < 2_000; step++) timeline.refused('refused', start + step * 10_000);
    const rows = timeline.rows(start + 1_999 * 10_000);
    expect(rows).toHaveLength(steps);
    expect(rows.at(-1)).toEqual([start / 1000 + 19_990, 1, 0, 0, 0]);
    expect(timeline.rows(start + 3_000 * 10_000)).toEqual([]);
  });
});

describe('names that clients chose', () => {
  test('lose what turns text round or hides in it, and have an end', () => {
    expect(shown('qwen2.5:7b-größe-名前')).toBe('qwen2.5:7b-größe-名前');
    expect(shown('a\u202egpj.exe\u0000\u200b\n')).toBe('a\ufffdgpj.exe\ufffd\ufffd\ufffd');
    expect([...shown('x'.repeat(1_000_000))]).toHaveLength(120);
    expect(shown('🦙'.repeat(121))).toBe(`${'🦙'.repeat(119)}…`);
    // Cut between the halves of a character, no half is left.
    expect(shown(`${'a'.repeat(239)}🦙`)).toBe(`${'a'.repeat(119)}…`);
  });
});

describe('recent identities', () => {
  const asked = { operation: 'chat', model: 'm', address: '10.0.0.1', path: '/api/chat' };

  test('of a flood of names so many are remembered, and so many shown, those refused before others', async () => {
    const recent = new RecentIdentities();
    for (let at = 0; at < 20_000; at++) {
      recent.done(identity(`id-${at}`), asked, 'POST', 1, start);
      if (at === 19_600)
        recent.refused(identity('id-19600'), { reason: 'limit', limit: 'tokens.hour', mode: 'enforce' }, start);
    }
    expect(recent.size).toBeGreaterThanOrEqual(500);
    expect(recent.size).toBeLessThanOrEqual(600);
    const { identities, identitiesMore } = await recent.views(start, noLimits);
    expect([identities.length, identitiesMore]).toEqual([50, recent.size - 50]);
    expect(identities.slice(0, 2).map(({ id }) => id)).toEqual(['id-19600', 'id-19999']);
  });

  test('of many causes so many are kept', async () => {
    const recent = new RecentIdentities();
    for (let at = 0; at < 100; at++) {
      recent.refused(identity('a'), { reason: 'limit', limit: `limit-${at}`, mode: 'enforce' }, start);
    }
    const { identities } = await recent.views(start, noLimits);
    expect(identities[0]).toMatchObject({ refused: 100, causes: { length: 8 } });
  });

  test('those who have been quiet for ten minutes are not shown, unless they have something running', async () => {
    const recent = new RecentIdentities();
    recent.done(identity('quiet'), asked, 'POST', 1, start);
    recent.admitted({ identity: identity('busy'), operation: 'chat', model: 'm' }, start);
    const idsAt = async (wall: number) => (await recent.views(wall, noLimits)).identities.map(({ id }) => id);
    expect((await idsAt(start + 10 * minute - 1)).sort()).toEqual(['busy', 'quiet']);
    expect(await idsAt(start + 10 * minute)).toEqual(['busy']);
    recent.released({ identity: identity('busy'), operation: 'chat', model: 'm' });
    expect(await idsAt(start + 10 * minute)).toEqual([]);
  });

  test('limits are asked about the last request that they are about, and one that cannot be asked is left out', async () => {
    const recent = new RecentIdentities();
    recent.done(identity('a'), asked, 'POST', 5, start);
    recent.done(identity('a'), { operation: 'models', path: '/api/tags' }, 'GET', 0, start);
    const seen: AdmitRequest[] = [];
    const peek = async (request: AdmitRequest): Promise<never> => {
      seen.push(request);
      throw new Error('the store is down');
    };
    const { identities } = await recent.views(start, { ...noLimits, peek });
    expect(seen).toEqual([{ ...asked, method: 'POST', identity: identity('a') }]);
    expect(identities[0]).toMatchObject({ requests: 2, tokens: 5 });
    expect(identities[0]).not.toHaveProperty('limits');
  });
});

describe('the last refusals', () => {
  const refusal: Refused = {
    ...{ who: 'a', operation: 'chat', model: 'm', reason: 'limit', limit: 'requests.min' },
    ...{ retryAfterMs: 900.4, mode: 'enforce' },
  };

  test('that are alike are one entry, which comes first when it happens again', () => {
    const refusals = new RecentRefusals();
    refusals.add(start, refusal);
    refusals.add(start + 1, { ...refusal, who: 'b', limit: undefined, retryAfterMs: undefined });
    refusals.add(start + 2, refusal);
    const what = { operation: 'chat', model: 'm', reason: 'limit', mode: 'enforce' };
    expect(refusals.latest()).toEqual([
      { ...what, who: 'a', limit: 'requests.min', at: start + 2, since: start, count: 2, retryAfterMs: 900 },
      { ...what, who: 'b', at: start + 1, since: start + 1, count: 1 },
    ]);
  });

  test('are twenty at most', () => {
    const refusals = new RecentRefusals();
    for (let at = 0; at < 1_000; at++) refusals.add(start + at, { ...refusal, who: `id-${at}` });
    expect(refusals.latest()).toHaveLength(20);
    expect(refusals.latest()[0]?.who).toBe('id-999');
  });
});

test('tokens a second are of the last seconds, known from the second reading on, and never below zero', () => {
  const rate = new TokenRate();
  rate.read(0, { input: 0, output: 0 });
  expect(rate.perSecond).toBeUndefined();
  rate.read(1_000, { input: 5, output: 40 });
  expect(rate.perSecond).toEqual({ input: 5, output: 40 });
  for (let second = 2; second <= 10; second++) rate.read(second * 1_000, { input: 5, output: 40 });
  expect(rate.perSecond).toEqual({ input: 0, output: 0 });
  rate.read(11_000, { input: 5, output: 30 });
  expect(rate.perSecond).toEqual({ input: 0, output: 0 });
});
