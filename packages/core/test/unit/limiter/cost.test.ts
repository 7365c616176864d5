import { describe, expect, test } from 'vitest';
import type { LimiterEvents } from '../../../src/events.js';
import type { Limiter } from '../../../src/limiter.js';
import type { AdmitRequest, Charged } from '../../../src/model.js';
import type { Permit } from '../../../src/settlement/permit.js';
import { minute, world } from '../../support/fixtures.js';

const prices = { 'llama3.1:70b': { input: '$2', output: '$10' }, '*': { gpuSecond: '$0.5' } };

function admitted(limiter: Limiter, request: AdmitRequest): Permit {
  const decision = limiter.admitNow(request);
  if (!decision.admitted) throw new Error(`refused: ${decision.refusal.message}`);
  return decision.permit;
}

function remaining(limiter: Limiter, name: string, model = 'llama3.1:70b'): number {
  return limiter.peekNow({ identity: 'ann', model }).find((state) => state.name === name)!.remaining;
}

describe('dollars', () => {
  const policy = { cost: '$1/day', prices };
  const ask = { identity: 'ann', model: 'llama3.1:70b', input: { tokens: 100_000 }, outputTokensMax: 1_000 };

  test('are set aside for the prompt and for the output that is expected, before the model works', () => {
    const { limiter } = world(policy);
    const permit = admitted(limiter, ask);
    expect(permit.reserved).toMatchObject({ inputTokens: 100_000, outputTokens: 256 });
    expect(remaining(limiter, 'cost.day')).toBeCloseTo(1 - 0.2 - 0.00256, 9);
  });

  test('are settled on what was used, and the permit tells what it came to', () => {
    const { limiter } = world(policy);
    const events: LimiterEvents['reservation-settled'][] = [];
    limiter.on('reservation-settled', (event) => events.push(event));
    const permit = admitted(limiter, ask);
    permit.settle({ inputTokens: 50_000, outputTokens: 10_000 });
    const charged: Charged = { inputTokens: 50_000, outputTokens: 10_000, cost: 0.2, gpuSeconds: expect.any(Number) };
    expect(permit.charged).toEqual(charged);
    expect(events.map((event) => event.charged)).toEqual([charged]);
    expect(remaining(limiter, 'cost.day')).toBeCloseTo(0.8, 9);
  });

  test('refuse a request that costs more than is left, and say when there is more', () => {
    const { limiter, clock } = world({ ...policy, cost: '$1/hour' });
    admitted(limiter, { ...ask, input: { tokens: 400_000 } }).settle();
    const refused = limiter.admitNow({ ...ask, input: { tokens: 200_000 } });
    expect(refused).toMatchObject({ admitted: false, refusal: { reason: 'limit', limit: 'cost.hour' } });
    const { retryAfterMs } = (refused as { refusal: { retryAfterMs: number } }).refusal;
    clock.advance(retryAfterMs - 1);
    expect(limiter.admitNow({ ...ask, input: { tokens: 200_000 } }).admitted).toBe(false);
    clock.advance(1);
    expect(limiter.admitNow({ ...ask, input: { tokens: 200_000 } }).admitted).toBe(true);
  });

  test('refuse for ever a prompt that alone costs more than the limit', () => {
    const { limiter } = world(policy);
    const refused = limiter.admitNow({ ...ask, input: { tokens: 600_000 } });
    expect(refused).toMatchObject({ admitted: false, refusal: { limit: 'cost.day' } });
    expect((refused as { refusal: object }).refusal).not.toHaveProperty('retryAfterMs');
  });

  test('a small limit still lets small requests through: a guess of the output is clamped to what it could hold', () => {
    const { limiter } = world({ ...policy, cost: '$0.001/day' });
    const permit = admitted(limiter, { identity: 'ann', model: 'llama3.1:70b', input: { tokens: 10 } });
    // $0.001 less $0.00002 for the prompt buys 98 tokens at $0.00001.
    expect(permit.reserved.outputTokens).toBe(98);
  });

  test('stop the stream at the token that no longer fits', () => {
    const { limiter } = world({ ...policy, cost: '$0.001/day' });
    const permit = admitted(limiter, { identity: 'ann', model: 'llama3.1:70b', input: { tokens: 10 } });
    let delivered = 0;
    while (delivered < 1_000 && permit.meter(1) === 'continue') delivered++;
    expect(delivered).toBe(98);
    permit.settle({ outputTokens: delivered });
    expect(permit.charged?.cost).toBeCloseTo(0.001, 9);
  });

  test('of a model without a price are none', () => {
    const { limiter } = world({ cost: '$1/day', prices: { mistral: { input: '$2' } } });
    const permit = admitted(limiter, ask);
    permit.settle({ inputTokens: 100, outputTokens: 100 });
    expect(permit.charged?.cost).toBe(0);
  });

  test('of one address are shared by all who come from it', () => {
    const { limiter } = world({ prices, limits: [{ name: 'spend', per: 'all', cost: '$0.5/hour' }] });
    admitted(limiter, ask).settle({ inputTokens: 100_000, outputTokens: 30_000 });
    expect(limiter.admitNow({ ...ask, identity: 'bob' })).toMatchObject({ refusal: { limit: 'spend' } });
  });
});

