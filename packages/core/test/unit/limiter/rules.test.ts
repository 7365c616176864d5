import { describe, expect, test } from 'vitest';
import type { Limiter } from '../../../src/limiter.js';
import type { AdmitRequest, Refusal } from '../../../src/model.js';
import { settled } from '../../../src/testing/virtual-clock.js';
import { day, hour, minute, second, world } from '../../support/fixtures.js';
import { journal, visit } from '../../support/timeline.js';

function refusal(limiter: Limiter, request: AdmitRequest = {}): Refusal | undefined {
  const decision = limiter.admitNow(request);
  return decision.admitted ? undefined : decision.refusal;
}

const times = (count: number, limiter: Limiter, request: AdmitRequest = {}): (string | undefined)[] =>
  Array.from({ length: count }, () => refusal(limiter, request)?.reason);

describe('both sides of every boundary', () => {
  test('60 a minute with a burst of 10: ten at once, then one a second', () => {
    const { clock, limiter } = world({ requests: '60/min burst 10' });
    expect(times(11, limiter)).toEqual([...new Array(10).fill(undefined), 'limit']);
    clock.advance(999);
    expect(refusal(limiter)).toMatchObject({
      status: 429,
      limit: 'requests.min',
      measure: 'requests',
      retryAfterMs: 1,
    });
    clock.advance(1);
    expect(times(2, limiter)).toEqual([undefined, 'limit']);
    clock.advance(hour);
    expect(times(11, limiter).filter((reason) => reason === 'limit')).toHaveLength(1);
  });

  test('tokens: the last one fits, one more does not, and what could never fit is told so without an instant', () => {
    const { limiter } = world({ tokens: '1000/hour' });
    const embed = (tokens: number): AdmitRequest => ({ operation: 'embed', input: { tokens } });
    expect(refusal(limiter, embed(999))).toBeUndefined();
    expect(refusal(limiter, embed(2))?.retryAfterMs).toBe(hour + hour / 60);
    expect(refusal(limiter, embed(1))).toBeUndefined();
    expect(refusal(limiter, embed(1))?.reason).toBe('limit');
    expect(refusal(limiter, embed(1001))).toEqual({
      reason: 'limit',
      status: 429,
      limit: 'tokens.hour',
      measure: 'tokens',
      message: expect.stringContaining('1000 tokens per hour'),
    });
  });

  test('a calendar day ends at midnight of the time zone', () => {
    // The clock starts at 12:00 UTC, which is 21:00 in Tokyo.
    const { clock, limiter } = world({ tokens: '10/day', timeZone: 'Asia/Tokyo' });
    const one: AdmitRequest = { operation: 'embed', input: { tokens: 10 } };
    expect(refusal(limiter, one)).toBeUndefined();
    expect(refusal(limiter, one)?.retryAfterMs).toBe(3 * hour);
    clock.advance(3 * hour - 1);
    expect(refusal(limiter, one)?.retryAfterMs).toBe(1);
    clock.advance(1);
    expect(refusal(limiter, one)).toBeUndefined();
    expect(refusal(limiter, one)?.retryAfterMs).toBe(day);
  });

  test('input: the largest prompt passes, one token more is 413 and charged nothing', () => {
    const { limiter } = world({ input: 500, requests: '10/min' });
    expect(refusal(limiter, { input: { tokens: 501 } })).toMatchObject({ reason: 'too-large', status: 413 });
    expect(limiter.peekNow({})[0]?.remaining).toBe(10);
    expect(refusal(limiter, { input: { tokens: 500 } })).toBeUndefined();
  });
});

