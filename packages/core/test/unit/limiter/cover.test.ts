/** Covers of answers in one piece, where something else happens meanwhile: what others are told, and what is left behind. */
import { describe, expect, test } from 'vitest';
import { Limiter } from '../../../src/limiter.js';
import type { AdmitRequest, Refusal } from '../../../src/model.js';
import { parsePolicy } from '../../../src/policy/parse.js';
import type { Permit } from '../../../src/settlement/permit.js';
import { settled, VirtualClock } from '../../../src/testing/virtual-clock.js';
import { minute, world } from '../../support/fixtures.js';
import { LaterStore } from '../../support/later-store.js';

const whole = { model: 'm', input: { tokens: 100 }, stream: false, identity: 'x' } as const;

/** Has it learn that answers are short. */
async function taught(limiter: Limiter): Promise<void> {
  for (let i = 0; i < 30; i++) {
    const decision = await limiter.admit({ ...whole, identity: `other-${i}` });
    if (decision.admitted) decision.permit.settle({ inputTokens: 100, outputTokens: 10 });
  }
}

async function permitOf(limiter: Limiter, more: AdmitRequest = {}): Promise<Permit> {
  const decision = await limiter.admit({ ...whole, ...more });
  if (!decision.admitted) throw new Error(decision.refusal.message);
  return decision.permit;
}

async function refusalOf(limiter: Limiter, more: AdmitRequest = {}): Promise<Refusal> {
  const decision = await limiter.admit({ ...whole, ...more });
  if (decision.admitted) throw new Error('it was let through');
  return decision.refusal;
}

/** A limiter on a shared store that is asked from afar. */
async function afar(policy: object) {
  const clock = new VirtualClock();
  const store = new LaterStore(clock);
  const limiter = new Limiter(parsePolicy(policy), { clock, store });
  await taught(limiter);
  return { clock, store, limiter };
}

describe('who finds covers in the way', () => {
  test('is not told to come soon where another limit keeps it out for longer', async () => {
    const { limiter } = world({ tokens: '2000/day', limits: [{ name: 'few', requests: '2/hour', per: 'identity' }] });
    await taught(limiter);
    await permitOf(limiter, { outputTokensMax: 1_700 });
    await permitOf(limiter, { outputTokensMax: 1_700 });
    // The tokens are covered, and will be back soon; the requests are not.
    const { retryAfterMs } = await refusalOf(limiter, { input: { tokens: 600 }, outputTokensMax: 1_000 });
    expect(retryAfterMs).toBe(30 * minute);
  });

  test('is told to come soon where they hold all that is missing, and not where they hold one unit less', async () => {
    const { limiter } = world({ tokens: '2000/day' });
    await taught(limiter);
    await permitOf(limiter, { outputTokensMax: 1_700 });
    const waitMs = async (tokens: number): Promise<number | undefined> =>
      (await refusalOf(limiter, { input: { tokens }, outputTokensMax: 10 })).retryAfterMs;
    // Once the answer is over there is room for what was not covered: 1890 tokens, 10 of them for the output.
    expect(await waitMs(1_880)).toBeLessThanOrEqual(minute);
    expect(await waitMs(1_881)).toBeGreaterThan(minute);
  });

  test('in a run is not told that the run has used all it may', async () => {
    const { limiter } = world({ run: { tokens: 2_000 } });
    await taught(limiter);
    const first = await permitOf(limiter, { run: 'r1', outputTokensMax: 1_900 });
    const refusal = await refusalOf(limiter, { run: 'r1', outputTokensMax: 1_900 });
    expect(refusal).toMatchObject({ reason: 'limit', limit: 'run.tokens', measure: 'tokens' });
    expect(refusal.retryAfterMs).toBeLessThanOrEqual(60_000);
    expect(refusal.message).not.toContain('used all');
    first.settle({ inputTokens: 100, outputTokens: 10 });
    expect((await permitOf(limiter, { run: 'r1' })).ended).toBe(false);
  });
});

test('a cover takes no slot, and gives none back', async () => {
  const { limiter } = world({ tokens: '100k/day', concurrency: 2 });
  await taught(limiter);
  for (let i = 0; i < 5; i++) (await permitOf(limiter, { outputTokensMax: 900 })).settle();
  expect((await limiter.peek(whole)).map(({ remaining }) => remaining).at(-1)).toBe(2);
  for (let i = 0; i < 2; i++) await permitOf(limiter, { outputTokensMax: 900 });
  expect(await refusalOf(limiter, { outputTokensMax: 900 })).toMatchObject({ reason: 'concurrency' });
});

describe('a client that leaves while its answer is covered', () => {
  test('is let go of, and leaves nothing behind', async () => {
    const { clock, store, limiter } = await afar({ tokens: '2000/hour', concurrency: 1 });
    store.latencyMs = 10;
    const leaving = new AbortController();
    const decided = limiter.admit({ ...whole, outputTokensMax: 900 }, { signal: leaving.signal });
    const outcome = decided.then(
      () => 'let through',
      (error: unknown) => error,
    );
    // The permit is made, and the cover is asked for.
    while (limiter.stats().inFlight === 0) {
      clock.advance(1);
      await settled();
    }
    leaving.abort('gone');
    await clock.run(100);
    expect(await outcome).toBe('gone');
    expect(limiter.stats()).toMatchObject({ inFlight: 0, open: 0 });
    store.latencyMs = 0;
    expect((await limiter.peek(whole)).map(({ remaining }) => remaining)).toEqual([2_000, 1]);
  });
});

describe('alerts', () => {
  test('do not take for used what a shared store has not been told yet is back', async () => {
    const { store, limiter } = await afar({ tokens: { limit: '20k', per: 'day', alertAt: '50%' } });
    const alerts: number[] = [];
    limiter.on('limit-alert', ({ share }) => alerts.push(share));
    const permit = await permitOf(limiter, { outputTokensMax: 12_000 });
    store.endingsLater = true;
    permit.settle({ inputTokens: 100, outputTokens: 10 });
    await settled();
    expect(alerts).toEqual([]);
  });

  test('of a dry run leave out only the covers that it counts', async () => {
    const { limiter } = world({
      tokens: '100k/day',
      limits: [{ name: 'dry', tokens: '2000/day', per: 'identity', mode: 'shadow', alertAt: '80%' }],
    });
    await taught(limiter);
    const alerts: number[] = [];
    limiter.on('limit-alert', ({ share }) => alerts.push(share));
    // Its cover has no room in the limit of the dry run, which does not count it then.
    await permitOf(limiter, { input: { tokens: 10 }, outputTokensMax: 5_000 });
    const decision = await limiter.admit({ identity: 'x', model: 'm', input: { tokens: 1_700 }, stream: true });
    expect(decision.admitted).toBe(true);
    expect(alerts).toHaveLength(1);
  });
});

test.each(['settled', 'cancelled'])('what was set aside comes back to a bucket with the cover (%s)', async (how) => {
  const { limiter } = world({ tokens: '12k/day burst 12000' });
  await taught(limiter);
  const permit = await permitOf(limiter, { outputTokensMax: 3_000 });
  if (how === 'cancelled') permit.cancel();
  else permit.settle({ inputTokens: 0, outputTokens: 0 });
  expect((await limiter.peek(whole)).map(({ remaining }) => remaining)).toEqual([12_000]);
});
