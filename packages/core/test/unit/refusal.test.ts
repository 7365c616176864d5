import { expect, test } from 'vitest';
import { retryHeaders } from '../../src/http/headers.js';
import { bodyTooLarge, inWords, refuse } from '../../src/refusal.js';

test.each([
  [20 * 2 ** 20, '20 MiB'],
  [1.5 * 2 ** 20, '1536 KiB'],
  [2 ** 19, '512 KiB'],
  [1.5e9, '1500 MB'],
  [64_000, '64 KB'],
  [1_234, '1234 bytes'],
])('a body over %i bytes is told how long it may be: %s', (bytesMax, words) => {
  const message = `request body too large (max ${words})`;
  expect(bodyTooLarge(bytesMax)).toEqual({ reason: 'too-large', status: 413, message });
});

const [second, minute, hour, day] = [1_000, 60_000, 3_600_000, 86_400_000];

test.each([
  [1, '1s'],
  [11_001, '12s'],
  [119 * second, '119s'],
  [2 * minute, '2min'],
  [2 * minute + 1, '2min 1s'],
  [hour - second, '59min 59s'],
  [hour - 1, '1h'],
  [62 * minute, '1h 2min'],
  [2 * hour + 18 * minute + second, '2h 19min'],
  [day - second, '1 day'],
  [day + hour, '1 day 1h'],
  [30 * day, '30 days'],
  [2 * day + 1, '2 days 1h'],
])('a wait of %i ms is told as %s, in the two units that say it best', (ms, words) => {
  expect(inWords(ms)).toBe(words);
});

test('a wait in words is never shorter than the wait, nor longer by more than its smaller unit', () => {
  const lengths: Readonly<Record<string, number>> = { s: second, min: minute, h: hour, ' day': day, ' days': day };
  for (let ms = 1; ms < 400 * day; ms = Math.ceil(ms * 1.07)) {
    const parts = [...inWords(ms).matchAll(/(\d+)(s|min|h| days?)(?= |$)/g)];
    const told = parts.reduce((sum, [, number, unit]) => sum + Number(number) * lengths[unit!]!, 0);
    expect(told).toBeGreaterThanOrEqual(ms);
    const slack = ms < hour ? second : ms < day ? minute : hour;
    expect(told - ms).toBeLessThanOrEqual(slack);
  }
});

test('F28: a wait of up to a minute is worth a sleep, and one above it is not', () => {
  const told = (retryAfterMs: number) => retryHeaders(refuse('limit', 'no.', { retryAfterMs }));
  expect(told(minute)).toEqual({ 'retry-after': '60', 'retry-after-ms': '60000' });
  expect(told(minute + 1)).toEqual({ 'retry-after': '61', 'retry-after-ms': '60001', 'x-should-retry': 'false' });
});
