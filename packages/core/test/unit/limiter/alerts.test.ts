import { describe, expect, test } from 'vitest';
import type { Limiter } from '../../../src/limiter.js';
import { hour, minute, world } from '../../support/fixtures.js';

/** Every alert, as `name of subject at share`. */
function alertsOf(limiter: Limiter): string[] {
  const lines: string[] = [];
  limiter.on('limit-alert', ({ limit, subject, share }) => lines.push(`${limit} of ${subject} at ${share.toFixed(2)}`));
  return lines;
}

const ask = (identity: string, tokens: number) => ({ identity, operation: 'embed', input: { tokens } }) as const;

describe('an alert at a share of a limit', () => {
  const spent = { limit: 100, per: 'hour', alertAt: 0.8 };

  test('is raised by the request that reaches it, once a window and counter', () => {
    const { limiter, clock } = world({ tokens: spent });
    const alerts = alertsOf(limiter);
    limiter.admitNow(ask('ann', 79));
    expect(alerts).toEqual([]);
    limiter.admitNow(ask('ann', 1));
    limiter.admitNow(ask('ann', 5));
    limiter.admitNow(ask('bob', 90));
    expect(alerts).toEqual(['tokens.hour of ann at 0.80', 'tokens.hour of bob at 0.90']);
    clock.advance(hour + minute);
    limiter.admitNow(ask('ann', 95));
    expect(alerts.slice(2)).toEqual(['tokens.hour of ann at 0.95']);
  });

  test('is raised when the answer turns out to have cost so much, debt included', () => {
    const { limiter } = world({ tokens: spent });
    const alerts = alertsOf(limiter);
    const decision = limiter.admitNow(ask('ann', 10));
    if (!decision.admitted) throw new Error('refused');
    expect(alerts).toEqual([]);
    decision.permit.settle({ inputTokens: 10, outputTokens: 140 });
    expect(alerts).toEqual(['tokens.hour of ann at 1.50']);
  });

  test('of a calendar day comes again on the next day', () => {
    const { limiter, clock } = world({ tokens: { ...spent, per: 'day' } });
    const alerts = alertsOf(limiter);
    limiter.admitNow(ask('ann', 90));
    clock.advance(23 * hour);
    limiter.admitNow(ask('ann', 90));
    clock.advance(2 * hour);
    limiter.admitNow(ask('ann', 90));
    expect(alerts.length).toBeLessThanOrEqual(3);
    expect(new Set(alerts)).toEqual(new Set(['tokens.day of ann at 0.90']));
  });

  test('on slots is told while many are taken, not once for each', () => {
    const { limiter, clock } = world({ concurrency: { limit: 4, alertAt: 0.5 } });
    const alerts = alertsOf(limiter);
    for (let i = 0; i < 4; i++) limiter.admitNow({ identity: 'ann' });
    expect(alerts).toEqual(['concurrency of ann at 0.50']);
    clock.advance(minute);
    limiter.admitNow({ identity: 'ann' });
    expect(alerts).toHaveLength(1);
  });

  test('is not raised for what was refused', () => {
    const { limiter } = world({ tokens: spent });
    const alerts = alertsOf(limiter);
    limiter.admitNow(ask('ann', 101));
    expect(alerts).toEqual([]);
  });
});

describe('an alert for prompts that fill the context', () => {
  test.each([
    [819, []],
    [820, ['ann: 820 of 1024']],
  ])('%i of 1024 tokens at a share of 0.8', (tokens, expected) => {
    const { limiter } = world({ contextAlert: 0.8 });
    const alerts: string[] = [];
    limiter.on('context-alert', ({ identity, inputTokens, contextTokens }) =>
      alerts.push(`${identity.id}: ${inputTokens} of ${contextTokens}`),
    );
    limiter.admitNow({ ...ask('ann', tokens), contextTokens: 1024 });
    limiter.admitNow(ask('ann', tokens));
    expect(alerts).toEqual(expected);
  });
});
