import { describe, expect, test } from 'vitest';
import { OutputLengths } from '../../../src/admission/learn.js';
import { numbers } from '../../support/numbers.js';

/** Answers of one length, so many of them. */
function teach(lengths: OutputLengths, model: string, identity: string, times: number, outputTokens: number): void {
  for (let i = 0; i < times; i++) lengths.learn(model, identity, outputTokens);
}

describe('what answers usually cost', () => {
  test.each<[string, (u: number) => number]>([
    ['evenly spread', (u) => 1 + 999 * u],
    ['exponential', (u) => -200 * Math.log(1 - u)],
    ['mostly short with a long tail', (u) => (u < 0.8 ? 20 + 30 * u : 800 + 1000 * u)],
    ['far above the first guess', (u) => 20_000 + 5_000 * u],
  ])('is about the 90th percentile of %s lengths', (_, lengthOf) => {
    const lengths = new OutputLengths();
    const next = numbers(7);
    let within = 0;
    const counted = 20_000;
    for (let i = 0; i < counted + 2_000; i++) {
      const length = lengthOf(next());
      if (i >= 2_000 && length <= lengths.expected('m', 'ann')) within++;
      lengths.learn('m', 'ann', length);
    }
    expect(within / counted).toBeGreaterThan(0.87);
    expect(within / counted).toBeLessThan(0.93);
  });

  test('is a guess before anything was answered', () => {
    expect(new OutputLengths().expected('m', 'ann')).toBe(256);
  });

  test('is learned for each identity, once it has enough answers of its own', () => {
    const lengths = new OutputLengths();
    teach(lengths, 'm', 'terse', 1_000, 10);
    teach(lengths, 'm', 'wordy', 1_000, 2_000);
    expect(lengths.expected('m', 'terse')).toBeLessThan(20);
    expect(lengths.expected('m', 'wordy')).toBeGreaterThan(1_500);
  });

  test('is told from the tenth answer on, and is no guess from there', () => {
    const lengths = new OutputLengths();
    for (const length of [5, 90, 10, 80, 20, 70, 30, 60, 40]) lengths.learn('m', 'ann', length);
    expect([lengths.expected('m', 'ann'), lengths.isGuess('m', 'ann')]).toEqual([256, true]);
    lengths.learn('m', 'ann', 50);
    expect([lengths.expected('m', 'ann'), lengths.isGuess('m', 'ann')]).toEqual([80, false]);
    expect([lengths.expected('other', 'bob'), lengths.isGuess('other', 'bob')]).toEqual([80, false]);
  });

  test('is that of the model for an identity which is new to it, and that of all models for a new model', () => {
    const lengths = new OutputLengths();
    teach(lengths, 'terse', 'ann', 1_000, 10);
    teach(lengths, 'wordy', 'ann', 1_000, 2_000);
    expect(lengths.expected('terse', 'bob')).toBeLessThan(20);
    expect(lengths.expected('wordy', 'bob')).toBeGreaterThan(1_500);
    teach(lengths, 'wordy', 'bob', 19, 10);
    expect(lengths.expected('wordy', 'bob')).toBeGreaterThan(1_000);
    expect(lengths.expected('new', 'bob')).toBe(lengths.expected('newer', 'ann'));
    expect(lengths.expected('new', 'bob')).toBeGreaterThan(1_000);
  });

  test('never falls below one token', () => {
    const lengths = new OutputLengths();
    teach(lengths, 'm', 'ann', 10_000, 0);
    expect(lengths.expected('m', 'ann')).toBe(1);
  });

  test('moves a little with one answer, however long', () => {
    const lengths = new OutputLengths();
    lengths.learn('m', 'ann', 1e9);
    expect(lengths.expected('m', 'ann')).toBeLessThan(300);
  });

  test('is bounded in models and in identities, and those in use are kept', () => {
    const lengths = new OutputLengths();
    teach(lengths, 'used', 'ann', 500, 1);
    for (let i = 0; i < 12_000; i++) {
      lengths.learn(`flood ${i % 5_000}`, `flood ${i}`, 5_000);
      lengths.expected('used', 'ann');
    }
    expect(lengths.expected('used', 'ann')).toBeLessThan(40);
    teach(lengths, 'other', 'ann', 1, 5_000);
    for (let i = 0; i < 1_100; i++) lengths.learn(`models ${i}`, 'bob', 5_000);
    // Identities outlive models in number; without the model's own both are as new.
    expect(lengths.expected('used', 'newcomer')).toBe(lengths.expected('unheard of', 'newcomer'));
  });

  test('does not take one pair of names for another', () => {
    const lengths = new OutputLengths();
    teach(lengths, 'a', 'bc', 1_000, 2_000);
    teach(lengths, 'ab', 'c', 1_000, 10);
    expect(lengths.expected('a', 'bc')).toBeGreaterThan(1_500);
  });
});
