import { expect, test } from 'vitest';
import { goDurationMs, goJson, omitEmpty, timestamp } from '../../src/go-json.js';

test('JSON is escaped for HTML', () => {
  expect(goJson({ a: '<b> & \u2028' })).toBe('{"a":"\\u003cb\\u003e \\u0026 \\u2028"}');
});

test('empty fields are left out', () => {
  expect(omitEmpty({ a: 0, b: '', c: false, d: undefined, e: [], f: 1, g: 'x', h: [0], i: null })).toEqual({
    f: 1,
    g: 'x',
    h: [0],
  });
});

test('timestamps have up to nine digits and no trailing zeros', () => {
  expect(timestamp(Date.UTC(2026, 7, 22, 1, 2, 3))).toBe('2026-08-22T01:02:03Z');
  expect(timestamp(Date.UTC(2026, 7, 22, 1, 2, 3, 120))).toBe('2026-08-22T01:02:03.12Z');
});

test.each([
  ['5m', 300_000],
  ['1h30m', 5_400_000],
  ['1.5s', 1500],
  ['-1m', -60_000],
  ['0', 0],
  ['250ms', 250],
])('%s is a duration', (text, ms) => {
  expect(goDurationMs(text)).toBe(ms);
});

test.each([
  ['5', 'time: missing unit in duration "5"'],
  ['5x', 'time: unknown unit "x" in duration "5x"'],
  ['abc', 'time: invalid duration "abc"'],
  ['', 'time: invalid duration ""'],
])('%j is no duration', (text, message) => {
  expect(goDurationMs(text)).toEqual(new Error(message));
});
