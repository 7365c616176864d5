/** Who is said to be of a tier that the policy does not have. */
import { describe, expect, test } from 'vitest';
import { HeadgateError } from '../../../src/index.js';
import type { AdmitRequest, Identity } from '../../../src/model.js';
import { world } from '../../support/fixtures.js';

const policy = { tiers: { free: { requests: '1/hour' }, premium: { requests: '5/hour' } } };
const of = (tier: unknown, id = 'x'): AdmitRequest => ({ identity: { id, tier } as Partial<Identity> });

describe('a tier that the policy never had', () => {
  test.each(['fre', 'Free', ' ', '__proto__', 'constructor', 7, 0])('`%s` is an error, by every door', async (tier) => {
    const { limiter } = world(policy);
    const told = expect.objectContaining({ code: 'HG_TIER' });
    expect(() => limiter.admitNow(of(tier))).toThrow(told);
    expect(() => limiter.peekNow(of(tier))).toThrow(told);
    expect(() => limiter.identity({ id: 'x', tier: tier as string })).toThrow(told);
    expect(() => limiter.startRun({ identity: { id: 'x', tier: tier as string }, id: 'r' })).toThrow(told);
    await expect(limiter.admit(of(tier))).rejects.toEqual(told);
    await expect(limiter.run(of(tier), () => 1)).rejects.toEqual(told);
    await expect(limiter.wrap(async () => 1, { describe: () => of(tier) })()).rejects.toEqual(told);
    expect(limiter.stats()).toMatchObject({ inFlight: 0, open: 0 });
  });

  test('is named in the error, with those there are and the one that was meant', () => {
    const { limiter } = world(policy);
    expect(() => limiter.admitNow(of('fre', 'ann'))).toThrow(
      new HeadgateError(
        'HG_TIER',
        "ann is said to be of tier 'fre', which the policy does not have: default, free, premium; did you mean free?",
      ),
    );
  });
});

test.each([undefined, null, ''])('a tier of %j is none said: the declared one counts, else the default one', (tier) => {
  const { limiter } = world({
    ...policy,
    identity: [{ apiKey: { keys: { 'sk-secret-1': { id: 'ann', tier: 'premium' } } } }],
  });
  expect(limiter.identity({ id: 'ann', tier: tier as never }).tier).toBe('premium');
  expect(limiter.identity({ id: 'bob', tier: tier as never }).tier).toBe('default');
});

describe('a tier that a reload took away', () => {
  test('counts as the default one, and is told once by name until the next reload', async () => {
    const { limiter } = world(policy);
    const told: unknown[] = [];
    limiter.on('tier-missing', (event) => told.push(event));
    expect(limiter.admitNow(of('free', 'ann')).admitted).toBe(true);
    await limiter.reload({ requests: '2/hour', tiers: { premium: { requests: '5/hour' } } });
    const admitted = [1, 2, 3].map(() => limiter.admitNow(of('free', 'bob')).admitted);
    expect(admitted).toEqual([true, true, false]);
    limiter.admitNow(of('free', 'cem'));
    expect(told).toEqual([{ identity: 'bob', tier: 'free' }]);
    expect(() => limiter.admitNow(of('fre'))).toThrow('fre');
    await limiter.reload({ requests: '2/hour' });
    limiter.admitNow(of('free', 'cem'));
    limiter.admitNow(of('premium', 'cem'));
    expect(told.slice(1)).toEqual([
      { identity: 'cem', tier: 'free' },
      { identity: 'cem', tier: 'premium' },
    ]);
  });

  test('leaves the runs of its identities under the default one', async () => {
    const { limiter } = world({ tiers: { free: { run: { toolCalls: 9 } } } });
    const run = limiter.startRun({ identity: { id: 'ann', tier: 'free' }, id: 'r' });
    await limiter.reload({ run: { toolCalls: 1 } });
    run.toolCall('search');
    expect(() => run.toolCall('search')).toThrow('1 tool call per run');
  });
});
