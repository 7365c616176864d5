import { estimateTokens } from '@headgate/core';
import { tiktokenCounter } from '@headgate/tiktoken';
import { beforeAll, describe, expect, test } from 'vitest';
import { type Accuracy, type Method, mean, measureAccuracy } from '../../estimator/accuracy.js';
import { readSamples } from '../../estimator/samples.js';

const samples = readSamples(new URL('../../estimator/samples/', import.meta.url));

describe('the sample texts', () => {
  test('are of many kinds, each long enough for prompts to learn from and to be judged by', () => {
    expect(samples.length).toBeGreaterThanOrEqual(12);
    for (const { kind, text, halves } of samples) {
      expect(text.length, kind).toBeGreaterThan(800);
      for (const prompts of halves) expect(prompts.length, kind).toBeGreaterThan(0);
      for (const prompt of halves.flat()) expect(text, kind).toContain(prompt);
      expect(new Set(halves.flat()).size, kind).toBe(halves.flat().length);
    }
  });
});

describe.each([
  ['o200k_base', 0.12],
  ['cl100k_base', 0.2],
] as const)('against %s', (encoding, uncalibrated) => {
  let kinds: readonly Accuracy[];
  beforeAll(async () => {
    const counter = tiktokenCounter(encoding);
    kinds = await measureAccuracy(samples, counter);
    counter.close();
  });
  const error = (method: Method, among = kinds): number => mean(among.flatMap(({ errors }) => errors[method]));

  test('the estimate is far closer than characters / 4, before it has learned anything', () => {
    expect(error('estimate')).toBeLessThan(uncalibrated);
    expect(error('estimate')).toBeLessThan(0.6 * error('chars / 4'));
  });

  test('calibrated, it is within a few per cent, and closer than characters / 4 calibrated the same way', () => {
    expect(error('calibrated')).toBeLessThan(0.07);
    expect(error('calibrated')).toBeLessThan(0.6 * error('chars / 4, calibrated'));
    for (const kind of kinds) expect(error('calibrated', [kind]), kind.kind).toBeLessThan(0.12);
  });

  test('taken over from another process it is as close as its own to within a per cent or two', () => {
    expect(error('taken over')).toBeLessThan(error('calibrated') + 0.015);
    expect(error('taken over')).toBeLessThan(0.75 * error('estimate'));
  });

  test('calibrated by texts of all kinds in turns, it is closer than before', () => {
    expect(error('calibrated, mixed')).toBeLessThan(0.7 * error('estimate'));
  });
});

test('what is judged is what a limiter sets aside', async () => {
  const [first] = await measureAccuracy(samples.slice(0, 1), (text) => 2 * estimateTokens(text));
  // After so few answers about a tenth of the way is left.
  expect(mean(first!.errors.calibrated)).toBeLessThan(0.1);
  expect(mean(first!.errors.estimate)).toBeCloseTo(0.5, 2);
});
