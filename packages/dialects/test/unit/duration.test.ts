import { expect, test } from 'vitest';
import { parseGoDuration } from '../../src/duration.js';

test.each([
  ['0', 0],
  ['-0', 0],
  ['5m', 300_000],
  ['1h30m', 5_400_000],
  ['1.5s', 1_500],
  ['.5s', 500],
  ['5.s', 5_000],
  ['1s500ms', 1_500],
  ['-1.5h', -5_400_000],
  ['+2s', 2_000],
  ['1000us', 1],
  ['1000\u00b5s', 1],
  ['1000\u03bcs', 1],
  ['5m0s', 300_000],
])('%s', (text, ms) => {
  expect(parseGoDuration(text)).toBeCloseTo(ms, 9);
});

test.each(['', '-', '+', '5', '1.2.3s', '.s', 's', '5 s', '5S', '1e3s', '1d', '1h-5m', '3000000h', '1h\n'])(
  '%j is none',
  (text) => {
    expect(parseGoDuration(text)).toBeUndefined();
  },
);
