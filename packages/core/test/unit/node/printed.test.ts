/** What programs print and send of a limiter, such as `res.json(limiter.stats())`. */
import { inspect } from 'node:util';
import { expect, test } from 'vitest';
import { createLimiter } from '../../../src/index.js';

const secret = 'Bearer upstream-secret';
const policy = {
  backends: [{ url: 'http://127.0.0.1:11434/below', name: 'gpu1', slots: 2, headers: { authorization: secret } }],
};
const shown = {
  name: 'gpu1',
  url: 'http://127.0.0.1:11434/below',
  slots: 2,
  used: 1,
  state: 'healthy',
  usable: true,
  draining: false,
  models: ['llama3.2'],
  loads: 0,
};

test('of a backend what is told of it is shown, and nothing that is sent to it', async () => {
  const limiter = createLimiter(policy);
  const decision = await limiter.admit({ identity: 'a', operation: 'chat', model: 'llama3.2', input: 'hello' });
  if (!decision.admitted) throw new Error(decision.refusal.message);
  const { permit } = decision;
  const stats = limiter.stats();
  expect(JSON.parse(JSON.stringify(stats)).backends).toEqual([shown]);
  expect(JSON.parse(JSON.stringify(permit.backend))).toEqual(shown);
  expect(inspect(stats.backends)).toBe(inspect([shown]));
  const [backend] = stats.backends;
  for (const text of [JSON.stringify(stats), JSON.stringify({ ...backend })]) expect(text).not.toContain(secret);
  for (const one of [stats, backend, { ...backend }, permit, decision, limiter]) {
    expect(inspect(one, { depth: Number.POSITIVE_INFINITY })).not.toContain(secret);
  }
  expect(permit.backend?.headers.authorization).toBe(secret);
  permit.cancel();
  await limiter.close();
});
