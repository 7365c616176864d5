/** Settlements that never reach the store are told, and not one by one. */
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { nowAndThen } from '../../../src/server/store.js';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

test('the first is told at once, those after it added up every ten seconds, and nothing when there is nothing', () => {
  const told: [number, unknown][] = [];
  const lost = nowAndThen((settlements, cause) => void told.push([settlements, cause]));
  lost(3, 'full');
  expect(told).toEqual([[3, 'full']]);
  for (let i = 0; i < 500; i++) lost(1, 'full');
  expect(told).toHaveLength(1);
  vi.advanceTimersByTime(10_000);
  expect(told).toEqual([
    [3, 'full'],
    [500, 'full'],
  ]);
  vi.advanceTimersByTime(60_000);
  expect(told).toHaveLength(2);
  lost(1, 'away');
  expect(told.at(-1)).toEqual([1, 'away']);
});
