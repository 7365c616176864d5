/** The whole limiter on random histories: honest instants, refusals that write nothing, budgets that balance, closing in a burst. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { holds } from '../../../../test/support/seeds.js';
import type { Limiter } from '../../src/limiter.js';
import type { AdmitRequest } from '../../src/model.js';
import type { Permit } from '../../src/settlement/permit.js';
import { settled, type VirtualClock } from '../../src/testing/virtual-clock.js';
import { bursts, playBurst } from '../support/bursts.js';
import { Crowd } from '../support/crowd.js';
import { day, hour, minute, second, world } from '../support/fixtures.js';

/** Buckets, rolling windows, days and weeks, per identity, per model and for all. No slots: only a release lifts those. */
const policy = {
  requests: '12/min burst 5',
  tokens: ['3k/hour', '9k/day'],
  input: 2_000,
  limits: [
    { name: 'odd', requests: '7/13s burst 3', match: { operation: 'generate' } },
    { name: 'house', per: 'all', tokens: '4000/min' },
    { name: 'model-output', per: ['model'], outputTokens: '20k/week' },
    { name: 'paced', requests: '40/min burst 8', delay: { after: 6 }, match: { model: 'paced' } },
  ],
};

const monthly = { limits: [{ name: 'all', per: 'all', tokens: '100M/month rolling' }] };
const minutely = { tokens: '2000/min' };
const draining = {
  backends: [{ url: 'http://a', slots: 2 }],
  limits: [{ name: 'paced', requests: '30/min burst 6', delay: { after: 2 } }],
  queue: { depth: 5, wait: '10s' },
  drain: '60s',
};

type Step =
  | { readonly do: 'ask'; readonly request: AdmitRequest }
  | { readonly do: 'end'; readonly nth: number; readonly outputTokens: number; readonly how: number }
  | { readonly do: 'meter'; readonly nth: number; readonly tokens: number }
  | { readonly do: 'advance'; readonly ms: number };

const request: fc.Arbitrary<AdmitRequest> = fc.record({
  identity: fc.constantFrom('ann', 'bob'),
  model: fc.constantFrom('m', 'n', 'paced'),
  operation: fc.constantFrom('chat', 'generate', 'embed'),
  input: fc.nat({ max: 900 }).map((tokens) => ({ tokens })),
});
const pause = fc.oneof(fc.nat({ max: 20 * second }), fc.constantFrom(1, second, minute, hour, day - 1, day, 8 * day));
const asking: fc.Arbitrary<Step> = fc.record({ do: fc.constant('ask' as const), request });
const steps = fc.array<Step>(
  fc.oneof(
    { weight: 6, arbitrary: asking },
    {
      weight: 3,
      arbitrary: fc.record({
        do: fc.constant('end' as const),
        nth: fc.nat(),
        outputTokens: fc.nat({ max: 1_500 }),
        how: fc.nat({ max: 4 }),
      }),
    },
    {
      weight: 2,
      arbitrary: fc.record({ do: fc.constant('meter' as const), nth: fc.nat(), tokens: fc.nat({ max: 300 }) }),
    },
    { weight: 2, arbitrary: fc.record({ do: fc.constant('advance' as const), ms: pause }) },
  ),
  { maxLength: 50, size: 'max' },
);

/** Plays the history without waiting for anything; `asked` sees every decision. */
function play(
  clock: VirtualClock,
  history: readonly Step[],
  asked: (request: AdmitRequest) => Permit | undefined,
): void {
  const open: Permit[] = [];
  for (const step of history) {
    if (step.do === 'advance') clock.advance(step.ms);
    else if (step.do === 'ask') {
      const permit = asked(step.request);
      if (permit !== undefined) open.push(permit);
    } else {
      const permit = open[step.nth % Math.max(1, open.length)];
      if (permit === undefined) continue;
      if (step.do === 'meter') permit.meter(step.tokens);
      else {
        open.splice(open.indexOf(permit), 1);
        if (step.how === 0) permit.cancel();
        else if (step.how === 1) permit.settle();
        else permit.settle({ inputTokens: permit.reserved.inputTokens, outputTokens: step.outputTokens });
      }
    }
  }
}

const admitted = (limiter: Limiter) => (asked: AdmitRequest) => {
  const decision = limiter.admitNow(asked);
  return decision.admitted ? decision.permit : undefined;
};

