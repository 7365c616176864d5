/** A pattern of tags is about the default tag too, however it is spelt, wherever a policy has patterns. */
import { expect, test } from 'vitest';
import { world } from '../../support/fixtures.js';

const spellings = ['codellama', 'codellama:latest', 'CodeLlama', 'library/codellama:latest', 'codellama:7b'];

test('a limit that matches `codellama:*` counts them all', () => {
  const { limiter } = world({
    limits: [{ name: 'code', match: { model: 'codellama:*' }, per: 'all', requests: '5/hour' }],
  });
  for (const model of spellings) expect(limiter.admitNow({ model }).admitted, model).toBe(true);
  for (const model of spellings) {
    const decision = limiter.admitNow({ model });
    expect(decision.admitted ? 'admitted' : decision.refusal.limit, model).toBe('code');
  }
  expect(limiter.admitNow({ model: 'mistral' }).admitted).toBe(true);
});

test('a price for `codellama:*` is paid for them all', () => {
  for (const model of spellings) {
    const { limiter } = world({ prices: { 'codellama:*': { input: '$1' } }, cost: '$10/day' });
    const decision = limiter.admitNow({ model, input: { tokens: 2_000_000 } });
    if (!decision.admitted) throw new Error(decision.refusal.message);
    decision.permit.settle();
    expect(limiter.peekNow({ model })[0]!.remaining, model).toBeCloseTo(8);
  }
});

test('of several prices the first that fits is paid, as it is written', () => {
  const first = (prices: object): number => {
    const { limiter } = world({ prices, cost: '$10/day' });
    const decision = limiter.admitNow({ model: 'codellama', input: { tokens: 1_000_000 } });
    if (decision.admitted) decision.permit.settle();
    return Math.round(limiter.peekNow({ model: 'codellama' })[0]!.remaining);
  };
  const one = { input: '$1' };
  const two = { input: '$2' };
  expect(first({ codellama: one, 'codellama:*': two })).toBe(9);
  expect(first({ 'codellama:*': two, codellama: one })).toBe(8);
});

test('a tier that may use `codellama:*` may use them all, and a backend that serves `codellama:*` serves them all', () => {
  const { limiter } = world({ models: ['codellama:*'], backends: [{ url: 'http://a', models: ['codellama:*'] }] });
  for (const model of spellings) expect(limiter.refusesForGood({ model }), model).toBeUndefined();
  expect(limiter.refusesForGood({ model: 'mistral' })?.reason).toBe('forbidden');
});

test('a backend that serves `codellama:*` stands in for one that serves `codellama`', () => {
  const failing = (models: string[]): string[] => {
    const { limiter } = world({
      backends: [
        { url: 'http://a', name: 'a', models: ['codellama'] },
        { url: 'http://b', name: 'b', models },
      ],
      pool: { eject: { failures: 1, max: 0.5 } },
    });
    const decision = limiter.admitNow({ model: 'codellama' });
    if (decision.admitted) {
      decision.permit.failed('reset');
      decision.permit.cancel();
    }
    return limiter.stats().backends.map(({ state }) => state);
  };
  expect(failing(['codellama:*'])).toContain('ejected');
  expect(failing(['codellama:7b'])).not.toContain('ejected');
});