describe('concurrency', () => {
  test("an identity's own refuses at once, and lets in again when one ends", async () => {
    const { limiter } = world({ concurrency: 2 });
    const held = [visit(limiter, 'ann'), visit(limiter, 'ann')];
    await settled();
    const third = visit(limiter, 'ann');
    const other = visit(limiter, 'bob');
    await settled();
    expect(third.refusal).toMatchObject({ reason: 'concurrency', status: 429, limit: 'concurrency' });
    expect(third.refusal.retryAfterMs).toBeGreaterThanOrEqual(second);
    expect(other.state).toBe('admitted');
    held[0]!.permit.settle();
    const fourth = visit(limiter, 'ann');
    await settled();
    expect(fourth.state).toBe('admitted');
  });

  test.each<[string, object]>([
    ['over all', { limits: [{ name: 'house', per: 'all', concurrency: 1 }] }],
    ['of a model', { limits: [{ name: 'big', per: 'model', match: { model: 'm' }, concurrency: 1 }] }],
    ['of an identity with `queue: true`', { limits: [{ name: 'own', per: 'identity', concurrency: 1, queue: true }] }],
  ])('%s waits in the queue', async (_, policy) => {
    const { clock, limiter } = world({ ...policy, queue: { wait: '5s' } });
    const first = visit(limiter, 'ann', { model: 'm' });
    const next = visit(limiter, 'ann', { model: 'm' });
    const last = visit(limiter, 'ann', { model: 'm' });
    await settled();
    expect([first.state, next.state]).toEqual(['admitted', 'waiting']);
    first.permit.settle();
    await settled();
    expect(next.state).toBe('admitted');
    await clock.run(5 * second);
    expect(last.refusal.reason).toBe('queue-timeout');
  });

  test.each<[string, object]>([
    ['over all', { limits: [{ name: 'house', per: 'all', concurrency: 1, queue: false }] }],
    ['of a model', { limits: [{ name: 'big', per: 'model', concurrency: 1, queue: false }] }],
  ])('%s with `queue: false` refuses at once', async (_, policy) => {
    const { limiter } = world(policy);
    visit(limiter, 'ann', { model: 'm' });
    const next = visit(limiter, 'bob', { model: 'm' });
    await settled();
    expect(next.refusal).toMatchObject({ reason: 'concurrency', status: 429 });
  });

  test('of one model does not hold up the others', async () => {
    const { limiter } = world({
      limits: [{ name: 'big', per: ['identity', 'model'], match: { model: 'big:*' }, concurrency: 1, queue: true }],
    });
    const [first, same, other] = ['big:70b', 'big:70b', 'small'].map((model) => visit(limiter, 'ann', { model }));
    await settled();
    expect([first!.state, same!.state, other!.state]).toEqual(['admitted', 'waiting', 'admitted']);
  });

  test('admitNow never waits for a slot', () => {
    const { limiter } = world({ backends: ['http://a'] });
    expect(times(2, limiter)).toEqual([undefined, 'concurrency']);
    expect(limiter.stats()).toMatchObject({ inFlight: 1, waiting: 0, open: 1 });
  });

  test('is counted to the end of the body, not less when the permit is only metered', async () => {
    const { limiter } = world({ concurrency: 1 });
    const held = visit(limiter, 'ann');
    await settled();
    for (let i = 0; i < 100; i++) held.permit.meter(1);
    expect(refusal(limiter, { identity: 'ann' })?.reason).toBe('concurrency');
  });
});

describe('tiers', () => {
  const policy = {
    identity: [{ apiKey: { keys: { 'sk-1': { id: 'vip', tier: 'premium' }, 'sk-2': { id: 'plain', tier: 'free' } } } }],
    requests: '1/min',
    tiers: {
      free: { models: ['small', 'tiny:*'], requests: '2/min' },
      premium: { extends: 'free', models: ['*'], requests: '3/min' },
    },
  };

  test('a declared name brings its tier, everyone else is of the default one, each with counters of their own', () => {
    const { limiter } = world(policy);
    const admitted = (identity: string) =>
      times(5, limiter, { identity, model: 'small' }).filter((reason) => reason === undefined).length;
    expect(['vip', 'plain', 'stranger', 'other'].map(admitted)).toEqual([3, 2, 1, 1]);
  });

  test('a model outside the list is 403 before anything is charged, in whatever spelling', () => {
    const { limiter } = world(policy);
    for (const model of ['big', 'Big:latest', 'tinylama', 'tiny-2:1b', 'smaller']) {
      expect(refusal(limiter, { identity: 'plain', model })).toMatchObject({ reason: 'forbidden', status: 403 });
    }
    expect(limiter.peekNow({ identity: 'plain', model: 'small' })[0]?.remaining).toBe(2);
    for (const model of ['SMALL:latest', 'Tiny']) {
      expect(refusal(limiter, { identity: 'plain', model })).toBeUndefined();
    }
    for (const model of ['big', 'registry.ollama.ai/library/tiny:q4']) {
      expect(refusal(limiter, { identity: 'vip', model })).toBeUndefined();
    }
  });

  test('one name in all its spellings is one counter', () => {
    const { limiter } = world({ limits: [{ name: 'per-model', per: 'model', requests: '3/min' }] });
    const spellings = [
      'llama3.2',
      'Llama3.2:latest',
      ' registry.ollama.ai/library/llama3.2',
      'https://registry.ollama.ai/library/llama3.2',
      'foo://registry.ollama.ai/library/llama3.2',
    ];
    expect(spellings.map((model) => refusal(limiter, { model })?.reason)).toEqual([
      undefined,
      undefined,
      undefined,
      'limit',
      'limit',
    ]);
  });
});

