import { describe, expect, test } from 'vitest';
import { Rates } from '../../../src/pool/rates.js';

describe('what was learned of a backend', () => {
  test('is a guess before the first request, then what was seen', () => {
    const rates = new Rates();
    expect([rates.holdMs, rates.loadMs('m'), rates.msPerToken]).toEqual([5_000, 2_000, 0.5]);
    rates.held(800);
    rates.loaded('m', 30_000);
    expect([rates.holdMs, rates.loadMs('m'), rates.loadMs('n')]).toEqual([800, 30_000, 2_000]);
  });

  test('is the plain mean of the first few, and follows a change within some tens', () => {
    const rates = new Rates();
    for (const ms of [500, 1_000, 1_500]) rates.held(ms);
    expect(rates.holdMs).toBe(1_000);
    for (let i = 0; i < 40; i++) rates.held(1_000);
    for (let i = 0; i < 80; i++) rates.held(5_000);
    expect(rates.holdMs).toBeGreaterThan(4_900);
    expect(rates.holdMs).toBeLessThan(5_000);
  });

  test('is taken from the others where a backend has shown nothing of its own', () => {
    const fleet = new Rates();
    const [known, fresh] = [new Rates(fleet), new Rates(fleet)];
    known.held(700);
    known.loaded('m', 9_000);
    for (let i = 0; i < 50; i++) known.read(1_000 + 100 * i, 200 + 0.1 * (1_000 + 100 * i));
    expect([fresh.holdMs, fresh.loadMs('m')]).toEqual([700, 9_000]);
    expect(fresh.msPerToken).toBeCloseTo(known.msPerToken);
    fresh.held(100);
    expect([fresh.holdMs, known.holdMs]).toEqual([100, 700]);
  });
});

describe('the time a prompt token takes', () => {
  const learned = (samples: readonly [tokens: number, ms: number][]): number => {
    const rates = new Rates();
    for (const [tokens, ms] of samples) rates.read(tokens, ms);
    return rates.msPerToken;
  };

  test('is the slope, whatever every request takes beside it', () => {
    const samples = Array.from({ length: 60 }, (_, i): [number, number] => [200 * i, 1_500 + 0.125 * 200 * i]);
    expect(learned(samples)).toBeCloseTo(0.125, 2);
  });

  test('stays the guess while prompts are too much alike to tell', () => {
    expect(learned(Array.from({ length: 60 }, () => [100, 900]))).toBeCloseTo(0.5, 6);
  });

  test('is never below zero', () => {
    expect(learned(Array.from({ length: 60 }, (_, i) => [100 * i, 6_000 - 100 * i]))).toBe(0);
  });
});

describe('when a first byte is late', () => {
  test('is not known before one was seen', () => {
    expect(new Rates().patienceMs(true, undefined)).toBeUndefined();
    const rates = new Rates();
    rates.firstByte(100, true);
    expect(rates.patienceMs(false, undefined)).toBeUndefined();
    expect(rates.patienceMs(true, 'unseen')).toBeUndefined();
  });

  test('depends on how much first bytes vary, and on the model that has to be loaded', () => {
    const [even, uneven] = [new Rates(), new Rates()];
    for (let i = 0; i < 100; i++) {
      even.firstByte(500, true);
      uneven.firstByte(i % 2 === 0 ? 100 : 900, true);
    }
    expect(even.patienceMs(true, undefined)).toBeCloseTo(2_000);
    expect(uneven.patienceMs(true, undefined)).toBeGreaterThan(6_000);
    even.loaded('m', 10_000);
    expect(even.patienceMs(true, 'm')).toBeCloseTo(42_000);
  });

  test('of streams says nothing of answers that come whole', () => {
    const rates = new Rates();
    rates.firstByte(100, true);
    rates.firstByte(9_000, false);
    expect(rates.patienceMs(true, undefined)).toBe(400);
    expect(rates.patienceMs(false, undefined)).toBe(36_000);
  });
});
