import { expect, test } from 'vitest';
import { backendFaults, gatewayFaults, planOf, redisFaults } from '../../plan.js';
import { rules } from '../../rules.js';

const options = { faultsMs: 60_000, calmMs: 1_000 };
const plans = Array.from({ length: 50 }, (_, seed) => planOf(seed, options));

test('the same seed makes the same plan, and another another', () => {
  expect(planOf(7, options)).toEqual(planOf(7, options));
  expect(planOf(7, options)).not.toEqual(planOf(8, options));
});

test('every kind of fault and every kind of store is planned', () => {
  const kinds = new Set(plans.flatMap(({ faults }) => faults.map(({ kind }) => kind)));
  expect(kinds).toEqual(new Set([...gatewayFaults, ...redisFaults, ...backendFaults, 'abort-storm']));
  const profiles = new Set(plans.map(({ profile }) => `${profile.onDown} ${profile.durable}`));
  expect(profiles.size).toBe(5);
  expect(plans.some(({ faults }) => faults.some(({ forMs }) => forMs > rules.leaseMs))).toBe(true);
});

test('one gateway is never killed, and a round begins without faults', () => {
  for (const { faults } of plans) {
    const survivor = faults.filter(({ target }) => target === `g${rules.gateways}`).map(({ kind }) => kind);
    expect(survivor).not.toContain('kill');
    expect(survivor).not.toContain('stop');
    expect(Math.min(...faults.map(({ atMs }) => atMs))).toBeGreaterThanOrEqual(1_000);
  }
});
