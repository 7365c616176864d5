import { expect, test } from 'vitest';
import { ago, amount, count, counted, duration, rate } from '../../../src/dashboard/page/words.js';

test('numbers and times are short, and not more exact than they are', () => {
  expect([0, 999, 9_999, 12_345, 1_250_000].map(count)).toEqual(['0', '999', '9,999', '12.3k', '1.3M']);
  expect([0.04, 9.96, 99.94, 1_234.5].map(rate)).toEqual(['0', '10', '99.9', '1,235']);
  expect([0, 999, 1_234, 59_900, 300_000, 7_300_000, 259_200_000].map(duration)).toEqual([
    ...['0 ms', '999 ms', '1.2 s', '60 s', '5 min', '2 h', '3 days'],
  ]);
  expect([0, 1_999, 2_000, 61_000].map(ago)).toEqual(['now', 'now', '2 s ago', '61 s ago']);
  expect([counted(1, 'minute'), counted(2, 'identity', 'identities')]).toEqual(['1 minute', '2 identities']);
});

test('what is left is rounded down, since part of a request lets nobody through', () => {
  expect([amount(0.9, 'requests'), amount(-1.5, 'tokens'), amount(1.255, 'cost'), amount(90, 'gpuSeconds')]).toEqual([
    ...['0', '-2', '$1.255', '90 s'],
  ]);
});
