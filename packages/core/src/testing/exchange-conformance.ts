/**
 * What every store must do that passes on what answers taught: clause S15 of the contract in `store/store.ts`, as cases that throw
 * when it does not. Each case makes stores of its own, which share what they are told among themselves and with nobody else.
 */
import type { Clock } from '../kernel/clock.js';
import type { LessonBytes, LessonNews, Store } from '../store/store.js';
import { equal } from './store-bench.js';
import type { StoreConformanceCase } from './store-conformance.js';
import { VirtualClock } from './virtual-clock.js';

/** Two stores of two processes that share what they are told. */
export type MakeStores = (clock: Clock) => Promise<readonly [Store, Store]>;

type Exchange = NonNullable<Store['exchange']>;
type Check = (one: Exchange, other: Exchange) => Promise<void>;

const news = (name: string, bytes: readonly number[], bytesMax = 8): LessonNews => ({
  name,
  bytes: Uint8Array.from(bytes),
  bytesMax,
});
const shown = (lessons: readonly LessonBytes[]): [string, number[]][] =>
  lessons.map(({ name, bytes }) => [name, [...bytes]]);

/** All that changed after the mark, in however many pieces. */
async function heard(exchange: Exchange, after = 0): Promise<{ lessons: [string, number[]][]; mark: number }> {
  const lessons: [string, number[]][] = [];
  for (let mark = after; ; ) {
    const changes = await exchange([], mark);
    lessons.push(...shown(changes.lessons));
    if (!changes.more) return { lessons, mark: changes.mark };
    if (changes.mark <= mark) throw new Error('there is more, and the mark stands still');
    mark = changes.mark;
  }
}

const many = (count: number, from = 0): LessonNews[] =>
  Array.from({ length: count }, (_, i) => news(`many/${from + i}`, [1]));

const cases: Readonly<Record<string, Check>> = {
  'S15: what one tells others hear, in the order of changes, byte for byte': async (one, other) => {
    await one([news('b', [0, 255, 128]), news('a/Ω/2:x', [10, 13])], 0);
    await one([news('c', [7])], 0);
    const expected = [
      ['b', [0, 255, 128]],
      ['a/Ω/2:x', [10, 13]],
      ['c', [7]],
    ];
    equal((await heard(other)).lessons, expected, 'heard');
  },
  'S15: what is told comes behind what is kept, and the last of all stay': async (one, other) => {
    await one([news('a', [1, 2, 3], 4)], 0);
    await other([news('a', [4, 5, 6], 4)], 0);
    equal((await heard(one)).lessons, [['a', [3, 4, 5, 6]]], 'the last of all');
    await one([news('a', [7, 8, 9, 10, 11, 12], 4)], 0);
    equal((await heard(one)).lessons, [['a', [9, 10, 11, 12]]], 'the last of what is told');
  },
  'S15: what was heard is heard again when it has changed, and not before': async (one, other) => {
    await one([news('a', [1]), news('b', [1])], 0);
    const { mark } = await heard(other);
    equal((await heard(other, mark)).lessons, [], 'heard twice');
    await one([news('a', [2])], 0);
    const again = await heard(other, mark);
    equal(again.lessons, [['a', [1, 2]]], 'changed');
    equal((await heard(other, again.mark)).lessons, [], 'after the change');
  },
  'S15: who tells hears what others changed, with what it told in it': async (one, other) => {
    const { mark } = await one([news('a', [1])], 0);
    await other([news('a', [2])], 0);
    equal(shown((await one([news('a', [3])], mark)).lessons), [['a', [1, 2, 3]]], 'with its own');
  },
  'S15: much is heard by the piece, and none of it is missed': async (one, other) => {
    for (let from = 0; from < 500; from += 50) await one(many(50, from), 0);
    const { lessons } = await heard(other);
    equal(
      lessons.map(([name]) => name),
      many(500).map(({ name }) => name),
      'all',
    );
    equal((await other([], 0)).lessons.length < 500, true, 'a piece');
  },
  'S15: names are bounded: those told longest ago go first': async (one, other) => {
    for (let from = 0; from < 6_000; from += 50) await one([news('used', [1]), ...many(50, from)], 0);
    const names = (await heard(other)).lessons.map(([name]) => name);
    equal(names.length < 6_000, true, 'a bound');
    equal([names.includes('used'), names.includes('many/0'), names.includes('many/5999')], [true, false, true], 'kept');
  },
  'S15: after a mark that it never gave, as one that lost its memory has not, all is heard': async (one, other) => {
    const { mark } = await one([news('a', [1])], 0);
    equal((await heard(other, mark + 1e15)).lessons, [['a', [1]]], 'heard');
  },
};

/** The cases for a store that has `exchange`. */
export function exchangeConformance(makeStores: MakeStores): StoreConformanceCase[] {
  return Object.entries(cases).map(([name, check]) => ({
    name,
    run: async () => {
      const [one, other] = await makeStores(new VirtualClock());
      if (one.exchange === undefined || other.exchange === undefined) throw new Error('the store has no `exchange`');
      await check(one.exchange.bind(one), other.exchange.bind(other));
    },
  }));
}
