import { describe, expect, test } from 'vitest';
import { Calibration } from '../../../src/admission/calibrate.js';
import { countCharacters, estimateTokens } from '../../../src/admission/estimate.js';
import type { PromptSize } from '../../../src/reservation.js';
import { numbers } from '../../support/numbers.js';

const prompt = (textTokens: number, more: Partial<PromptSize> = {}): PromptSize => ({
  characters: undefined,
  textTokens,
  messages: 0,
  images: 0,
  tokensKnown: 0,
  ...more,
});

/** A backend with a vocabulary and a template of its own, asked many times with prompts of many shapes. */
function afterPrompts(
  calibration: Calibration,
  actualOf: (prompt: PromptSize) => number,
  { times = 2_000, model = 'm', identity = 'ann', shape = chats }: Partial<Run> = {},
): void {
  const next = numbers(11);
  for (let i = 0; i < times; i++) {
    const asked = shape(next);
    calibration.learn(model, identity, asked, actualOf(asked));
  }
}

interface Run {
  readonly times: number;
  readonly model: string;
  readonly identity: string;
  readonly shape: (next: () => number) => PromptSize;
}

const texts = (next: () => number): PromptSize => prompt(Math.ceil(10 + 990 * next()));
const chats = (next: () => number): PromptSize =>
  prompt(Math.ceil(2 + 500 * next() ** 3), { messages: 1 + Math.floor(20 * next() ** 2) });

