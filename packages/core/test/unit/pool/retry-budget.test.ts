import { describe, expect, test } from 'vitest';
import { RetryBudget } from '../../../src/pool/retry-budget.js';

const retries = (budget: RetryBudget, now: number, slots = 1): number =>
  Array.from({ length: 100 }, () => budget.retry(now, 0.2, slots)).filter(Boolean).length;

describe('the retry budget', () => {
  test('grants three in ten seconds even when nobody else asks', () => {
    expect(retries(new RetryBudget(), 50_000)).toBe(3);
  });

  test('grants a fifth of the requests of the last ten seconds', () => {
    const budget = new RetryBudget();
    for (let at = 50_000; at < 60_000; at += 100) budget.request(at);
    expect(retries(budget, 59_999)).toBe(20);
    expect(retries(budget, 59_999)).toBe(0);
  });

  test('does not count retries as requests, so that it cannot feed itself', () => {
    const budget = new RetryBudget();
    for (let i = 0; i < 100; i++) budget.request(1_000);
    expect(retries(budget, 1_000)).toBe(20);
  });

  test('forgets requests and retries after ten seconds', () => {
    const budget = new RetryBudget();
    for (let i = 0; i < 100; i++) budget.request(1_000);
    expect(retries(budget, 1_500)).toBe(20);
    expect(retries(budget, 9_999)).toBe(0);
    expect(retries(budget, 11_000)).toBe(3);
    expect(retries(budget, 20_999)).toBe(0);
    expect(retries(budget, 21_000)).toBe(3);
  });

  test('grants what one backend had in flight, so that its death loses nothing', () => {
    const budget = new RetryBudget();
    expect(retries(budget, 50_000, 8)).toBe(8);
    expect(retries(budget, 50_000, 8)).toBe(0);
    expect(retries(budget, 50_000, 9)).toBe(1);
  });

  test('of nothing still leaves the three', () => {
    const budget = new RetryBudget();
    for (let i = 0; i < 100; i++) budget.request(0);
    expect(Array.from({ length: 5 }, () => budget.retry(0, 0, 1))).toEqual([true, true, true, false, false]);
  });
});
