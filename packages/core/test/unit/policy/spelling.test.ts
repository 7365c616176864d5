import { expect, test } from 'vitest';
import { editDistance, nearest, pathText } from '../../../src/policy/spelling.js';

test.each([
  [[], '(top)'],
  [['tiers', 'free', 'requests'], 'tiers.free.requests'],
  [['limits', 2, 'match', 'operation'], 'limits[2].match.operation'],
  [['prices', 'llama3.1:70b', 'input'], 'prices["llama3.1:70b"].input'],
])('%o reads as %s', (path, text) => {
  expect(pathText(path)).toBe(text);
});

test.each([
  ['', 'abc', 3],
  ['kitten', 'sitting', 3],
  ['requsets', 'requests', 1],
  ['same', 'same', 0],
])('from %s to %s it is %i letters', (a, b, distance) => {
  expect(editDistance(a, b)).toBe(distance);
  expect(editDistance(b, a)).toBe(distance);
});

const keys = ['requests', 'tokens', 'concurrency', 'alertAt', 'per', 'keepAlive', 'mode', 'models'];
test.each([
  ['request', 'requests'],
  ['requsets', 'requests'],
  ['Tokens', 'tokens'],
  ['alert_at', 'alertAt'],
  ['keep-alive', 'keepAlive'],
  ['pre', 'per'],
  ['concurency', 'concurrency'],
  ['model', 'models'],
  ['banana', undefined],
  ['x', undefined],
  ['requests'.repeat(40), undefined],
])('nearest to %s is %s', (word, expected) => {
  expect(nearest(word, keys)).toBe(expected);
});
