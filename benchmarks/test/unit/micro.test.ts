/** The rows measure what they say: a benchmark whose refusals are admissions, or whose six limits are one, is only a number. */
import { VirtualClock } from '@headgate/core/testing';
import { describe, expect, test } from 'vitest';
import { expectOutcome, runRounds } from '../../lib/rounds.js';
import { ratios, spread } from '../../lib/statistics.js';
import { aims, Results } from '../../micro/aims.js';
import { meterOf, streamedAnswers } from '../../micro/answers.js';
import { backendsMany, pickingCases } from '../../micro/backends.js';
import { decisionRows, decisionScenarios, rowNames } from '../../micro/decisions.js';
import { hotKey, uniformKeys } from '../../micro/keys.js';
import { keeper, memoryScenarios } from '../../micro/memory.js';
import { chunksOf, passThrough } from '../../micro/meters.js';
import { plans } from '../../micro/plan.js';
import {
  chatRequest,
  inputTokens,
  type LimitOfSix,
  limiterOf,
  limitsOfSix,
  outputTokens,
  outputTokensUsed,
  plenty,
  sixLimits,
} from '../../micro/policies.js';
import { type DecisionRow, tasksOf } from '../../micro/tasks.js';
import { inAndOut, waitingCounts } from '../../micro/waiting.js';

const keysFew = 50;

describe.each(decisionScenarios)('%s', (scenario) => {
  const keys = scenario.endsWith('hot') ? hotKey() : uniformKeys(keysFew);
  const rows = decisionRows(scenario, keys);

  test.each(Object.keys(rows))('%s admits every time, or refuses every time, as its name says', async (name) => {
    const contestant = rows[name]!(name);
    expect(contestant.admits).toBe(!name.endsWith(', refused'));
    for (const times of [1, 500]) expectOutcome(contestant, times, await contestant.run(times));
  });
});

describe.each(['tokens', 'none'] as const)('the queue, fairness %s', (fairness) => {
  test.each(waitingCounts.slice(0, 2))(
    'with %i waiting has as many waiting after each that comes and goes',
    async (waiting) => {
      const contestant = inAndOut(fairness, waiting);
      expectOutcome(contestant, 300, await contestant.run(300));
    },
  );
});

test('a row that admits where it should refuse stops the run', async () => {
  const row = { name: 'broken', admits: false, run: (times: number) => times - 1 };
  await expect(runRounds([row], { rounds: 1, batchMs: 1 })).rejects.toThrow('broken: 19 of 20 were admitted where 0');
});

describe('the six limits', () => {
  const names: { readonly [L in LimitOfSix]: string } = {
    requests: 'requests.day',
    hour: 'tokens.hour',
    day: 'tokens.day',
    concurrency: 'concurrency',
    chat: 'chat',
    house: 'house',
  };
  const reserved = inputTokens + outputTokens;

  test('are charged by one decision, all of them, and corrected when it is settled', () => {
    const limiter = limiterOf(sixLimits(), { clock: new VirtualClock() });
    const decision = limiter.admitNow(chatRequest('ann'));
    if (!decision.admitted) throw new Error(decision.refusal.message);
    const used = () => Object.fromEntries(decision.limits.map(({ name, remaining }) => [name, plenty - remaining]));
    const one = { 'requests.day': 1, concurrency: 1, chat: 1 };
    expect(used()).toEqual({ ...one, 'tokens.hour': reserved, 'tokens.day': reserved, house: reserved });
    decision.permit.settle({ inputTokens, outputTokens: outputTokensUsed });
    const actual = inputTokens + outputTokensUsed;
    const after = { ...one, concurrency: 0, 'tokens.hour': actual, 'tokens.day': actual, house: actual };
    expect(used()).toEqual(after);
  });

  test.each(limitsOfSix)('%s refuses by itself when it alone is spent', (limit) => {
    const room = { requests: 1, hour: reserved, day: reserved, concurrency: 1, chat: 1, house: reserved }[limit];
    const limiter = limiterOf(sixLimits({ [limit]: room }), { clock: new VirtualClock() });
    expect(limiter.admitNow(chatRequest('ann')).admitted).toBe(true);
    const second = limiter.admitNow(chatRequest('ann'));
    expect(second.admitted ? undefined : second.refusal.limit).toBe(names[limit]);
    // Of the others nothing was taken: all or none.
    const left = second.limits.filter(({ name }) => name !== names[limit]).map(({ remaining }) => plenty - remaining);
    expect(left).toHaveLength(5);
    for (const units of left) expect([1, reserved]).toContain(units);
  });

  test('keep a counter for each identity, each identity and model, and one for the house', () => {
    const limiter = limiterOf(sixLimits());
    for (const name of ['ann', 'bob', 'cem']) limiter.admitNow(chatRequest(name));
    expect(limiter.stats().keys).toBe(3 + 3 + 1);
  });
});