describe('the calibration of the estimate', () => {
  test('begins with the estimate as it is, and with a usual template and usual images', () => {
    const calibration = new Calibration();
    expect(calibration.estimate('m', 'ann', prompt(100))).toBe(100);
    expect(calibration.estimate('m', 'ann', prompt(100, { messages: 2 }))).toBe(100 + 3 + 2 * 4);
    expect(calibration.estimate('m', 'ann', prompt(0, { images: 2 }))).toBe(2 * 768);
    expect(calibration.estimate('m', 'ann', prompt(0))).toBe(0);
  });

  test('of text alone is the mean of the logarithm of the ratio, of which the newest keeps a weight of 0.15', () => {
    const calibration = new Calibration();
    let mean = 0;
    for (const [at, ratio] of [1.5, 1.2, 1.4, 1.1, 1.3, 1.6, 1.2, 1.4, 1.1, 1.7].entries()) {
      mean += Math.max(0.15, 1 / (at + 2)) * (Math.log(ratio) - mean);
      calibration.learn('m', 'ann', prompt(10_000), 10_000 * ratio);
    }
    expect(calibration.estimate('m', 'ann', prompt(10_000))).toBe(Math.ceil(10_000 * Math.exp(mean)));
  });

  test.each([0.3, 0.6, 1.9, 3.5])('finds a vocabulary that counts %f times the estimate', (ratio) => {
    const calibration = new Calibration();
    afterPrompts(calibration, ({ textTokens }) => textTokens * ratio, { shape: texts, times: 100 });
    expect(calibration.estimate('m', 'ann', prompt(1_000)) / (1_000 * ratio)).toBeCloseTo(1, 1);
  });

  test('goes no further than four times either way, whatever it is told', () => {
    const calibration = new Calibration();
    for (let i = 0; i < 1_000; i++) calibration.learn('m', 'ann', prompt(100), 1e9);
    expect(calibration.estimate('m', 'ann', prompt(100))).toBe(400);
    for (let i = 0; i < 1_000; i++) calibration.learn('m', 'ann', prompt(100), 25);
    expect(calibration.estimate('m', 'ann', prompt(100))).toBeLessThanOrEqual(26);
  });

  test('finds what a chat template adds once and for every message', () => {
    const calibration = new Calibration();
    afterPrompts(calibration, ({ textTokens, messages }) => 1.2 * textTokens + 11 * messages + 40);
    for (const [textTokens, messages] of [
      [1, 1],
      [400, 1],
      [5, 12],
      [300, 20],
    ] as const) {
      const actual = 1.2 * textTokens + 11 * messages + 40;
      const estimate = calibration.estimate('m', 'ann', prompt(textTokens, { messages }));
      expect(Math.abs(estimate / actual - 1), `${textTokens} tokens in ${messages} messages`).toBeLessThan(0.08);
    }
  });

  test('finds what an image costs', () => {
    const calibration = new Calibration();
    const shape = (next: () => number) =>
      prompt(Math.ceil(200 * next()), { messages: 1, images: Math.floor(3 * next()) });
    afterPrompts(calibration, ({ textTokens, images }) => textTokens + 7 + 1_601 * images, { shape });
    expect(calibration.estimate('m', 'ann', prompt(20, { messages: 1, images: 1 })) / 1_628).toBeCloseTo(1, 1);
  });

  test('adds what was counted before, and does not correct it', () => {
    const calibration = new Calibration();
    for (let i = 0; i < 100; i++) calibration.learn('m', 'ann', prompt(100, { tokensKnown: 900 }), 1_100);
    expect(calibration.estimate('m', 'ann', prompt(0, { tokensKnown: 500 }))).toBe(500);
    expect(calibration.estimate('m', 'ann', prompt(100)) / 200).toBeCloseTo(1, 1);
  });

  test('is of the identity once it has enough answers of its own, of the model until then', () => {
    const calibration = new Calibration();
    afterPrompts(calibration, ({ textTokens }) => 2 * textTokens, { identity: 'ann', shape: texts, times: 100 });
    expect(calibration.estimate('m', 'bob', prompt(100)) / 200).toBeCloseTo(1, 1);
    for (let i = 0; i < 7; i++) {
      calibration.learn('m', 'bob', prompt(100), 60);
      calibration.learn('m', 'ann', prompt(100), 200);
    }
    expect(calibration.estimate('m', 'bob', prompt(100))).toBe(calibration.estimate('m', 'cid', prompt(100)));
    calibration.learn('m', 'bob', prompt(100), 60);
    expect(calibration.estimate('m', 'bob', prompt(100))).toBeLessThan(calibration.estimate('m', 'cid', prompt(100)));
    for (let i = 0; i < 50; i++) calibration.learn('m', 'bob', prompt(100), 60);
    expect(calibration.estimate('m', 'bob', prompt(100))).toBe(61);
    expect(calibration.estimate('m', 'ann', prompt(100)) / 200).toBeCloseTo(1, 1);
  });

  describe('of texts by their characters', () => {
    const written = (text: string): PromptSize => prompt(0, { characters: countCharacters([text]) });
    const english = 'The ditch rider comes by on a gray mare. '.repeat(20);
    const russian = 'Каждое утро объездчик приезжает на серой кобыле. '.repeat(20);
    const numbers = '31415 92653 58979 32384 '.repeat(30);
    const texts = [english, russian, numbers];

    test('begins with the estimate of the text', () => {
      for (const text of ['', 'a', english, russian, numbers]) {
        expect(new Calibration().estimate('m', 'ann', written(text))).toBe(estimateTokens(text));
      }
    });

    test('finds the weight of each class, though texts of all kinds come in turns', () => {
      const calibration = new Calibration();
      const ratios = [1.1, 2.2, 0.4];
      const actuals = texts.map((text, at) => Math.round(estimateTokens(text) * ratios[at]!));
      for (let round = 0; round < 60; round++) {
        texts.forEach((text, at) => void calibration.learn('m', 'ann', written(text), actuals[at]!));
      }
      texts.forEach((text, at) => {
        const estimate = calibration.estimate('m', 'ann', written(text));
        expect(Math.abs(estimate / actuals[at]! - 1), text.slice(0, 20)).toBeLessThan(0.05);
      });
    });

    test('leaves other identities and the estimate itself as they are', () => {
      const calibration = new Calibration();
      for (let i = 0; i < 50; i++) calibration.learn('m', 'ann', written(english), 2 * estimateTokens(english));
      for (let i = 0; i < 50; i++) calibration.learn('m', 'bob', written(english), estimateTokens(english));
      expect(calibration.estimate('m', 'ann', written(english)) / estimateTokens(english)).toBeCloseTo(2, 1);
      expect(calibration.estimate('m', 'bob', written(english)) / estimateTokens(english)).toBeCloseTo(1, 1);
      expect(calibration.estimate('n', 'ann', written(english))).toBe(estimateTokens(english));
    });
  });

  test('of one model says nothing about another', () => {
    const calibration = new Calibration();
    for (let i = 0; i < 50; i++) calibration.learn('m', 'ann', prompt(100), 250);
    expect(calibration.estimate('n', 'ann', prompt(100))).toBe(100);
  });

  test('learns nothing from a count that leaves cached tokens out, and comes back when that is over', () => {
    const calibration = new Calibration();
    const asked = prompt(1_000, { messages: 3 });
    for (let i = 0; i < 20; i++) calibration.learn('m', 'ann', asked, 1_500);
    const before = calibration.estimate('m', 'ann', asked);
    for (const actual of [0, 1, 26, 200, 250, Number.NaN, -1, Number.POSITIVE_INFINITY]) {
      for (let i = 0; i < 20; i++) calibration.learn('m', 'ann', asked, actual);
    }
    expect(calibration.estimate('m', 'ann', asked)).toBe(before);
  });

  test('learns from others what it would have learned from them itself, and nothing else', () => {
    const [teller, listener] = [new Calibration(), new Calibration()];
    const [tells, hears] = [teller.share(), listener.share()];
    const asked = prompt(1_000, { messages: 3 });
    for (let i = 0; i < 20; i++) teller.learn('m', 'ann', asked, 1_500);
    for (const { name, bytes } of tells.tell(9, 0, false)) {
      // The last of them as if its backend had left cached tokens out.
      const last = new DataView(bytes.buffer, bytes.length - 4);
      last.setFloat32(0, 10, true);
      expect(hears.hear(name, bytes)).toBe(true);
    }
    expect(listener.estimate('m', 'bob', asked) / teller.estimate('m', 'bob', asked)).toBeCloseTo(1, 1);
  });

  test('comes down again after it was led far up', () => {
    const calibration = new Calibration();
    for (let i = 0; i < 1_000; i++) calibration.learn('m', 'ann', prompt(100), 1e6);
    for (let i = 0; i < 100; i++) calibration.learn('m', 'ann', prompt(100), 90);
    expect(calibration.estimate('m', 'ann', prompt(100))).toBe(91);
  });

  test('learns nothing from an empty prompt or from one of no size', () => {
    const calibration = new Calibration();
    for (const textTokens of [0, Number.NaN, Number.POSITIVE_INFINITY]) {
      for (let i = 0; i < 20; i++) calibration.learn('m', 'ann', prompt(textTokens), 50);
    }
    expect(calibration.estimate('m', 'ann', prompt(100, { messages: 1 }))).toBe(107);
  });

  test('moves by no more than a fifth with one answer', () => {
    const calibration = new Calibration();
    for (let i = 0; i < 8; i++) calibration.learn('m', 'ann', prompt(100), 100);
    calibration.learn('m', 'ann', prompt(100), 1e9);
    expect(calibration.estimate('m', 'ann', prompt(100))).toBeLessThan(125);
  });
});
