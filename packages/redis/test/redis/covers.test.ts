/**
 * Two processes on one Redis, whose answers are covered, streamed, taken back and settled in any order: nobody gets more than there
 * is, and all comes back but what was used.
 */
import { Limiter, type Permit, parsePolicy } from '@headgate/core';
import { VirtualClock } from '@headgate/core/testing';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { holds } from '../../../../test/support/seeds.js';
import type { RedisStore } from '../../src/store.js';
import { admin, ownRedis } from '../support/own-redis.js';
import { space, timedStore } from '../support/store.js';

ownRedis();

const start = Date.UTC(2026, 0, 5, 12);
const ask = fc.record({
  inputTokens: fc.nat(60),
  outputTokensMax: fc.option(fc.integer({ min: 1, max: 4_000 }), { nil: -1 }),
  stream: fc.boolean(),
});
const step = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({
      do: fc.constant('ask' as const),
      by: fc.nat(1),
      all: fc.array(ask, { minLength: 1, maxLength: 6 }),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constant('end' as const),
      nth: fc.nat(),
      count: fc.nat(4),
      how: fc.constantFrom('reported', 'cancelled', 'untold'),
      tenths: fc.nat(10),
    }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('meter' as const), nth: fc.nat(), tokens: fc.nat(300) }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('wait' as const), ms: fc.oneof(fc.nat(300), fc.nat(2_500)) }) },
);

const policies = [
  { tokens: '12k/day', concurrency: 5 },
  { tokens: '12k/day', requests: '500/day calendar', outputTokens: '9k/day' },
  { tokens: '12k/hour rolling', limits: [{ name: 'all', tokens: '30k/day', per: 'all' }] },
  { tokens: '12k/day burst 12000', requests: '60/min rolling' },
];

interface Process {
  readonly limiter: Limiter;
  readonly store: RedisStore;
}

async function processOf(clock: VirtualClock, prefix: string, policy: object, hot: boolean): Promise<Process> {
  const { store } = await timedStore(admin, clock, { prefix, tellsLessons: false, ...(hot ? { hotRate: 0 } : {}) });
  const limiter = new Limiter(parsePolicy(policy), { clock, store });
  return { limiter, store };
}

/** What is on its way to Redis and back is done. */
async function idle(): Promise<void> {
  for (let i = 0; i < 3; i++) await admin.ping();
  await new Promise((resolve) => setImmediate(resolve));
}

const inOnePiece = ({ holding }: Permit): boolean => (holding as { inOnePiece: boolean }).inOnePiece;

const whole = { identity: 'ann', model: 'm' } as const;

describe.each([
  ['without shares', [false, false]],
  ['with shares', [true, true]],
  ['one with shares', [true, false]],
] as const)('%s', (_, hot) => {
  test.each(policies.map((policy) => [JSON.stringify(policy), policy] as const))('%s', (words, policy) =>
    holds(
      fc.asyncProperty(fc.array(step, { maxLength: 30, size: 'max' }), async (steps) => {
        const clock = new VirtualClock(start, start);
        const prefix = space();
        const processes = [];
        for (const isHot of hot) processes.push(await processOf(clock, prefix, policy, isHot));
        const observer = await processOf(clock, prefix, policy, false);
        const downs: unknown[] = [];
        for (const { limiter } of processes) limiter.on('store-down', (cause) => downs.push(cause));
        for (const { limiter } of processes) {
          for (let i = 0; i < 25; i++) {
            const decision = await limiter.admit({
              identity: `other-${i}`,
              model: 'm',
              input: { tokens: 5 },
              stream: true,
            });
            if (decision.admitted) decision.permit.settle({ inputTokens: 5, outputTokens: 10 });
          }
        }
        const running: Permit[] = [];
        const isBucket = words.includes('burst');
        let used = 0;
        let requests = 0;
        let admitted = 0;
        const stands = async () =>
          Object.fromEntries(
            (await observer.limiter.peek(whole))
              .filter(({ name }) => name !== 'all')
              .map(({ measure, remaining, limit }) => [measure, { remaining, limit }]),
          );
        const end = (permit: Permit, how: string, share: number): void => {
          const { inputTokens, outputTokens } = permit.reserved;
          if (how === 'cancelled' && permit.metered === 0) {
            permit.cancel();
            return;
          }
          requests++;
          const cap = permit.outputTokensMax();
          const most = Number.isFinite(cap) ? cap : 8_192;
          const told =
            how === 'untold' || permit.metered > 0
              ? undefined
              : { inputTokens, outputTokens: Math.floor(most * share) };
          permit.settle(told);
          used += inputTokens + (told?.outputTokens ?? (permit.metered || outputTokens));
        };
        try {
          for (const one of steps) {
            if (one.do === 'ask') {
              const by = processes[one.by]!;
              await Promise.all(
                one.all.map(async ({ inputTokens, outputTokensMax, stream }) => {
                  const decision = await by.limiter.admit({
                    ...whole,
                    input: { tokens: inputTokens },
                    outputTokensMax,
                    stream,
                  });
                  if (!decision.admitted) return;
                  admitted++;
                  running.push(decision.permit);
                }),
              );
            } else if (one.do === 'end') {
              for (const some of running.splice(one.nth % (running.length + 1), one.count)) {
                // A stream's cap was read when it began: what others took since may be more than is left.
                end(some, one.how, inOnePiece(some) ? one.tenths / 10 : 0);
              }
            } else if (one.do === 'meter' && running.length > 0) {
              const permit = running[one.nth % running.length]!;
              if (!inOnePiece(permit)) permit.meter(one.tokens);
              await idle();
            } else if (one.do === 'wait') {
              await idle();
              for (let passed = 0; passed < one.ms; passed += 500) {
                clock.advance(Math.min(500, one.ms - passed));
                await idle();
              }
            }
            await idle();
            const { tokens } = await stands();
            // A request that streams is charged while it goes on, so that it may be ahead by what came at once.
            expect(tokens!.remaining).toBeGreaterThanOrEqual(-300);
            if (!isBucket) expect(tokens!.limit - tokens!.remaining).toBeGreaterThanOrEqual(used);
          }
          for (const one of running.splice(0)) end(one, 'reported', 0);
          await idle();
          for (let i = 0; i < 6; i++) {
            clock.advance(500);
            await idle();
          }
          const { tokens, concurrency, requests: counted } = await stands();
          if (isBucket) {
            const byTime = ((clock.now() - start) * 12) / 86_400;
            expect(tokens!.remaining).toBeLessThanOrEqual(12_000 - used + byTime + 1e-3);
            // What came in by time, while a charge or its cover was out, is not given back once more.
            expect(tokens!.remaining).toBeGreaterThanOrEqual(12_000 - used - 2 * admitted * byTime - 1e-3);
          } else expect(tokens!.limit - tokens!.remaining).toBe(used);
          if (concurrency !== undefined) expect(concurrency.remaining).toBe(5);
          if (counted !== undefined) expect(counted.limit - counted.remaining).toBe(requests);
          expect(downs).toEqual([]);
          for (const { limiter } of processes) expect(limiter.stats()).toMatchObject({ inFlight: 0, open: 0 });
          for (const { store } of processes) expect(store.stats().open).toBe(0);
        } finally {
          for (const permit of running) permit.cancel();
          for (const { store } of [...processes, observer]) void store.close();
        }
      }),
      { runs: 12 },
    ),
  );
});