describe('which limits apply', () => {
  test('cheap reads count on nothing that does not name them', () => {
    const { limiter } = world({
      requests: '1/min',
      limits: [{ name: 'reads', match: { operation: 'models' }, requests: '2/min' }],
    });
    expect(times(3, limiter, { operation: 'models' })).toEqual([undefined, undefined, 'limit']);
    expect(times(2, limiter)).toEqual([undefined, 'limit']);
  });

  test('addresses and identities are counted apart', () => {
    const { limiter } = world({ requests: '10/min', limits: [{ name: 'trial', per: 'address', requests: '2/min' }] });
    const from = (identity: string, address: string) => refusal(limiter, { identity, address })?.limit;
    expect([from('a', '1'), from('b', '1'), from('c', '1'), from('c', '2')]).toEqual([
      undefined,
      undefined,
      'trial',
      undefined,
    ]);
  });

  test('several at once charge all or none, and the longest wait is told', () => {
    const { limiter } = world({
      requests: '10/min',
      tokens: '100/hour',
      limits: [{ name: 'all', per: 'all', tokens: '50/day' }],
    });
    const ask = (tokens: number) => refusal(limiter, { operation: 'embed', input: { tokens } });
    expect(ask(40)).toBeUndefined();
    expect(ask(20)).toMatchObject({ limit: 'all', retryAfterMs: 12 * hour });
    expect(limiter.peekNow({}).map(({ remaining }) => remaining)).toEqual([9, 60, 10]);
  });

  test('a shadow limit refuses nobody, is told, and leaves no trace in the decision', () => {
    const { limiter } = world({ limits: [{ name: 'trial', requests: '1/min', mode: 'shadow' }] });
    const log = journal(limiter, ['request-would-refuse', 'request-refused']);
    const told: unknown[] = [];
    limiter.on('request-would-refuse', (event) => told.push([event.limit, event.measure, event.retryAfterMs]));
    expect(times(3, limiter, { identity: 'ann' })).toEqual([undefined, undefined, undefined]);
    expect(log).toEqual(['ann request-would-refuse', 'ann request-would-refuse']);
    expect(told[0]).toEqual(['trial', 'requests', minute]);
  });
});

