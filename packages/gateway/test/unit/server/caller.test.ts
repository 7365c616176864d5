import { parsePolicy } from '@headgate/core';
import { expect, it } from 'vitest';
import { type Caller, whoAsks } from '../../../src/server/caller.js';

it('a job of a tier that the policy has no more counts as what its name is now', () => {
  const policy = parsePolicy({ tiers: { free: { requests: '1/min' } } });
  const caller = (tier: string) =>
    ({ identity: { id: 'ann', tier, weight: 1, priority: 'normal' } }) as Pick<Caller, 'identity'> as Caller;
  expect(whoAsks(caller('free'), policy)).toEqual({ id: 'ann', tier: 'free', weight: 1, priority: 'normal' });
  expect(whoAsks(caller('gone'), policy)).toEqual({ id: 'ann', weight: 1, priority: 'normal' });
});
