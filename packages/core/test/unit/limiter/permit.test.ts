import { describe, expect, test } from 'vitest';
import type { AdmitRequest } from '../../../src/model.js';
import type { Permit } from '../../../src/settlement/permit.js';
import { minute, world } from '../../support/fixtures.js';

function admitted(policy: object, request: AdmitRequest = {}) {
  const { clock, limiter } = world(policy);
  const decision = limiter.admitNow(request);
  if (!decision.admitted) throw new Error(decision.refusal.message);
  const left = (): number => limiter.peekNow(request)[0]!.remaining;
  return { clock, limiter, permit: decision.permit, left };
}

const budget = { tokens: '1000/min' };
const asked: AdmitRequest = { input: { tokens: 100 }, outputTokensMax: 200 };

describe('settling', () => {
  test('sets the reservation right: what was not used is given back', () => {
    const { permit, left } = admitted(budget, asked);
    expect(left()).toBe(700);
    permit.settle({ inputTokens: 90, outputTokens: 50 });
    expect(left()).toBe(860);
  });

  test('keeps what was used beyond the reservation as debt', () => {
    const { permit, left } = admitted(budget, asked);
    permit.settle({ inputTokens: 900, outputTokens: 500 });
    expect(left()).toBe(-400);
  });

  test('without usage falls back to what was metered, then to what was reserved (I14)', () => {
    const metered = admitted(budget, asked);
    metered.permit.meter(30);
    metered.permit.settle();
    expect(metered.left()).toBe(870);
    const unmetered = admitted(budget, asked);
    unmetered.permit.settle({});
    expect(unmetered.left()).toBe(700);
  });

  test('an explicit zero stays zero, also one that was metered (I14)', () => {
    const zero = admitted(budget, asked);
    zero.permit.settle({ inputTokens: 0, outputTokens: 0 });
    expect(zero.left()).toBe(1000);
    const nothingCame = admitted(budget, asked);
    nothingCame.permit.meter(0);
    nothingCame.permit.settle({ inputTokens: 100 });
    expect(nothingCame.left()).toBe(900);
  });

  test.each<[string, unknown]>([
    ['NaN', Number.NaN],
    ['Infinity', Number.POSITIVE_INFINITY],
    ['a negative number', -500],
    ['more than can be counted', Number.MAX_VALUE],
    ['a text', '50'],
    ['null', null],
  ])('usage of %s is unknown, not believed: the limit is neither poisoned nor credited', (_, value) => {
    const { clock, permit, left, limiter } = admitted(budget, asked);
    permit.settle({ inputTokens: value as number, outputTokens: value as number });
    expect(left()).toBe(700);
    clock.advance(2 * minute);
    expect(limiter.peekNow(asked)[0]?.remaining).toBe(1000);
  });

  test.each<[string, unknown]>([
    ['null', null],
    ['undefined', undefined],
    ['a text', 'usage'],
    ['a number', 5],
    ['a list', [1, 2]],
    ['a promise', Promise.resolve({ inputTokens: 1 })],
  ])('with %s is settling with nothing reported, and gives the slot back', (_, usage) => {
    const { limiter, permit, left } = admitted({ ...budget, concurrency: 1 }, asked);
    permit.settle(usage as null);
    expect(left()).toBe(700);
    expect(limiter.stats()).toMatchObject({ inFlight: 0, open: 0 });
    expect(limiter.admitNow(asked).admitted).toBe(true);
  });

  test('with a usage that throws when it is read throws that, charges what was read before, and gives the slot back', () => {
    const { limiter, permit, left } = admitted({ ...budget, concurrency: 1 }, asked);
    const usage = {
      inputTokens: 1,
      get outputTokens(): number {
        throw new Error('no such number');
      },
    };
    expect(() => permit.settle(usage)).toThrow('no such number');
    expect(left()).toBe(799);
    expect(limiter.stats()).toMatchObject({ inFlight: 0, open: 0 });
  });

  test('twice, or after a cancellation, is told and changes nothing', () => {
    const { limiter, permit, left } = admitted({ ...budget, backends: ['http://a'] }, asked);
    const told: string[] = [];
    limiter.on('permit-ended-twice', ({ permitId }) => told.push(permitId));
    permit.settle({ inputTokens: 0, outputTokens: 10 });
    permit.settle({ inputTokens: 0, outputTokens: 900 });
    permit.cancel();
    expect(left()).toBe(990);
    expect(told).toEqual([permit.id, permit.id]);
    expect(limiter.stats()).toMatchObject({ inFlight: 0, open: 0, backends: [{ used: 0 }] });
  });

  test('cancelling charges nothing at all', () => {
    const { limiter, permit, left } = admitted({ ...budget, requests: '5/min' }, asked);
    permit.meter(50);
    permit.cancel();
    expect(limiter.peekNow(asked).map(({ remaining, limit }) => remaining === limit)).toEqual([true, true]);
    expect(left()).toBeGreaterThan(4);
  });
});

