import { describe, expect, test } from 'vitest';
import type { Identity, Priority } from '../../../src/model.js';
import { Fairness, type Size } from '../../../src/queue/fairness.js';

const who = (id: string, more: Partial<Identity> = {}): Identity => ({
  id,
  tier: 'default',
  weight: 1,
  priority: 'normal',
  ...more,
});

const fairnessOf = (countersMax = 1_000): Fairness => new Fairness({ fairness: 'tokens', countersMax });
const size = (inputTokens: number, more: Partial<Size> = {}): Size => {
  return { inputTokens, outputTokensMax: Number.POSITIVE_INFINITY, generates: true, ...more };
};
const value = (fairness: Fairness, id: string, more: Partial<Identity> = {}) => fairness.peek(who(id, more)).value;

/** So many answers of one length, one after the other, from an identity. */
function answers(fairness: Fairness, id: string, outputTokens: number, count: number): void {
  for (let i = 0; i < count; i++) fairness.begin(who(id), size(0)).settle(0, outputTokens);
}

describe('what a request is charged', () => {
  test('is its input when it begins, twice its output as it streams, and what it was in the end', () => {
    const fairness = fairnessOf();
    const charge = fairness.begin(who('ann'), size(100));
    const seen = [value(fairness, 'ann')];
    charge.stream(10);
    charge.stream(10);
    charge.stream(25);
    seen.push(value(fairness, 'ann'));
    charge.settle(90, 30);
    seen.push(value(fairness, 'ann'));
    expect(seen).toEqual([100, 150, 150]);
  });

  test('is divided by the weight of the identity, and by that of its band for the band', () => {
    const fairness = fairnessOf();
    fairness.begin(who('ann', { weight: 4, priority: 'high' }), size(100)).settle(100, 50);
    expect(value(fairness, 'ann', { priority: 'high' })).toBe(50);
    expect(fairness.bands.map(({ counter }) => counter.value)).toEqual([200 / 9, 0, 0]);
  });

  test('is given back at the weight it was charged at', () => {
    const fairness = fairnessOf();
    const charge = fairness.begin(who('ann', { weight: 2 }), size(100));
    fairness.counterOf(who('ann', { weight: 8 }));
    charge.cancel();
    expect(value(fairness, 'ann')).toBe(0);
  });

  test('is nothing when it is cancelled, and an ending counts once', () => {
    const fairness = fairnessOf();
    const charge = fairness.begin(who('ann'), size(100));
    charge.stream(7);
    charge.cancel();
    charge.settle(100, 100);
    charge.stream(500);
    expect([value(fairness, 'ann'), fairness.peek(who('ann')).running]).toEqual([0, 0]);
  });

  test('is finite, whatever size is claimed or reported', () => {
    const fairness = fairnessOf();
    const charge = fairness.begin(who('ann'), size(Number.POSITIVE_INFINITY));
    charge.stream(1e300);
    charge.settle(1e300, 1e300);
    expect(value(fairness, 'ann')).toBe(3e9);
  });
});

describe('the predicted output', () => {
  test('is charged when a request begins, from the sixth on', () => {
    const fairness = fairnessOf();
    answers(fairness, 'ann', 100, 4);
    const before = value(fairness, 'ann');
    fairness.begin(who('ann'), size(0)).settle(0, 100);
    expect(value(fairness, 'ann')).toBe(before + 200);
    fairness.begin(who('ann'), size(0));
    expect(value(fairness, 'ann')).toBe(before + 400);
  });

  test('is no more than the request may produce', () => {
    const fairness = fairnessOf();
    answers(fairness, 'ann', 100, 5);
    fairness.begin(who('ann'), size(0, { outputTokensMax: 30 }));
    expect(value(fairness, 'ann')).toBe(1_000 + 60);
  });

  test('is nothing for requests that write nothing, and they teach nothing', () => {
    const fairness = fairnessOf();
    answers(fairness, 'ann', 100, 5);
    for (let i = 0; i < 20; i++) fairness.begin(who('ann'), size(3, { generates: false })).settle(3, 0);
    expect(value(fairness, 'ann')).toBe(1_000 + 60);
    fairness.begin(who('ann'), size(0));
    expect(value(fairness, 'ann')).toBe(1_060 + 200);
  });

  test('is the smaller of mean and median, so one long answer among many does not count', () => {
    const fairness = fairnessOf();
    answers(fairness, 'ann', 50, 8);
    answers(fairness, 'ann', 9_000, 1);
    const before = value(fairness, 'ann');
    fairness.begin(who('ann'), size(0));
    expect(value(fairness, 'ann')).toBe(before + 100);
  });

  test('is given back where the answer was shorter, and more is charged where it was longer', () => {
    const fairness = fairnessOf();
    answers(fairness, 'ann', 100, 5);
    fairness.begin(who('ann'), size(0)).settle(0, 40);
    expect(value(fairness, 'ann')).toBe(1_080);
    const long = fairness.begin(who('ann'), size(0));
    const predicted = value(fairness, 'ann');
    long.stream(80);
    expect(value(fairness, 'ann')).toBe(predicted);
    long.stream(150);
    expect(value(fairness, 'ann')).toBe(1_080 + 300);
  });
});

