/** What becomes of an answer whose budget ends: the cap that is asked for before, and the stop in its middle. */
import { describe, expect, test } from 'vitest';
import { Limiter } from '../../../src/limiter.js';
import type { AdmitRequest } from '../../../src/model.js';
import { parsePolicy } from '../../../src/policy/parse.js';
import type { Permit } from '../../../src/settlement/permit.js';
import { MemoryStore } from '../../../src/store/memory.js';
import type { Store } from '../../../src/store/store.js';
import { VirtualClock } from '../../../src/testing/virtual-clock.js';
import { world } from '../../support/fixtures.js';

function admitted(policy: object, request: AdmitRequest = {}, before: readonly AdmitRequest[] = []): Permit {
  const { limiter } = world(policy);
  for (const one of before) limiter.admitNow(one);
  const decision = limiter.admitNow(request);
  if (!decision.admitted) throw new Error(decision.refusal.message);
  return decision.permit;
}

const input = { tokens: 100 };

describe('the cap to ask the backend for', () => {
  test.each<[string, object, AdmitRequest, number]>([
    ['none where nothing is limited', { requests: '10/min' }, { input }, Number.POSITIVE_INFINITY],
    ['the declared one where no budget is', { requests: '10/min' }, { input, outputTokensMax: 50 }, 50],
    ['the declared one where the budget holds more', { tokens: '1000/hour' }, { input, outputTokensMax: 50 }, 50],
    ['what the budget holds beside the prompt', { tokens: '1000/hour' }, { input }, 900],
    ['what the budget holds where more was declared', { tokens: '1000/hour' }, { input, outputTokensMax: 5_000 }, 900],
    ['what a budget of output tokens holds', { outputTokens: '700/hour' }, { input }, 700],
    ['nothing less for a budget of input tokens', { inputTokens: '700/hour' }, { input }, Number.POSITIVE_INFINITY],
    ['the least of several budgets', { tokens: ['1000/hour', '400/day'] }, { input }, 300],
    ['nothing less for a dry run', { tokens: '1000/hour', mode: 'shadow' }, { input }, Number.POSITIVE_INFINITY],
    [
      'none where the budget is far larger than answers are',
      { tokens: '9M/hour' },
      { input },
      Number.POSITIVE_INFINITY,
    ],
    ['the declared one, however large', { tokens: '9M/hour' }, { input, outputTokensMax: 100_000 }, 100_000],
    ['the output cap of the tier', { tokens: '9M/hour', output: 4096 }, { input }, 4096],
  ])('is %s', (_, policy, request, cap) => {
    expect(admitted(policy, request).outputTokensMax()).toBe(cap);
  });

  test('is what a budget in dollars buys', () => {
    const prices = { m: { input: '$1', output: '$10' } };
    const permit = admitted({ cost: '$0.0101/day', prices }, { model: 'm', input });
    expect(permit.outputTokensMax()).toBe(1_000);
  });

  test('is what others have left', () => {
    const others = [
      { input, outputTokensMax: 100 },
      { input, outputTokensMax: 100 },
    ];
    expect(admitted({ tokens: '1000/hour' }, { input, outputTokensMax: 5_000 }, others).outputTokensMax()).toBe(500);
  });

  test('is the declared one where a spent budget ends answers with an error', () => {
    const policy = { tokens: '1000/hour', onBudgetSpent: 'error' };
    expect(admitted(policy, { input, outputTokensMax: 5_000 }).outputTokensMax()).toBe(5_000);
    expect(admitted(policy, { input }).outputTokensMax()).toBe(Number.POSITIVE_INFINITY);
  });
});

describe('a store that answers later', () => {
  /** The memory store, each answer a promise. */
  function later(clock: VirtualClock): Store {
    const store = new MemoryStore(clock);
    return {
      sync: false,
      configure: (...args) => store.configure(...args),
      prepare: (limits) => store.prepare(limits),
      reserve: async (...args) => store.reserve(...args),
      debit: async (...args) => store.debit(...args),
      settle: async (...args) => store.settle(...args),
      cancel: async (...args) => store.cancel(...args),
      peek: async (...args) => store.peek(...args),
      stats: () => store.stats(),
    };
  }

  function limiterOf(policy: object): Limiter {
    const clock = new VirtualClock();
    return new Limiter(parsePolicy(policy), { clock, store: later(clock) });
  }

  test('is not asked for what budgets hold, so that the cap is the declared one', async () => {
    const limiter = limiterOf({ tokens: '1000/hour' });
    const decision = await limiter.admit({ input, outputTokensMax: 5_000 });
    expect(decision.admitted && decision.permit.outputTokensMax()).toBe(5_000);
  });

  test('is asked for less where the length of an answer is a guess', async () => {
    const limiter = limiterOf({ tokens: '500/hour' });
    const reserved = async (): Promise<number | undefined> => {
      const decision = await limiter.admit({ input });
      return decision.admitted ? decision.permit.reserved.outputTokens : undefined;
    };
    expect([await reserved(), await reserved(), await reserved()]).toEqual([256, 32, undefined]);
  });
});

describe('a permit that says stop', () => {
  test('says whether the cap or a budget ended the answer', () => {
    const capped = admitted({ tokens: '1000/hour' }, { input, outputTokensMax: 20 });
    expect([capped.meter(20), capped.stoppedBy, capped.meter(1), capped.stoppedBy]).toEqual([
      'continue',
      undefined,
      'stop',
      'cap',
    ]);
    const spent = admitted({ tokens: '1000/hour' }, { input });
    expect([spent.meter(900), spent.stoppedBy, spent.meter(1), spent.stoppedBy]).toEqual([
      'continue',
      undefined,
      'stop',
      'budget',
    ]);
  });

  test('stops a stream exactly where the cap would have ended it', () => {
    const permit = admitted({ tokens: '1000/hour' }, { input });
    const cap = permit.outputTokensMax();
    for (let token = 1; token <= cap; token++) expect(permit.meter(1)).toBe('continue');
    expect(permit.meter(1)).toBe('stop');
  });
});
