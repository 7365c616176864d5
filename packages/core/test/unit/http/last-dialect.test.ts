import { defaultDialects } from '@headgate/dialects';
import { expect, test } from 'vitest';
import { applicationGate } from '../../../src/http/adapter.js';
import { createLimiter } from '../../../src/index.js';
import { Departure } from '../../../src/kernel/signal.js';

test('a refusal on a path that no dialect speaks is in the last one', async () => {
  const anthropic = defaultDialects.filter(({ name }) => name === 'anthropic');
  const outcome = await applicationGate(createLimiter({}), anthropic).open({
    method: 'GET',
    target: '/nobody%00',
    headers: {},
    remoteAddress: '127.0.0.1',
    signal: new Departure(),
    readBody: async () => ({ ok: true, value: {} }),
  });
  expect(outcome).toMatchObject({ open: false, status: 404, about: { dialect: 'anthropic' } });
});
