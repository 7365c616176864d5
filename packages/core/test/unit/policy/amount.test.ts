import { describe, expect, test } from 'vitest';
import { measures } from '../../../src/model.js';
import { composeAmount, exampleOf, readAmount, readSlots, type WindowMeasure } from '../../../src/policy/amount.js';

const second = 1000;
const minute = 60_000;
const hour = 3_600_000;
const day = 86_400_000;

const read = (text: string | number, measure: WindowMeasure = 'requests') => readAmount(text, measure);
const bucket = (amount: number, periodMs: number, capacity = amount) => ({
  algorithm: 'token-bucket',
  amount,
  capacity,
  periodMs,
});

describe('requests are a token bucket', () => {
  test.each([
    ['60/min', bucket(60, minute)],
    ['60/m', bucket(60, minute)],
    ['60/min burst 10', bucket(60, minute, 10)],
    ['  60 / min   burst 10 ', bucket(60, minute, 10)],
    ['5/s', bucket(5, second)],
    ['1000/h', bucket(1000, hour)],
    ['1000/hour', bucket(1000, hour)],
    ['1k/d', bucket(1000, day)],
    ['1k/day', bucket(1000, day)],
    ['1.5M/week', bucket(1_500_000, 7 * day)],
    ['2G/month', bucket(2_000_000_000, 30 * day)],
    ['10/90s', bucket(10, 90 * second)],
    ['10/5min', bucket(10, 5 * minute)],
    ['10/5 min burst 3', bucket(10, 5 * minute, 3)],
    ['0.5/s burst 2', bucket(0.5, second, 2)],
    ['1/2s', bucket(1, 2 * second)],
    ['1.1M/day', bucket(1_100_000, day)],
  ])('%s', (text, expected) => {
    expect(read(text)).toMatchObject({ value: expected });
  });
});

describe('budgets roll up to an hour and follow the calendar from a day up', () => {
  test.each([
    ['100k/hour', 'tokens', { algorithm: 'rolling', amount: 100_000, capacity: 100_000, periodMs: hour }],
    ['100k/min', 'inputTokens', { algorithm: 'rolling', periodMs: minute }],
    ['100k/6h', 'outputTokens', { algorithm: 'rolling', periodMs: 6 * hour }],
    ['500k/day', 'tokens', { algorithm: 'calendar', calendar: 'day', capacity: 500_000, periodMs: day }],
    ['500k/1d', 'tokens', { algorithm: 'calendar', calendar: 'day' }],
    ['5M/week', 'tokens', { algorithm: 'calendar', calendar: 'week', periodMs: 7 * day }],
    ['5M/month', 'tokens', { algorithm: 'calendar', calendar: 'month', periodMs: 30 * day }],
    ['500k/2day', 'tokens', { algorithm: 'rolling', periodMs: 2 * day }],
    ['500k/24h', 'tokens', { algorithm: 'rolling', periodMs: day }],
    ['500k/day rolling', 'tokens', { algorithm: 'rolling', periodMs: day }],
    ['5M/month rolling', 'tokens', { algorithm: 'rolling', periodMs: 30 * day }],
    ['$5/day', 'cost', { algorithm: 'calendar', amount: 5 }],
    ['$0.50/hour', 'cost', { algorithm: 'rolling', amount: 0.5 }],
    ['600/hour', 'gpuSeconds', { algorithm: 'rolling', amount: 600 }],
    ['5/min', 'failures', { algorithm: 'rolling', amount: 5 }],
    ['100/day', 'requests', { algorithm: 'token-bucket' }],
    ['100/day calendar', 'requests', { algorithm: 'calendar', calendar: 'day' }],
    ['100/min rolling', 'requests', { algorithm: 'rolling' }],
    ['100k/min burst 10k', 'tokens', { algorithm: 'token-bucket', capacity: 10_000 }],
  ] as const)('%s of %s', (text, measure, expected) => {
    expect(read(text, measure)).toMatchObject({ value: expected });
  });
});