describe('a refusal by the limiter', () => {
  test('names the very instant at which the same request is admitted, or none if there is none (I7)', () =>
    holds(
      fc.property(steps, request, (history, asked) => {
        const { clock, limiter } = world(policy);
        play(clock, history, admitted(limiter));
        const answer = limiter.admitNow(asked);
        if (answer.admitted || answer.refusal.reason === 'too-large') return;
        const { retryAfterMs } = answer.refusal;
        if (retryAfterMs === undefined) {
          clock.advance(60 * day);
          expect(limiter.admitNow(asked).admitted).toBe(false);
          return;
        }
        expect(Number.isInteger(retryAfterMs) && retryAfterMs > 0).toBe(true);
        clock.advance(retryAfterMs - 1);
        const early = limiter.admitNow(asked);
        expect(early.admitted).toBe(false);
        if (!early.admitted) expect(early.refusal.retryAfterMs).toBe(1);
        clock.advance(1);
        expect(limiter.admitNow(asked).admitted).toBe(true);
      }),
      { runs: 300 },
    ));

  test('changes no limit of anyone and leaves nothing open (I1, I2)', () =>
    holds(
      fc.property(steps, (history) => {
        const { clock, limiter } = world(policy);
        const everyone = (['ann', 'bob'] as const).flatMap((identity) =>
          ['m', 'n', 'paced'].map((model) => ({ identity, model, operation: 'generate' as const })),
        );
        const states = () => [...everyone.map((one) => limiter.peekNow(one)), limiter.stats().open];
        play(clock, history, (asked) => {
          const before = states();
          const decision = limiter.admitNow(asked);
          if (decision.admitted) return decision.permit;
          const again = limiter.admitNow(asked);
          expect(!again.admitted && again.refusal).toEqual(decision.refusal);
          expect(roughly(states())).toEqual(roughly(before));
          return undefined;
        });
      }),
    ));

  test('admits on all limits that apply, or on none (I1)', () =>
    holds(
      fc.property(steps, (history) => {
        const { clock, limiter } = world(policy);
        play(clock, history, (asked) => {
          const before = limiter.peekNow(asked);
          const decision = limiter.admitNow(asked);
          if (!decision.admitted) return undefined;
          const { inputTokens = 0, outputTokens = 0 } = decision.permit.reserved;
          const cost = { requests: 1, tokens: inputTokens + outputTokens, outputTokens } as const;
          for (const [index, { name, measure, remaining }] of decision.limits.entries()) {
            expect(before[index]?.name).toBe(name);
            expect(before[index]!.remaining - remaining).toBeCloseTo(cost[measure as keyof typeof cost], 5);
          }
          return decision.permit;
        });
      }),
    ));
});

/** Levels of buckets are doubles: taking and giving back may leave the last digits changed. */
function roughly(value: unknown): unknown {
  return JSON.parse(
    JSON.stringify(value, (_, one: unknown) => (typeof one === 'number' ? Math.round(one * 1e6) / 1e6 : one)),
  );
}

describe('a budget', () => {
  test('balances at every step: what is left is what nobody holds and nobody used (I4)', () =>
    holds(
      fc.property(steps, (history) => {
        const { clock, limiter } = world(monthly);
        let reserved = 0;
        let settledTokens = 0;
        const open = new Map<string, number>();
        limiter.on('request-admitted', ({ permitId }) => open.set(permitId, 0));
        limiter.on('reservation-settled', ({ permitId, usage }) => {
          settledTokens += (usage.inputTokens ?? 0) + (usage.outputTokens ?? 0);
          open.delete(permitId);
        });
        limiter.on('reservation-cancelled', ({ permitId }) => open.delete(permitId));
        const permits = new Map<string, Permit>();
        const short = history.filter((step) => step.do !== 'advance' || step.ms < hour);
        play(clock, short, (asked) => {
          const decision = limiter.admitNow(asked);
          if (!decision.admitted) throw new Error('the budget is large enough for everyone');
          permits.set(decision.permit.id, decision.permit);
          reserved = 0;
          for (const id of open.keys()) {
            const { reserved: one, metered } = permits.get(id)!;
            reserved += one.inputTokens + Math.max(one.outputTokens, metered);
          }
          expect(decision.limits[0]?.remaining).toBe(1e8 - reserved - settledTokens);
          return decision.permit;
        });
      }),
    ));

  test('concurrent requests never reserve more than it has, and what they use beyond is debt (F1)', () =>
    holds(
      fc.asyncProperty(fc.array(fc.nat({ max: 400 }), { minLength: 5, maxLength: 40 }), async (inputs) => {
        const { clock, limiter } = world(minutely);
        const decisions = await Promise.all(
          inputs.map((tokens) => limiter.admit({ input: { tokens }, operation: 'embed' })),
        );
        const held = decisions.flatMap((decision) => (decision.admitted ? [decision.permit] : []));
        expect(held.reduce((sum, { reserved }) => sum + reserved.inputTokens, 0)).toBeLessThanOrEqual(2000);
        let used = 0;
        for (const permit of held) {
          const inputTokens = permit.reserved.inputTokens * 3;
          used += inputTokens;
          permit.settle({ inputTokens, outputTokens: 0 });
        }
        expect(limiter.peekNow({})[0]?.remaining).toBe(2000 - used);
        if (used >= 2000) {
          clock.advance(minute - 1);
          expect(limiter.admitNow({ input: { tokens: 1 }, operation: 'embed' }).admitted).toBe(false);
        }
      }),
    ));
});

describe('closing in the middle of a burst', () => {
  test('lets nobody through afterwards, and ends with nothing held', () =>
    holds(
      fc.asyncProperty(bursts({ length: 40 }), fc.nat({ max: 40 }), async (burst, closeAt) => {
        const { clock, limiter } = world(draining);
        const crowd = new Crowd(limiter, clock);
        let step = 0;
        let isClosed = false;
        let late = 0;
        limiter.on('request-admitted', () => {
          if (limiter.closing) late++;
        });
        await playBurst(burst, (action) => {
          if (step++ === closeAt) {
            void limiter.close().then(() => {
              isClosed = true;
              expect(limiter.stats().inFlight).toBe(0);
            });
          }
          crowd.play(action.do === 'advance' ? { ...action, ms: action.ms % 500 } : action);
        });
        void limiter.close();
        await settled();
        expect(limiter.stats().waiting).toBe(0);
        await crowd.goHome();
        await limiter.close();
        expect(isClosed || step <= closeAt).toBe(true);
        expect(late).toBe(0);
        expect(limiter.stats()).toMatchObject({ inFlight: 0, waiting: 0, open: 0, backends: [{ used: 0 }] });
        expect(clock.timers).toBe(0);
      }),
    ));
});
