import { describe, expect, test } from 'vitest';
import { readBytes, readCount, readDollars, readDuration, readNumber, readShare } from '../../../src/policy/unit.js';

describe('durations', () => {
  test.each([
    ['250ms', 250],
    ['10s', 10_000],
    ['1.5s', 1500],
    ['5min', 300_000],
    ['5m', 300_000],
    ['2h', 7_200_000],
    ['2hour', 7_200_000],
    ['1d', 86_400_000],
    ['1 week', 604_800_000],
  ])('%s', (text, ms) => {
    expect(readDuration(text)).toEqual({ value: ms });
  });
  test.each<[string | number, string | undefined]>([
    ['30', undefined],
    [30, '30s'],
    ['30sec', '30s'],
    ['5minutes', '5min'],
    ['0s', undefined],
    ['-5s', undefined],
    ['11000day', undefined],
    ['', undefined],
  ])('not %s', (input, nearest) => {
    const result = readDuration(input);
    expect(result).toHaveProperty('expected');
    expect((result as { nearest?: string }).nearest).toBe(nearest);
  });
  test('zero only where zero has a meaning', () => {
    expect(readDuration('0s', 0)).toEqual({ value: 0 });
    expect(readDuration('0', 0)).toEqual({ value: 0 });
  });
});

describe('sizes', () => {
  test.each<[string | number, number]>([
    ['20MiB', 20 * 1024 * 1024],
    ['512KiB', 524_288],
    ['1GiB', 2 ** 30],
    ['1.5kB', 1500],
    ['20MB', 20_000_000],
    [1024, 1024],
    ['1024', 1024],
    ['10B', 10],
  ])('%s', (input, bytes) => {
    expect(readBytes(input)).toEqual({ value: bytes });
  });
  test.each<[string | number, string | undefined]>([
    ['20M', '20MiB'],
    ['20mib', '20MiB'],
    ['20 apples', undefined],
    [0, undefined],
    [-1, undefined],
    [Number.NaN, undefined],
  ])('not %s', (input, nearest) => {
    const result = readBytes(input);
    expect(result).toHaveProperty('expected');
    expect((result as { nearest?: string }).nearest).toBe(nearest);
  });
});

describe('shares', () => {
  test.each<[string | number, number]>([
    ['50%', 0.5],
    ['100%', 1],
    [0.8, 0.8],
    ['0.8', 0.8],
    [1, 1],
  ])('%s', (input, value) => {
    expect(readShare(input)).toEqual({ value });
  });
  test.each<[string | number, string | undefined]>([
    [80, '80%'],
    ['80', '80%'],
    ['101%', undefined],
    [-0.1, undefined],
    [0, undefined],
    ['', undefined],
  ])('not %s', (input, nearest) => {
    const result = readShare(input);
    expect(result).toHaveProperty('expected');
    expect((result as { nearest?: string }).nearest).toBe(nearest);
  });
  test('zero only where zero has a meaning', () => {
    expect(readShare('0%', 'zero-allowed')).toEqual({ value: 0 });
  });
});

describe('numbers', () => {
  test.each<[string | number, number]>([
    ['32k', 32_000],
    ['32K', 32_000],
    ['1.1M', 1_100_000],
    ['2G', 2e9],
    ['.5', 0.5],
    [7, 7],
  ])('%s', (input, value) => {
    expect(readNumber(input)).toEqual({ value });
  });
  test.each(['', 'k', '1_000', '1,000', '0x10', '1e3', '5m', -1, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 60])(
    'not %s',
    (input) => {
      expect(readNumber(input)).toHaveProperty('expected');
    },
  );
  test('counts are whole', () => {
    expect(readCount('1.5k')).toEqual({ value: 1500 });
    expect(readCount('1.5')).toHaveProperty('expected');
    expect(readCount(0)).toHaveProperty('expected');
    expect(readCount(0, 0)).toEqual({ value: 0 });
  });
  test('dollars may say so', () => {
    expect(readDollars('$0.60')).toEqual({ value: 0.6 });
    expect(readDollars(0.6)).toEqual({ value: 0.6 });
    expect(readDollars('$')).toHaveProperty('expected');
  });
});
