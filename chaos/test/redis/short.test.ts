/** A short round, the same each time; `npm run chaos` makes long ones. */
import { expect, test } from 'vitest';
import { planOf } from '../../plan.js';
import { round } from '../../round.js';

test('three gateways, Redis and four backends go through kills, cuts, crashes and storms, and keep what they promise', async () => {
  const plan = planOf(36_680, { faultsMs: 6_000, calmMs: 2_500 });
  expect(plan.profile).toEqual({ onDown: 'closed', durable: true });
  const { history, violations } = await round(plan);
  expect(violations).toEqual([]);
  const { visits, lives, faults, served } = history;
  expect(lives.filter(({ how }) => how === 'killed')).not.toEqual([]);
  expect(faults.filter(({ kind }) => kind !== 'stood').length).toBeGreaterThan(5);
  expect(visits.filter(({ ending }) => ending === 'whole').length).toBeGreaterThan(50);
  expect(served.length).toBeGreaterThan(50);
});
