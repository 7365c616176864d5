/** Requests that are covered, leave, move, wait and end in every way, on a store near or far, well or not: all comes back but what was used. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { holds } from '../../../../test/support/seeds.js';
import type { Decision } from '../../src/decision.js';
import { Limiter } from '../../src/limiter.js';
import { parsePolicy } from '../../src/policy/parse.js';
import type { Permit } from '../../src/settlement/permit.js';
import { MemoryStore } from '../../src/store/memory.js';
import { settled, VirtualClock } from '../../src/testing/virtual-clock.js';
import { LaterStore } from '../support/later-store.js';

const asks = fc.record({
  act: fc.constant('ask' as const),
  who: fc.constantFrom('ann', 'bob'),
  inputTokens: fc.integer({ min: 1, max: 300 }),
  outputTokensMax: fc.option(fc.integer({ min: 1, max: 5_000 }), { nil: -1 }),
  stream: fc.boolean(),
  /** After how long its client leaves, if it still waits then, ms. */
  leavesMs: fc.option(fc.integer({ min: 0, max: 60 }), { nil: undefined }),
});
const ends = fc.record({
  act: fc.constant('end' as const),
  which: fc.nat(),
  how: fc.constantFrom('reported', 'cancelled', 'untold', 'thrown', 'metered'),
  /** Of its cap. */
  share: fc.double({ min: 0, max: 1, noNaN: true }),
});
const step = fc.oneof(
  { weight: 5, arbitrary: asks },
  { weight: 4, arbitrary: ends },
  { weight: 3, arbitrary: fc.record({ act: fc.constant('pass' as const), ms: fc.integer({ min: 0, max: 40 }) }) },
  { weight: 1, arbitrary: fc.record({ act: fc.constant('move' as const), which: fc.nat() }) },
  {
    weight: 1,
    arbitrary: fc.record({
      act: fc.constant('weather' as const),
      weather: fc.constantFrom('well' as const, 'gone' as const, 'silent' as const),
    }),
  },
);

const queue = { wait: '1s', depth: 20 };
const prices = { m: { input: '$1', output: '$10', gpuSecond: '$0.001' } };
const dry = [
  { name: 'dry', tokens: '700/day', per: 'identity', mode: 'shadow' },
  { name: 'dry-slots', concurrency: 1, per: 'identity', mode: 'shadow' },
];
const policies = [
  { tokens: '3000/day', concurrency: 3, cost: '$5/day', gpuSeconds: '500/day', prices },
  { tokens: '9000/day', concurrency: { limit: 2, queue: true }, outputTokens: '5000/day', queue },
  {
    tokens: '5000/day',
    limits: dry,
    backends: [
      { url: 'http://a', slots: 1 },
      { url: 'http://b', slots: 1 },
    ],
    queue,
  },
].map((policy) => parsePolicy(policy));

interface Running {
  readonly permit: Permit;
  readonly who: string;
}

interface Ending {
  readonly how: 'reported' | 'cancelled' | 'untold' | 'thrown' | 'metered';
  readonly share: number;
}

/** Ends it, and says what it is to be charged. */
function end({ permit }: Running, { how, share }: Ending): number {
  const { inputTokens, outputTokens } = permit.reserved;
  const used = Math.floor(Math.min(permit.outputTokensMax(), 300) * share);
  if (how === 'cancelled') {
    permit.cancel();
    return 0;
  }
  if (how === 'reported') {
    permit.settle({ inputTokens, outputTokens: used, gpuSeconds: used / 100 });
    return inputTokens + used;
  }
  if (how === 'metered') {
    for (let i = 0; i < 20; i++) permit.meter(Math.ceil(used / 20));
    permit.settle();
    return inputTokens + permit.metered;
  }
  const broken = {
    get outputTokens(): number {
      throw new Error('not to be read');
    },
  };
  if (how === 'thrown') expect(() => permit.settle(broken)).toThrow('not to be read');
  else permit.settle(null);
  return inputTokens + outputTokens;
}

describe('once all has ended', () => {
  test.each([
    ['memory', undefined],
    ['a store that answers at once', 0],
    ['a store some way off', 9],
    ['a store so far that it is not waited for', 130],
  ] as const)('nothing is held, nobody waits, and what was used is what is charged (%s)', (_, latencyMs) =>
    holds(
      fc.asyncProperty(
        fc.nat({ max: policies.length - 1 }),
        fc.integer({ min: 0, max: 25 }),
        fc.array(step, { minLength: 1, maxLength: 60 }),
        async (which, taught, steps) => {
          const clock = new VirtualClock();
          const later = latencyMs === undefined ? undefined : new LaterStore(clock);
          const limiter = new Limiter(policies[which]!, { clock, store: later ?? new MemoryStore(clock) });
          for (let i = 0; i < taught; i++) {
            const decision = await limiter.admit({ identity: `other-${i}`, model: 'm', input: { tokens: 5 } });
            if (decision.admitted) decision.permit.settle({ inputTokens: 5, outputTokens: 12 });
          }
          if (later !== undefined) Object.assign(later, { latencyMs, endingsLater: true });
          const running: Running[] = [];
          const asked: Promise<void>[] = [];
          const used = { ann: 0, bob: 0 } as Record<string, number>;
          const finish = (one: Running, how: Ending): void => {
            used[one.who]! += end(one, how);
          };
          for (const one of steps) {
            if (one.act === 'ask') {
              const { who: identity, inputTokens, outputTokensMax, stream, leavesMs } = one;
              const leaving = new AbortController();
              const { signal } = leaving;
              if (leavesMs !== undefined) clock.after(leavesMs, () => leaving.abort('gone'));
              const request = { identity, model: 'm', input: { tokens: inputTokens }, outputTokensMax, stream };
              const decided = (decision: Decision): void => {
                if (decision.admitted) running.push({ permit: decision.permit, who: identity });
              };
              asked.push(limiter.admit(request, { signal }).then(decided, (error) => expect(error).toBe('gone')));
            } else if (one.act === 'pass') await clock.run(one.ms);
            else if (one.act === 'weather') {
              if (one.weather === 'well') later?.recover();
              else if (later !== undefined) later.weather = one.weather;
            } else if (running.length > 0) {
              const at = one.which % running.length;
              const { permit } = running[at]!;
              if (one.act === 'end') finish(running.splice(at, 1)[0]!, one);
              else if (permit.backend !== undefined) {
                limiter.moveBackend(permit, new Set([permit.backend])).catch(() => {});
              }
            }
            await settled();
          }
          later?.recover();
          for (let i = 0; i < 30; i++) {
            await clock.run(200);
            for (const one of running.splice(0)) finish(one, { how: 'reported', share: 0.1 });
          }
          await Promise.all(asked);
          await clock.run(1_000);
          expect(limiter.stats()).toMatchObject({ inFlight: 0, open: 0, waiting: 0 });
          if (later !== undefined) later.latencyMs = 0;
          for (const identity of ['ann', 'bob']) {
            for (const { name, measure, limit, remaining } of await limiter.peek({ identity, model: 'm' })) {
              if (measure === 'concurrency') expect([name, remaining]).toEqual([name, limit]);
              if (measure === 'tokens' && name !== 'dry')
                expect([identity, limit - remaining]).toEqual([identity, used[identity]]);
            }
          }
        },
      ),
    ),
  );
});
