/** Answers that nobody can end where a budget does: what all that run may use together, whoever decides. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { holds } from '../../../../test/support/seeds.js';
import type { Decision } from '../../src/decision.js';
import { Limiter } from '../../src/limiter.js';
import { parsePolicy } from '../../src/policy/parse.js';
import { MemoryStore } from '../../src/store/memory.js';
import { settled, VirtualClock } from '../../src/testing/virtual-clock.js';
import { LaterStore } from '../support/later-store.js';

const asked = fc.record({
  inputTokens: fc.integer({ min: 1, max: 300 }),
  outputTokensMax: fc.option(fc.integer({ min: 1, max: 5_000 }), { nil: undefined }),
  /** What becomes of it: nothing yet, or so much of its cap is used. */
  ends: fc.option(fc.double({ min: 0, max: 1, noNaN: true }), { nil: undefined }),
});

describe('answers in one piece', () => {
  test.each([['memory', false] as const, ['a store that answers later', true] as const])(
    'never have caps that come to more than the budget holds (%s)',
    (_, isLater) =>
      holds(
        fc.asyncProperty(
          fc.integer({ min: 500, max: 20_000 }),
          fc.integer({ min: 0, max: 40 }),
          fc.array(asked, { minLength: 1, maxLength: 40 }),
          async (budget, taught, requests) => {
            const clock = new VirtualClock();
            const store = isLater ? new LaterStore(clock) : new MemoryStore(clock);
            const limiter = new Limiter(parsePolicy({ tokens: `${budget}/day` }), { clock, store });
            const model = 'm';
            for (let i = 0; i < taught; i++) {
              const decision = await limiter.admit({
                identity: `other-${i}`,
                model,
                input: { tokens: 5 },
                stream: false,
              });
              if (decision.admitted) decision.permit.settle({ inputTokens: 5, outputTokens: 12 });
            }
            let used = 0;
            const running: number[] = [];
            const note = (decision: Decision, { inputTokens, ends }: (typeof requests)[number]): void => {
              if (!decision.admitted) return;
              const { permit } = decision;
              const cap = permit.outputTokensMax();
              expect(cap).toBeLessThanOrEqual(budget);
              if (ends === undefined) running.push(inputTokens + cap);
              else {
                const outputTokens = Math.floor(cap * ends);
                permit.settle({ inputTokens, outputTokens });
                used += inputTokens + outputTokens;
              }
            };
            const decided = requests.map(async (request) => {
              const { inputTokens, outputTokensMax } = request;
              const more = outputTokensMax === undefined ? {} : { outputTokensMax };
              const decision = await limiter.admit({ model, input: { tokens: inputTokens }, stream: false, ...more });
              note(decision, request);
            });
            await Promise.all(decided);
            await settled();
            expect(running.reduce((sum, most) => sum + most, used)).toBeLessThanOrEqual(budget);
          },
        ),
      ),
  );
});
