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

describe('answers in one piece, which nobody can end where the budget does', () => {
  const whole = { model: 'm', input, stream: false } as const;

  /** A limiter that has learned that answers are short. */
  function experienced(policy: object) {
    const made = world(policy);
    for (let i = 0; i < 30; i++) {
      const decision = made.limiter.admitNow({ ...whole, identity: `other-${i}` });
      if (!decision.admitted) throw new Error(decision.refusal.message);
      decision.permit.settle({ inputTokens: 100, outputTokens: 10 });
    }
    return made;
  }

  /** Caps of all that are let through of so many at once. */
  function crowd(limiter: Limiter, request: AdmitRequest, count = 50): number[] {
    const decisions = Array.from({ length: count }, () => limiter.admitNow({ identity: 'x', ...request }));
    return decisions.flatMap((one) => (one.admitted ? [one.permit.outputTokensMax()] : []));
  }

  test.each<[string, object]>([
    ['declare more than there is', { outputTokensMax: 5_000 }],
    ['declare what fits once', { outputTokensMax: 900 }],
    ['declare nothing', {}],
  ])('that %s may altogether use what the budget holds, and no more', (_, more) => {
    const { limiter } = experienced({ tokens: '2000/hour' });
    const caps = crowd(limiter, { ...whole, ...more });
    expect(caps.length).toBeGreaterThan(1);
    expect(caps.reduce((sum, cap) => sum + 100 + cap, 0)).toBeLessThanOrEqual(2_000);
  });

  test('have the whole of what they declare where there is room, all of them', () => {
    const { limiter } = experienced({ tokens: '100k/hour' });
    expect(crowd(limiter, { ...whole, outputTokensMax: 900 })).toEqual(Array(50).fill(900));
  });

  test('are not capped where the budget is far larger than answers are, and hold each other up only when it is not', () => {
    const { limiter } = experienced({ tokens: '500k/hour' });
    expect(crowd(limiter, whole)).toEqual(Array(50).fill(Number.POSITIVE_INFINITY));
  });

  test('give back at the end what they did not use', () => {
    const { limiter } = experienced({ tokens: '2000/hour' });
    const one = limiter.admitNow({ ...whole, identity: 'x', outputTokensMax: 900 });
    if (!one.admitted) throw new Error(one.refusal.message);
    expect(one.permit.reserved.outputTokens).toBeLessThan(50);
    one.permit.settle({ inputTokens: 100, outputTokens: 10 });
    expect(limiter.peekNow({ identity: 'x' })[0]?.remaining).toBe(1_890);
  });

  test('cost what was expected where nobody says what they cost', () => {
    const { limiter } = experienced({ tokens: '2000/hour' });
    const one = limiter.admitNow({ ...whole, identity: 'x', outputTokensMax: 900 });
    if (!one.admitted) throw new Error(one.refusal.message);
    const { inputTokens, outputTokens } = one.permit.reserved;
    one.permit.settle();
    expect(limiter.peekNow({ identity: 'x' })[0]?.remaining).toBe(2_000 - inputTokens - outputTokens);
  });

  test('that are counted as they come need no more room than was set aside for them', () => {
    const { limiter } = experienced({ tokens: '2000/hour' });
    const one = limiter.admitNow({ ...whole, identity: 'x', outputTokensMax: 1_900 });
    if (!one.admitted) throw new Error(one.refusal.message);
    expect([one.permit.meter(1_900), one.permit.meter(1)]).toEqual(['continue', 'stop']);
    expect(limiter.peekNow({ identity: 'x' })[0]?.remaining).toBe(0);
  });

  test('are covered only once they run, so that who waits for a slot keeps nobody out', async () => {
    const { clock, limiter } = experienced({ tokens: '10k/min', concurrency: { limit: 1, queue: true } });
    const decisions = Array.from({ length: 10 }, () =>
      limiter.admit({ ...whole, identity: 'x', outputTokensMax: 4_096 }).then((decision) => {
        if (!decision.admitted) return decision.refusal.reason;
        const cap = decision.permit.outputTokensMax();
        decision.permit.settle({ inputTokens: 100, outputTokens: 100 });
        return cap;
      }),
    );
    await clock.run(1_000);
    expect(await Promise.all(decisions)).toEqual(Array(10).fill(4_096));
  });

  test('that find only covers in their way are told to come when answers have ended, and then fit', () => {
    const { clock, limiter } = experienced({ tokens: '2000/day' });
    const running = Array.from({ length: 9 }, () =>
      limiter.admitNow({ ...whole, identity: 'x', outputTokensMax: 900 }),
    ).flatMap((one) => (one.admitted ? [one.permit] : []));
    const refused = limiter.admitNow({ ...whole, identity: 'x', outputTokensMax: 900 });
    expect(refused.admitted).toBe(false);
    expect(!refused.admitted && refused.refusal.retryAfterMs).toBeLessThanOrEqual(60_000);
    clock.advance(100);
    for (const permit of running) permit.settle({ inputTokens: 100, outputTokens: 10 });
    expect(limiter.admitNow({ ...whole, identity: 'x', outputTokensMax: 900 }).admitted).toBe(true);
  });

  test('are refused for now rather than cut short of what is expected while others are only covered', () => {
    const { limiter } = world({ tokens: '3000/day' });
    const caps = crowd(limiter, whole, 12);
    expect(Math.min(...caps)).toBeGreaterThanOrEqual(256);
    const refused = limiter.admitNow({ ...whole, identity: 'x' });
    expect(!refused.admitted && refused.refusal.retryAfterMs).toBeLessThanOrEqual(60_000);
  });

  test('raise no alert with what they are only covered with', () => {
    const { limiter } = experienced({ tokens: { limit: '20k', per: 'day', alertAt: '80%' } });
    const alerts: number[] = [];
    limiter.on('limit-alert', ({ share }) => alerts.push(share));
    expect(crowd(limiter, { ...whole, outputTokensMax: 4_096 }, 5)).toHaveLength(5);
    expect(alerts).toEqual([]);
  });

  test('are not covered where a spent budget ends answers with an error, since their caps stay', () => {
    const { limiter } = experienced({ tokens: '2000/hour', onBudgetSpent: 'error' });
    expect(crowd(limiter, { ...whole, outputTokensMax: 900 }, 8)).toEqual(Array(8).fill(900));
  });

  test('are not asked for again with less where it is not their size that is in the way', () => {
    const { limiter } = experienced({ tokens: '2000/hour', limits: [{ name: 'few', requests: '1/day' }] });
    crowd(limiter, { ...whole, outputTokensMax: 100 }, 1);
    const second = limiter.admitNow({ ...whole, identity: 'x', outputTokensMax: 100 });
    expect(!second.admitted && second.refusal.limit).toBe('few');
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