describe("nginx's spelling keeps nginx's meaning", () => {
  test.each([
    ['10r/m', { ...bucket(10, minute, 1) }],
    ['10r/s', { ...bucket(10, second, 1) }],
    ['10r/m burst=3 nodelay', { ...bucket(10, minute, 4) }],
    ['10r/m nodelay burst=3', { ...bucket(10, minute, 4) }],
    ['10r/m nodelay', { ...bucket(10, minute, 1) }],
    ['10r/m burst=3 delay=3', { ...bucket(10, minute, 4) }],
    ['10r/m burst=3', { ...bucket(10, minute, 4), delay: { after: 1 } }],
    ['10r/m burst=5 delay=2', { ...bucket(10, minute, 6), delay: { after: 3 } }],
  ])('%s', (text, expected) => {
    const result = read(text);
    expect(result).toMatchObject({ value: expected });
    expect('delay' in (result as { value: object }).value).toBe('delay' in expected);
  });

  test.each(['10r/m burst 3', '60/min burst=10', '60/min nodelay', '10r/m burst=3 rolling', '60/min delay=2'])(
    'does not mix with ours: %s',
    (text) => {
      expect(read(text)).toMatchObject({
        expected: expect.stringMatching(/one spelling of the two.*`\d+\/\w+ burst 4`.*nodelay/),
      });
    },
  );

  test.each([
    ['10r/h', /r\/s.*r\/m/],
    ['0r/m', /at least one/],
    ['1.5r/m', /whole rate/],
    ['10r/m burst=3 burst=4', /each once/],
    ['10r/m zone=one', /burst=<n>/],
    ['10r/m nodelay delay=2', /not both/],
    ['10r/m burst=-1', /burst=<n>/],
  ])('refuses what nginx would: %s', (text, expected) => {
    expect(read(text)).toMatchObject({ expected: expect.stringMatching(expected) });
  });

  test('counts requests only', () => {
    expect(read('10r/m', 'tokens')).toMatchObject({ expected: expect.stringMatching(/requests` only/) });
  });
});

describe('impossible amounts say what to write instead', () => {
  test.each<[string | number, WindowMeasure, RegExp, string?]>([
    ['60', 'requests', /amount and a period/, '60/min'],
    [60, 'requests', /amount and a period/, '60/min'],
    ['', 'requests', /amount and a period/],
    ['/', 'requests', /amount and a period/],
    ['60/', 'requests', /a period such as/],
    ['60/min/s', 'requests', /amount and a period/],
    ['-60/min', 'requests', /amount and a period/],
    ['NaN/min', 'requests', /amount and a period/],
    ['Infinity/min', 'requests', /amount and a period/],
    ['1e3/min', 'requests', /amount and a period/],
    ['0/min', 'requests', /above zero/],
    ['9999999G/min', 'requests', /amount and a period/],
    ['100m/min', 'tokens', /amount and a period/, '100M/min'],
    ['60/minn', 'requests', /a period such as/, '60/min'],
    ['60/minute', 'requests', /a period such as/, '60/min'],
    ['60/minn burst 3', 'requests', /a period such as/, '60/min burst 3'],
    ['10/m2in', 'requests', /a period such as/],
    ['60/2 hours burst 3', 'requests', /a period such as/, '60/2hour burst 3'],
    ['60/2hours', 'requests', /a period such as/, '60/2hour'],
    ['60/0s', 'requests', /longer than zero/],
    ['60/500ms', 'requests', /`ms` is too short/],
    ['60/0.5s', 'requests', /at least one second/],
    ['60/200month', 'requests', /at most ten years/],
    ['60/min burst 0', 'requests', /at least 1: .*with 0 none ever could/],
    ['60/min burst 1.5', 'requests', /whole number of at least 1/],
    ['60/min burst', 'requests', /a number after `burst`/],
    ['60/min burst 3 burst 4', 'requests', /each option once/],
    ['60/min rolling calendar', 'requests', /each option once/],
    ['60/min bust 3', 'requests', /then at most `burst <n>`/],
    ['60/min burst 3 rolling', 'requests', /`burst` or `rolling`, not both/],
    ['0.5/s', 'requests', /at least one at once/],
    ['2.5/min rolling', 'requests', /whole number/],
    ['60/min calendar', 'requests', /`day`, `week` or `month`/],
    ['60/hour calendar', 'requests', /`day`, `week` or `month`/],
    ['60/90s calendar', 'requests', /`day`, `week` or `month`/],
    ['60/2day calendar', 'requests', /`day`, `week` or `month`/],
    ['$5/day', 'tokens', /without `\$`/],
    ['5/day', 'cost', /dollars/, '$5/day'],
  ])('%s of %s', (text, measure, expected, nearest) => {
    const result = read(text, measure);
    expect(result).toMatchObject({ expected: expect.stringMatching(expected) });
    expect((result as { nearest?: string }).nearest).toBe(nearest);
  });
});

describe('the object form', () => {
  test('means what the text means', () => {
    expect(composeAmount({ limit: 60, per: 'min', burst: 10, algorithm: 'token-bucket' }, 'requests')).toEqual(
      read('60/min burst 10'),
    );
    expect(composeAmount({ limit: '100k', per: 'hour' }, 'tokens')).toEqual(read('100k/hour', 'tokens'));
    expect(composeAmount({ limit: 5, per: 'day' }, 'cost')).toEqual(read('$5/day', 'cost'));
  });

  test.each([
    [{ limit: -1, per: 'min' }, 'limit'],
    [{ limit: Number.NaN, per: 'min' }, 'limit'],
    [{ limit: Number.POSITIVE_INFINITY, per: 'min' }, 'limit'],
    [{ limit: 1, per: 'identity' }, 'per'],
  ])('says which part is wrong: %o', (parts, part) => {
    expect(composeAmount(parts, 'requests')).toMatchObject({ part });
  });
});

describe('slots', () => {
  test.each([5, '5', '0.1k'])('%s', (input) => {
    expect(readSlots(input)).toMatchObject({ value: { algorithm: 'slots', periodMs: 0 } });
  });
  test.each([0, -1, 1.5, '5/min', 'many', Number.NaN])('not %s', (input) => {
    expect(readSlots(input)).toMatchObject({ expected: expect.stringContaining('at once') });
  });
});

test.each(measures)('what is shown as an example for %s is one', (measure) => {
  const examples = [...exampleOf(measure).matchAll(/`([^`]+)`/g)].map(([, text]) => text!);
  expect(examples).not.toEqual([]);
  for (const text of examples) {
    expect(measure === 'concurrency' ? readSlots(text) : readAmount(text, measure)).toHaveProperty('value');
  }
});