describe('progress under small limits (F11)', () => {
  test('a guess larger than the limit is cut to it, so that a fresh limit admits', () => {
    const { limiter } = world({ tokens: '100/hour' });
    expect(refusal(limiter, { input: { tokens: 40 } })).toBeUndefined();
    expect(limiter.peekNow({})[0]?.remaining).toBe(0);
  });

  test('a guess gives way to what is left, so that short answers use a small limit up', () => {
    const { clock, limiter } = world({ tokens: '300/hour' });
    const short = (): boolean => {
      const decision = limiter.admitNow({ input: { tokens: 9 } });
      if (decision.admitted) decision.permit.settle({ inputTokens: 9, outputTokens: 18 });
      return decision.admitted;
    };
    expect(Array.from({ length: 12 }, short).filter(Boolean)).toHaveLength(11);
    const against = refusal(limiter, { input: { tokens: 9 } });
    expect(against).toMatchObject({ reason: 'limit', measure: 'tokens' });
    clock.advance(against!.retryAfterMs! - 1);
    expect(short()).toBe(false);
    clock.advance(1);
    expect(short()).toBe(true);
  });

  test('what is left is set aside once, however many ask for it', () => {
    const { limiter } = world({ tokens: '300/hour' });
    const ask = (): number => {
      const decision = limiter.admitNow({ input: { tokens: 9 } });
      return decision.admitted ? decision.permit.reserved.outputTokens : 0;
    };
    expect([ask(), ask(), ask()]).toEqual([256, 0, 0]);
    const larger = world({ tokens: '600/hour' }).limiter;
    const first = larger.admitNow({ input: { tokens: 9 } });
    const second = larger.admitNow({ input: { tokens: 9 } });
    const third = larger.admitNow({ input: { tokens: 9 } });
    expect([first, second, third].map(({ admitted }) => admitted)).toEqual([true, true, true]);
    expect(larger.peekNow({})[0]?.remaining).toBe(0);
    expect(larger.admitNow({ input: { tokens: 9 } }).admitted).toBe(false);
  });

  test('what was learned does not give way: an answer that would not fit is refused, and told when it will', () => {
    const { limiter } = world({ tokens: '1000/hour' });
    for (let i = 0; i < 10; i++) {
      const decision = limiter.admitNow({ input: { tokens: 9 } });
      if (decision.admitted) decision.permit.settle({ inputTokens: 1, outputTokens: 80 });
    }
    expect(limiter.peekNow({})[0]?.remaining).toBe(190);
    expect(refusal(limiter, { input: { tokens: 9 } })).toBeUndefined();
    expect(limiter.peekNow({})[0]?.remaining).toBe(190 - 9 - 80);
    expect(refusal(limiter, { input: { tokens: 30 } })?.retryAfterMs).toBeGreaterThan(0);
  });

  test('`reserve: strict` sets the declared maximum aside, or says that it can never fit', () => {
    const { limiter } = world({ tokens: '100/hour', reserve: 'strict' });
    expect(refusal(limiter, { input: { tokens: 40 }, outputTokensMax: 61 })).toMatchObject({ reason: 'limit' });
    expect(refusal(limiter, { input: { tokens: 40 }, outputTokensMax: 61 })?.retryAfterMs).toBeUndefined();
    expect(refusal(limiter, { input: { tokens: 40 }, outputTokensMax: 60 })).toBeUndefined();
  });
});

test('peek shows where the limits stand and changes nothing', async () => {
  const { limiter } = world({
    requests: '60/min burst 10',
    tokens: '100/hour',
    concurrency: 2,
    limits: [{ name: 'house', per: 'all', concurrency: 9 }],
  });
  const before = await limiter.peek({ identity: 'ann' });
  expect(before.map(({ name, limit, remaining, mode }) => [name, limit, remaining, mode])).toEqual([
    ['requests.min', 60, 10, 'enforce'],
    ['tokens.hour', 100, 100, 'enforce'],
    ['concurrency', 2, 2, 'enforce'],
    ['house', 9, 9, 'enforce'],
  ]);
  for (let i = 0; i < 10; i++) expect(limiter.peekNow({ identity: 'ann' })).toEqual(before);
  expect(limiter.stats().keys).toBe(0);
});

test('a store that promises its answers cannot be asked to answer now', async () => {
  const { limiter } = world({});
  const store = {
    sync: false,
    configure() {},
    prepare: (limits: unknown) => ({ limits }),
    stats: () => ({ keys: 0, open: 0 }),
  };
  const { limiter: late } = world({}, { store: store as never });
  expect(() => late.admitNow({})).toThrow(expect.objectContaining({ code: 'HG_STORE_ASYNC' }));
  expect(() => late.peekNow({})).toThrow(expect.objectContaining({ code: 'HG_STORE_ASYNC' }));
  expect(limiter.admitNow({}).admitted).toBe(true);
});