describe('an identity that was idle', () => {
  const waits = (fairness: Fairness, id: string, level?: number) => {
    const counter = fairness.counterOf(who(id));
    fairness.joined(counter, level);
    return () => fairness.left(counter);
  };

  test('is lifted to the least of those who wait for the same slots', () => {
    const fairness = fairnessOf();
    answers(fairness, 'busy', 500, 2);
    waits(fairness, 'busy');
    waits(fairness, 'new', value(fairness, 'busy'));
    expect(value(fairness, 'new')).toBe(2_000);
  });

  test('is lifted to whoever went last where nobody waits', () => {
    const fairness = fairnessOf();
    answers(fairness, 'first', 300, 1);
    answers(fairness, 'busy', 500, 1);
    waits(fairness, 'new');
    expect(value(fairness, 'new')).toBe(value(fairness, 'busy'));
  });

  test('keeps what it owes: it comes back no lower than it left', () => {
    const fairness = fairnessOf();
    waits(fairness, 'patient');
    answers(fairness, 'debtor', 5_000, 1);
    waits(fairness, 'debtor', value(fairness, 'patient'));
    expect([value(fairness, 'debtor'), value(fairness, 'patient')]).toEqual([10_000, 0]);
  });

  test('is not lifted while another request of it waits', () => {
    const fairness = fairnessOf();
    waits(fairness, 'ann', 5);
    waits(fairness, 'ann', 1_000);
    expect(value(fairness, 'ann')).toBe(5);
  });

  test('does not get the lift back with a prediction that was too large', () => {
    const fairness = fairnessOf();
    answers(fairness, 'ann', 1_000, 5);
    const running = fairness.begin(who('ann'), size(0));
    waits(fairness, 'ann', 11_000);
    running.settle(0, 0);
    expect(value(fairness, 'ann')).toBe(11_000);
  });

  test('does not get back what was really served since the lift', () => {
    const fairness = fairnessOf();
    answers(fairness, 'ann', 1_000, 5);
    const running = fairness.begin(who('ann'), size(0));
    const leaves = waits(fairness, 'ann', 11_500);
    fairness.begin(who('ann'), size(300));
    leaves();
    running.settle(0, 0);
    // 11,500 and the 300 of the second one, which is predicted to write 1,000 more.
    expect(fairness.peek(who('ann')).served).toBe(11_800);
    expect(value(fairness, 'ann')).toBe(12_000 + 300);
  });
});

describe('bands', () => {
  test.each<[Priority, number]>([
    ['high', 9],
    ['normal', 3],
    ['low', 1],
  ])('%s weighs %i', (priority, weight) => {
    const fairness = fairnessOf();
    fairness.begin(who('ann', { priority }), size(90)).settle(90, 0);
    expect(fairness.peek(who('ann', { priority })).band.counter.value).toBe(90 / weight);
  });

  test('an idle band is lifted like an idle identity', () => {
    const fairness = fairnessOf();
    fairness.begin(who('ann', { priority: 'low' }), size(500)).settle(500, 0);
    fairness.joined(fairness.counterOf(who('ann', { priority: 'low' })), undefined);
    fairness.joined(fairness.counterOf(who('bob', { priority: 'high' })), undefined);
    expect(fairness.bands.map(({ counter }) => counter.value)).toEqual([500, 0, 500]);
  });

  test('one identity has a counter in each band it asks in', () => {
    const fairness = fairnessOf();
    fairness.begin(who('ann', { priority: 'low' }), size(10));
    expect([value(fairness, 'ann', { priority: 'low' }), value(fairness, 'ann')]).toEqual([10, 0]);
  });
});

describe('what is kept', () => {
  test('is not a counter that the lift would give back', () => {
    const fairness = fairnessOf();
    for (let i = 0; i < 20_000; i++) fairness.begin(who(`once ${i}`), size(10)).settle(10, 0);
    expect(fairness.size).toBeLessThanOrEqual(2_000);
  });

  test('is a debt, however long idle, while it is more than the lift would give back', () => {
    const fairness = fairnessOf();
    const patient = fairness.counterOf(who('patient'));
    fairness.joined(patient, undefined);
    answers(fairness, 'debtor', 1_000_000, 1);
    for (let i = 0; i < 5_000; i++) {
      const counter = fairness.counterOf(who(`newcomer ${i}`));
      fairness.joined(counter, patient.value);
      fairness.begin(who(`newcomer ${i}`), size(1)).settle(1, 0);
      fairness.left(counter);
    }
    expect(value(fairness, 'debtor')).toBe(2_000_000);
    expect(fairness.size).toBeLessThanOrEqual(2_002);
  });

  test('is no more than asked for: newcomers past that share one counter', () => {
    const fairness = fairnessOf(100);
    const charges = Array.from({ length: 500 }, (_, i) => fairness.begin(who(`n${i}`), size(10)));
    expect(fairness.size).toBe(100);
    expect(fairness.counterOf(who('n300'))).toBe(fairness.counterOf(who('n400')));
    for (const charge of charges) charge.settle(10, 0);
  });

  test('is nothing for those who only looked', () => {
    const fairness = fairnessOf();
    fairness.peek(who('ann'));
    expect(fairness.size).toBe(0);
  });
});

test('without fairness one counter, which nothing is charged on, is everyone', () => {
  const fairness = new Fairness({ fairness: 'none', countersMax: 10 });
  fairness.begin(who('ann'), size(100)).settle(100, 100);
  expect(fairness.counterOf(who('ann'))).toBe(fairness.counterOf(who('bob')));
  expect(value(fairness, 'ann')).toBe(0);
});
