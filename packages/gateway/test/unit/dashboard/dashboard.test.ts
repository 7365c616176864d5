/** What a snapshot says when the shared store is away. */
import { Limiter, parsePolicy, type Store } from '@headgate/core';
import { VirtualClock } from '@headgate/core/testing';
import { expect, test } from 'vitest';
import { Dashboard } from '../../../src/dashboard/dashboard.js';

test('what is left is unknown while the store is away, and not that nothing limits anybody', async () => {
  const clock = new VirtualClock();
  const away = async (): Promise<never> => {
    throw new Error('connect ECONNREFUSED');
  };
  const store = {
    ...{ sync: false, configure: () => {}, stats: () => ({ keys: 0, open: 0 }) },
    prepare: (limits: Parameters<Store['prepare']>[0]) => ({ limits }),
    ...{ reserve: away, debit: away, settle: away, cancel: away, peek: away },
  } as unknown as Store;
  const policy = parsePolicy({ requests: '5/min', store: { redis: 'redis://127.0.0.1:1', onDown: 'open' } });
  const limiter = new Limiter(policy, { clock, store });
  const dashboard = new Dashboard(limiter);
  for (let times = 0; times < 10; times++) await limiter.admit({ identity: 'team-a' });
  const { storeUp, identities } = await dashboard.snapshot();
  expect(storeUp).toBe(false);
  expect(identities).toMatchObject([{ id: 'team-a', inFlight: 10 }]);
  expect(identities[0]).not.toHaveProperty('limits');
});