describe('seconds of the accelerator', () => {
  const policy = { gpuSeconds: '60/hour', prices };
  const ask = { identity: 'ann', model: 'mistral', input: { tokens: 100 }, outputTokensMax: 100 };

  test('are charged as the backend reports them, and priced', () => {
    const { limiter } = world(policy);
    const permit = admitted(limiter, ask);
    permit.settle({ inputTokens: 100, outputTokens: 100, gpuSeconds: 12 });
    expect(permit.charged).toMatchObject({ gpuSeconds: 12, cost: 6 });
    expect(remaining(limiter, 'gpuSeconds.hour', 'mistral')).toBeCloseTo(48, 6);
  });

  test('are estimated by the rate of the model where the backend reports none', () => {
    const { limiter } = world(policy);
    // 110 units of work (100 written, 100 read at a tenth) in 11 s: a tenth of a second a unit.
    admitted(limiter, ask).settle({ inputTokens: 100, outputTokens: 100, gpuSeconds: 11 });
    const permit = admitted(limiter, ask);
    expect(remaining(limiter, 'gpuSeconds.hour', 'mistral')).toBeCloseTo(60 - 11 - 11, 6);
    permit.settle({ inputTokens: 100, outputTokens: 50 });
    expect(permit.charged?.gpuSeconds).toBeCloseTo(6, 6);
  });

  test('a reported zero is a zero', () => {
    const { limiter } = world(policy);
    const permit = admitted(limiter, ask);
    permit.settle({ inputTokens: 0, outputTokens: 0, gpuSeconds: 0 });
    expect(permit.charged).toEqual({ inputTokens: 0, outputTokens: 0, gpuSeconds: 0, cost: 0 });
    expect(remaining(limiter, 'gpuSeconds.hour', 'mistral')).toBe(60);
  });

  test.each([
    { inputTokens: 8.4e-323, outputTokens: 0, gpuSeconds: 798 },
    { inputTokens: 1, outputTokens: 0, gpuSeconds: Number.MAX_SAFE_INTEGER },
  ])('a time that cannot be is charged, and keeps nobody else from the model: %j', (usage) => {
    const { limiter } = world({ gpuSeconds: '100k/hour', prices });
    const first = limiter.admitNow({ identity: 'ann', model: 'mistral', input: { tokens: 3 } });
    if (first.admitted) first.permit.settle(usage);
    expect(limiter.admitNow({ identity: 'bob', model: 'mistral', input: { tokens: 3 } }).admitted).toBe(true);
  });

  test('a debt is kept, and refuses until the window has let it go', () => {
    const { limiter, clock } = world({ gpuSeconds: '10/min' });
    admitted(limiter, ask).settle({ inputTokens: 100, outputTokens: 100, gpuSeconds: 25 });
    expect(limiter.admitNow(ask)).toMatchObject({ admitted: false, refusal: { limit: 'gpuSeconds.min' } });
    clock.advance(2 * minute);
    expect(limiter.admitNow(ask).admitted).toBe(true);
  });
});