describe('metering', () => {
  test('goes on to the declared cap and stops past it, counting what was passed on only', () => {
    const { permit } = admitted(budget, asked);
    expect([permit.meter(150), permit.meter(50), permit.meter(1), permit.meter(0)]).toEqual([
      'continue',
      'continue',
      'stop',
      'continue',
    ]);
    expect(permit.metered).toBe(200);
  });

  test('past the reservation charges the budget token by token, and stops when it is spent', () => {
    const { permit, left } = admitted(budget, { input: { tokens: 100 } });
    const reserved = permit.reserved.outputTokens;
    expect(permit.meter(reserved)).toBe('continue');
    expect(left()).toBe(900 - reserved);
    expect(permit.meter(10)).toBe('continue');
    expect(left()).toBe(890 - reserved);
    expect(permit.meter(890 - reserved)).toBe('continue');
    expect(left()).toBe(0);
    expect(permit.meter(1)).toBe('stop');
    permit.settle();
    expect(left()).toBe(0);
  });

  test("is cut by the tier's cap where the request declares none or a larger one", () => {
    for (const outputTokensMax of [undefined, 5_000]) {
      const { permit } = admitted({ output: 50 }, outputTokensMax === undefined ? {} : { outputTokensMax });
      expect(permit.reserved.outputTokensMax).toBe(50);
      expect([permit.meter(50), permit.meter(1)]).toEqual(['continue', 'stop']);
    }
  });

  test('stops after the end', () => {
    const { permit } = admitted(budget, asked);
    permit.settle();
    expect(permit.meter(1)).toBe('stop');
  });

  test.each([Number.NaN, -10, Number.POSITIVE_INFINITY])('of %s counts nothing', (count) => {
    const { permit, left } = admitted(budget, asked);
    permit.meter(20);
    permit.meter(count);
    permit.settle({ inputTokens: 100 });
    expect(left()).toBe(880);
  });
});

test('a permit has an id of its own and a signal that is quiet while all is well', () => {
  const { limiter, permit } = admitted({});
  const other = limiter.admitNow({});
  expect(other.admitted && other.permit.id).not.toBe(permit.id);
  expect(permit.signal).toBe(permit.signal);
  permit.settle();
  expect([permit.signal.aborted, permit.ended]).toEqual([false, true]);
});

describe('what is asked for in numbers that are none', () => {
  const requests: readonly AdmitRequest[] = [
    { outputTokensMax: Number.NaN, input: { tokens: 1 } },
    { outputTokensMax: -5, input: { tokens: 1 } },
    { outputTokensMax: '5' as unknown as number, input: { tokens: 1 } },
    { outputTokensMax: null as unknown as number, input: { tokens: 1 } },
  ];
  test.each(requests)('%j never credits or poisons a limit', (request) => {
    const { clock, limiter } = world(budget);
    const decision = limiter.admitNow(request);
    if (decision.admitted) (decision.permit as Permit).settle();
    else expect(decision.refusal.retryAfterMs ?? 1).toBeGreaterThan(0);
    expect(limiter.peekNow({})[0]?.remaining).toBeLessThanOrEqual(1000);
    expect(limiter.peekNow({})[0]?.remaining).toBeGreaterThanOrEqual(0);
    clock.advance(2 * minute);
    expect(limiter.peekNow({})[0]?.remaining).toBe(1000);
  });
});