describe('keys', () => {
  test('of the hot rows are one, of the others all, in an order without a pattern', () => {
    expect(new Set(hotKey().order)).toEqual(new Set([0]));
    const { names, order } = uniformKeys(1_000);
    const counts = new Array<number>(1_000).fill(0);
    for (const index of order) counts[index]!++;
    expect(new Set(names).size).toBe(1_000);
    expect(Math.min(...counts)).toBeGreaterThan(800);
    expect(Math.max(...counts)).toBeLessThan(1_300);
  });
});

test.each(memoryScenarios)('%s keeps a counter for each key', async (scenario) => {
  const { take, kept } = keeper(scenario);
  for (let i = 0; i < 100; i++) await take(`identity-${i}`);
  if (kept !== undefined) expect(kept()).toBeGreaterThanOrEqual(100);
});

describe('choosing among backends', () => {
  test.each(pickingCases())(
    '$pick among $backends, prompt given as $prompt: every request ends',
    async ({ contestant }) => {
      for (const times of [1, 500]) expectOutcome(contestant, times, await contestant.run(times));
    },
  );

  test('is measured beside a single one', () => {
    const kinds = (count: number) =>
      pickingCases()
        .filter(({ backends }) => backends === count)
        .map(({ pick, prompt }) => [pick, prompt]);
    expect(kinds(backendsMany)).toEqual(kinds(1));
    expect(kinds(1)).toHaveLength(4);
  });
});

describe('streamed answers', () => {
  test.each(streamedAnswers)(
    'of $dialect pass whole, are asked about token by token, and bring their usage',
    (answer) => {
      for (const kind of ['an event', '16 KiB'] as const) {
        const chunks = chunksOf(answer, kind);
        const meter = meterOf(answer)();
        const passed = { bytes: 0, tokens: 0 };
        passThrough(meter, chunks, passed);
        expect(passed.bytes).toBe(Buffer.byteLength(answer.events.join('')));
        expect(passed.tokens).toBeGreaterThanOrEqual(answer.tokens);
        expect(meter.usage?.outputTokens).toBe(answer.tokens);
        expect(meter.complete).toBe(true);
      }
    },
  );
});

describe('figures', () => {
  test('are the median with the lowest and the highest; ratios are taken within a round', () => {
    expect(spread([5, 1, 3, 100])).toEqual({ median: 4, low: 1, high: 100 });
    expect(ratios([10, 300, 30], [10, 100, 10])).toEqual({ median: 3, low: 1, high: 3 });
    expect(() => spread([])).toThrow('nothing');
  });

  test('of two rows are compared by their ratios to the floor, and an aim that is missed says so', () => {
    const row = (scenario: DecisionRow['scenario'], name: string, median: number) => {
      const figures = { median, low: median, high: median };
      return { kind: 'decision' as const, row: { scenario, name, admits: true, ns: figures, timesFloor: figures } };
    };
    const slow: string[] = [rowNames.admission];
    const flat = ['headgate', 'floor'].flatMap((who) =>
      ['one key', 'all keys'].map((asked) => ({ who, asked, keys: 10, growth: { median: 1.5 } })),
    );
    const results = new Results([
      ...decisionScenarios.flatMap((scenario) =>
        Object.values(rowNames).map((name) => row(scenario, name, slow.includes(name) ? 4 : 1)),
      ),
      { kind: 'flatness', rows: flat } as never,
    ]);
    expect(results.times('one-hot', rowNames.admission, rowNames.peer)).toBe(4);
    const missed = aims(results).filter(({ holds }) => !holds);
    expect(missed.map(({ aim }) => aim.split(': ')[1])).toEqual(expect.arrayContaining([rowNames.admission]));
    expect(missed.every(({ aim }) => aim.includes(rowNames.admission) || aim.includes('0.5x'))).toBe(true);
  });

  test('are taken of every row of every scenario', () => {
    for (const scenario of decisionScenarios) {
      const measured = tasksOf(plans.full).filter((task) => task.kind === 'decision' && task.scenario === scenario);
      expect(measured).toHaveLength(Object.keys(decisionRows(scenario, hotKey())).length);
    }
  });
});
