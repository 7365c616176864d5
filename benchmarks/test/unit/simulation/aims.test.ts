/** The aims of README.md that take seconds; the others are in the page, which `npm run bench:simulation` writes anew. */
import { expect, test } from 'vitest';
import { comparisons, headgate, ours } from '../../../simulation/doors/doors.js';
import { measureArena } from '../../../simulation/scenarios/arena.js';
import { budgets, measureBudget } from '../../../simulation/scenarios/budget.js';
import * as conversations from '../../../simulation/scenarios/conversations.js';
import { measureIsolation } from '../../../simulation/scenarios/isolation.js';
import * as models from '../../../simulation/scenarios/models.js';
import { measureOverload } from '../../../simulation/scenarios/overload.js';
import { measureStrictFlood } from '../../../simulation/scenarios/priorities.js';
import { measureSizes, measureWeights, sizes } from '../../../simulation/scenarios/shares.js';

const publishedStart = [[1.3745, 1.9507]] as const;

test('two clients in overload end within 900 of each other, at the throughput of first come, first served', async () => {
  const fair = await measureOverload(ours, publishedStart);
  const first = await measureOverload(comparisons.firstCome, publishedStart);
  expect(fair.differences[0]).toBeLessThanOrEqual(900);
  expect(fair.gap).toBeLessThanOrEqual(2 * (256 + 2 * 20 * 256));
  expect(first.differences[0]).toBeGreaterThan(200_000);
  expect(Math.abs(fair.tokensPerSecond / first.tokensPerSecond - 1)).toBeLessThanOrEqual(0.01);
});

test('weights 1 to 4 are served 1 : 2 : 3 : 4, within two percent', async () => {
  const shares = await measureWeights(ours);
  for (const [i, share] of shares.entries()) expect(Math.abs(share / (i + 1) - 1)).toBeLessThanOrEqual(0.02);
});

test('clients whose requests differ in size stay within the bound, which turns by request do not', async () => {
  const bound = 2 * (512 + 2 * 20 * 512);
  expect((await measureSizes(ours, sizes[1])).gap).toBeLessThanOrEqual(bound);
  expect((await measureSizes(comparisons.roundRobin, sizes[1])).gap).toBeGreaterThan(10 * bound);
});

test('the published trace: average difference at most 197, variance at most 2,124', async () => {
  const { average, variance } = await measureArena(ours);
  expect(average).toBeLessThanOrEqual(197);
  expect(variance).toBeLessThanOrEqual(2_124);
});

test('a quiet client beside one that sends forty times as much sees its first token after 4.5 s, on average', async () => {
  expect((await measureIsolation(ours)).quiet.meanMs).toBeLessThanOrEqual(4_500);
  expect((await measureIsolation(comparisons.firstCome)).quiet.meanMs).toBeGreaterThan(100_000);
});

test('behind a flood of a higher priority, strictly before it, who has aged goes after at most one other', async () => {
  const { tooMany, longestMs } = await measureStrictFlood();
  expect(tooMany).toBeLessThanOrEqual(1);
  expect(longestMs).toBeLessThanOrEqual(56_000);
});

test('a budget reserved as expected is overshot by at most 2 %, one charged afterwards by half', () => {
  const overshoot = (name: string): number => {
    return measureBudget(budgets.find(([one]) => one.includes(name))![1], 60_000).overshoot;
  };
  expect(overshoot('let finish')).toBeLessThanOrEqual(0.02);
  expect(overshoot('charged afterwards')).toBeGreaterThan(0.4);
});

test('four models on four GPUs of one each: a swap in twenty requests at most, and ten seconds, where least-busy swaps without end', async () => {
  const untilMs = 2_400_000;
  const { swaps, meanMs, served } = await models.measureModels(headgate('least-wait'), models.even, 1, untilMs);
  expect(swaps).toBeLessThanOrEqual(0.05);
  expect(meanMs).toBeLessThanOrEqual(10_000);
  expect(served).toBe(1);
  const busy = await models.measureModels(models.leastBusy, models.even, 1, untilMs);
  expect(busy.swaps).toBeGreaterThan(0.5);
  expect(busy.meanMs).toBeGreaterThan(60_000);
});

test('half an hour of conversations: the first token comes a fifth sooner than by least-busy, and more prompts are cached', async () => {
  const { leastBusy, leastWait, measureConversations } = conversations;
  const ours = await measureConversations(leastWait, 1, 1);
  const busy = await measureConversations(leastBusy, 1, 1);
  expect(ours.meanMs).toBeLessThanOrEqual(0.8 * busy.meanMs);
  expect(ours.hitRatio).toBeGreaterThanOrEqual(0.29);
  expect(busy.hitRatio).toBeLessThan(0.25);
});