describe('an output cap', () => {
  const capped = (request: AdmitRequest) => admitted({ ...budget, output: 500 }, { input: { tokens: 1 }, ...request });

  test.each<[string, unknown]>([
    ['-1, as servers are told of no end', -1],
    ['NaN', Number.NaN],
    ['-Infinity', Number.NEGATIVE_INFINITY],
    ['null', null],
    ['a text', 'many'],
  ])('of %s is none: what is reserved and handed on is as without it', (_, outputTokensMax) => {
    const { permit, left } = capped({ outputTokensMax: outputTokensMax as number });
    const without = capped({});
    expect(permit.reserved).toEqual(without.permit.reserved);
    expect(permit.outputTokensMax()).toBe(without.permit.outputTokensMax());
    expect(permit.reserved.outputTokensMax).toBe(500);
    expect(left()).toBe(without.left());
    expect(permit.meter(10)).toBe('continue');
  });

  test('of zero is one: nothing is written, and nothing set aside for it', () => {
    const { permit, left } = capped({ outputTokensMax: 0 });
    expect([permit.reserved.outputTokens, permit.outputTokensMax(), left()]).toEqual([0, 0, 999]);
    expect(permit.meter(1)).toBe('stop');
  });
});

test.each<[given: unknown, words: string]>([
  [undefined, 'the request is missing'],
  [null, 'the request is null'],
  ['ann', 'the request is a string'],
])('%s for a request is an error that says so, by every door', async (given, words) => {
  const { limiter } = world(budget);
  const request = given as AdmitRequest;
  const told = expect.objectContaining({ code: 'HG_REQUEST', message: expect.stringContaining(words) });
  expect(() => limiter.admitNow(request)).toThrow(told);
  expect(() => limiter.peekNow(request)).toThrow(told);
  await expect(limiter.admit(request)).rejects.toEqual(told);
  await expect(limiter.run(request, () => 1)).rejects.toEqual(told);
  expect(limiter.stats()).toMatchObject({ inFlight: 0, open: 0 });
});

describe('a size of the prompt that is none', () => {
  const sizes = [-50, Number.NaN, Number.POSITIVE_INFINITY, '7', null];
  test.each(sizes)('%s is an error that names it, by every door, and holds nothing', async (tokens) => {
    const { limiter } = world({ ...budget, concurrency: 1 });
    const request: AdmitRequest = { identity: 'red', input: { tokens: tokens as number } };
    const told = expect.objectContaining({ code: 'HG_REQUEST', message: expect.stringContaining('input.tokens') });
    expect(() => limiter.admitNow(request)).toThrow(told);
    expect(() => limiter.peekNow(request)).toThrow(told);
    await expect(limiter.admit(request)).rejects.toEqual(told);
    await expect(limiter.run(request, () => 1)).rejects.toEqual(told);
    await expect(limiter.wrap(async () => 1, { describe: () => request })()).rejects.toEqual(told);
    expect(limiter.stats()).toMatchObject({ inFlight: 0, open: 0 });
    expect(limiter.admitNow({ identity: 'red' }).admitted).toBe(true);
  });

  test('is one too where no limit counts tokens: a mistake does not wait for the limit that shows it', () => {
    const { limiter } = world({ requests: '10/min' });
    expect(() => limiter.admitNow({ input: { tokens: Number.NaN } })).toThrow('input.tokens is NaN');
  });
});

describe('whenAborted', () => {
  test('calls back once with the reason at hand, and the signal made afterwards has it, too', () => {
    const { permit } = admitted(budget, asked);
    let calls = 0;
    permit.whenAborted(() => calls++);
    expect([permit.abortReason, calls]).toEqual([undefined, 0]);
    permit.abort('enough');
    permit.abort('again');
    expect([permit.abortReason, calls]).toEqual(['enough', 1]);
    expect([permit.signal.aborted, permit.signal.reason]).toEqual([true, 'enough']);
    permit.cancel();
  });

  test('is told when the limiter is closed and the time to drain is up', async () => {
    const { clock, limiter, permit } = admitted(budget, asked);
    let calls = 0;
    permit.whenAborted(() => calls++);
    const closed = limiter.close({ drainMs: 10 });
    await clock.run(10);
    await closed;
    expect([calls, permit.abortReason]).toMatchObject([1, { code: 'HG_CLOSED' }]);
    permit.cancel();
  });
});

test('tokens count as they stream, and are put right when their permit ends', () => {
  const { limiter, permit } = admitted({ requests: '10/min' }, asked);
  const second = limiter.admitNow(asked);
  permit.meter(5);
  permit.meter(6);
  if (second.admitted) second.permit.meter(4);
  expect(limiter.stats().tokens).toEqual({ input: 0, output: 15 });
  permit.settle({ inputTokens: 9, outputTokens: 10 });
  expect(limiter.stats().tokens).toEqual({ input: 9, output: 14 });
  if (second.admitted) second.permit.cancel();
  expect(limiter.stats().tokens).toEqual({ input: 9, output: 10 });
});
