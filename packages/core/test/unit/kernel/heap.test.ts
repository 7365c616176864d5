import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { holds } from '../../../../../test/support/seeds.js';
import { Heap, type Place } from '../../../src/kernel/heap.js';

interface Item {
  key: number;
  readonly tie: number;
}

const heapOf = (): Heap<Item> =>
  new Heap<Item>(
    ({ key }) => key,
    ({ tie }) => tie,
  );

describe('a heap', () => {
  test('gives the smallest first, and of equals the one with the smaller tie', () => {
    const heap = heapOf();
    for (const [key, tie] of [
      [5, 0],
      [1, 3],
      [4, 1],
      [1, 2],
    ] as const) {
      heap.add({ key, tie });
    }
    const taken = Array.from({ length: 5 }, () => heap.removeFirst());
    expect(taken.map((item) => item && [item.key, item.tie])).toEqual([[1, 2], [1, 3], [4, 1], [5, 0], undefined]);
  });

  test('notices by itself that keys rose, and when told that they fell', () => {
    const heap = heapOf();
    const items = [1, 2, 3].map((key) => ({ key, tie: key }));
    const places = items.map((item) => heap.add(item));
    items[0]!.key = 10;
    items[1]!.key = 9;
    expect(heap.first()).toBe(items[2]);
    items[0]!.key = 0;
    heap.update(places[0]!);
    expect(heap.first()).toBe(items[0]);
  });

  test('comes to an end where a key is no number', () => {
    const heap = heapOf();
    for (const key of [Number.NaN, 1, Number.NaN, 0]) heap.add({ key, tie: 0 });
    expect(Array.from({ length: 5 }, () => heap.removeFirst()).filter((item) => item !== undefined)).toHaveLength(4);
  });

  test('takes out what is asked for, once, wherever it is', () => {
    const heap = heapOf();
    const places = [3, 1, 2].map((key) => heap.add({ key, tie: 0 }));
    heap.remove(places[1]!);
    heap.remove(places[1]!);
    expect([heap.size, heap.removeFirst()?.key, heap.removeFirst()?.key, heap.size]).toEqual([2, 2, 3, 0]);
  });

  test('agrees with sorting, whatever rises untold, falls, comes and goes', async () => {
    const step = fc.record({
      do: fc.constantFrom('add', 'rise', 'fall', 'remove', 'take'),
      nth: fc.nat({ max: 20 }),
      by: fc.nat({ max: 9 }),
    });
    await holds(
      fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
        const heap = heapOf();
        const inside = new Map<Item, Place<Item>>();
        let tie = 0;
        for (const { do: what, nth, by } of steps) {
          const item = [...inside.keys()][nth];
          if (what === 'add') {
            const added = { key: by, tie: tie++ };
            inside.set(added, heap.add(added));
          } else if (what === 'take') {
            const smallest = [...inside.keys()].sort((a, b) => a.key - b.key || a.tie - b.tie)[0];
            const taken = heap.removeFirst();
            expect(taken).toBe(smallest);
            if (taken !== undefined) inside.delete(taken);
          } else if (item !== undefined && what === 'rise') item.key += by;
          else if (item !== undefined && what === 'fall') {
            item.key -= by;
            heap.update(inside.get(item)!);
          } else if (item !== undefined) {
            heap.remove(inside.get(item)!);
            inside.delete(item);
          }
          expect(heap.size).toBe(inside.size);
        }
      }),
    );
  });
});
