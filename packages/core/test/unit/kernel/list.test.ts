import { expect, test } from 'vitest';
import { List } from '../../../src/kernel/list.js';

test('a list keeps the order of arrival, and what is removed is gone once', () => {
  const list = new List<string>();
  const links = ['a', 'b', 'c', 'd'].map((item) => list.push(item));
  expect([list.remove(links[1]!), list.remove(links[1]!)]).toEqual([true, false]);
  expect([[...list], list.first, list.last, list.size]).toEqual([['a', 'c', 'd'], 'a', 'd', 3]);
  list.remove(links[0]!);
  list.remove(links[3]!);
  expect([[...list], list.first, list.last, list.size]).toEqual([['c'], 'c', 'c', 1]);
  list.remove(links[2]!);
  expect([[...list], list.first, list.last, list.size]).toEqual([[], undefined, undefined, 0]);
});

test('a link of another list is not taken for one of this', () => {
  const list = new List<number>();
  list.push(1);
  expect(list.remove(new List<number>().push(1))).toBe(false);
  expect(list.size).toBe(1);
});
