import { describe, expect, test } from 'vitest';
import type { Limiter } from '../../../src/limiter.js';
import type { AdmitRequest } from '../../../src/model.js';
import { world } from '../../support/fixtures.js';

/** Every would-be refusal, as `reason by limit`. */
function wouldRefuse(limiter: Limiter): string[] {
  const lines: string[] = [];
  limiter.on('request-would-refuse', ({ reason, limit }) => lines.push(`${reason} by ${limit}`));
  return lines;
}

function decide(limiter: Limiter, request: AdmitRequest): 'admitted' | string {
  const decision = limiter.admitNow(request);
  return decision.admitted ? 'admitted' : decision.refusal.reason;
}

describe('a policy in dry run', () => {
  const policy = { mode: 'shadow', models: ['mistral'], input: 100, output: 50, requests: '1/min', concurrency: 1 };

  test('admits all, and tells what each rule would have refused', () => {
    const { limiter } = world(policy);
    const told = wouldRefuse(limiter);
    expect(decide(limiter, { model: 'mistral', input: { tokens: 10 } })).toBe('admitted');
    expect(told).toEqual([]);
    expect(decide(limiter, { model: 'llama3.2', input: { tokens: 10 } })).toBe('admitted');
    expect(told.splice(0)).toEqual([
      'forbidden by default.models',
      'limit by requests.min',
      'concurrency by concurrency',
    ]);
    expect(decide(limiter, { model: 'mistral', input: { tokens: 101 } })).toBe('admitted');
    expect(told.splice(0)).toEqual([
      'too-large by default.input',
      'limit by requests.min',
      'concurrency by concurrency',
    ]);
  });

  test('changes no request: the output cap is not written into it', () => {
    const { limiter } = world(policy);
    const decision = limiter.admitNow({ model: 'mistral', outputTokensMax: 9_000 });
    expect(decision.admitted && decision.permit.reserved.outputTokensMax).toBe(9_000);
    expect(decision.admitted && decision.permit.meter(8_999)).toBe('continue');
  });

  test('of one tier leaves the others enforced', () => {
    const { limiter } = world({
      requests: '1/min',
      tiers: { trial: { mode: 'shadow', requests: '1/min' } },
    });
    const asked = (tier: string) => decide(limiter, { identity: { id: tier, tier } });
    expect([asked('trial'), asked('trial'), asked('default'), asked('default')]).toEqual([
      'admitted',
      'admitted',
      'admitted',
      'limit',
    ]);
  });
});

describe('a shadow limit beside enforced ones', () => {
  test('takes nothing from them and adds nothing to them', () => {
    const { limiter } = world({
      requests: '2/min',
      limits: [{ name: 'trial', requests: '1/min', mode: 'shadow' }],
    });
    expect([decide(limiter, {}), decide(limiter, {}), decide(limiter, {})]).toEqual(['admitted', 'admitted', 'limit']);
  });

  test('makes nobody wait for a turn', async () => {
    const { limiter } = world({
      limits: [{ name: 'trial', requests: { limit: 60, per: 'min', burst: 2 }, delay: true, mode: 'shadow' }],
    });
    expect([decide(limiter, {}), decide(limiter, {}), decide(limiter, {})]).toEqual([
      'admitted',
      'admitted',
      'admitted',
    ]);
  });

  test('on slots makes nobody wait in the queue', () => {
    const { limiter } = world({ limits: [{ name: 'house', per: 'all', concurrency: 1, mode: 'shadow' }] });
    const told = wouldRefuse(limiter);
    expect([decide(limiter, {}), decide(limiter, {})]).toEqual(['admitted', 'admitted']);
    expect(told).toEqual(['concurrency by house']);
  });

  test('does not stop an answer', () => {
    const { limiter } = world({ limits: [{ name: 'trial', tokens: '10/hour', mode: 'shadow' }] });
    const decision = limiter.admitNow({ input: { tokens: 5 } });
    expect(decision.admitted && decision.permit.meter(1_000)).toBe('continue');
  });
});
