/** What a caller's own functions do wrong: the call fails with their error, and the permit still ends, with what is known. */
import { describe, expect, test } from 'vitest';
import { createLimiter, type Limiter, type Usage } from '../../../src/index.js';
import { VirtualClock } from '../../../src/testing/index.js';

const describeCall = () => ({ identity: 'red', model: 'llama3.2', input: { tokens: 40 } });

function world() {
  const limiter = createLimiter({ concurrency: 1, tokens: '100k/hour' }, { clock: new VirtualClock() });
  const charged: Usage[] = [];
  limiter.on('reservation-settled', ({ usage }) => charged.push(usage));
  const atRest = () => {
    expect(limiter.stats()).toMatchObject({ inFlight: 0, open: 0 });
    expect(limiter.admitNow({ identity: 'red' }).admitted, 'the slot is free').toBe(true);
    return charged[0];
  };
  return { limiter, atRest };
}

const throws = (): never => {
  throw new Error('usage of undefined');
};
/** Throws at the second item only. */
const throwsAtTwo = <Value>(value: Value) => {
  let items = 0;
  return (): Value => (++items === 2 ? throws() : value);
};

const asStream = (items: readonly unknown[]) =>
  new ReadableStream<unknown>({
    start(controller) {
      for (const item of items) controller.enqueue(item);
      controller.close();
    },
  });
async function* asIterable(items: readonly unknown[]) {
  yield* items;
}
async function readAll(source: AsyncIterable<unknown> | ReadableStream<unknown>): Promise<unknown[]> {
  const seen: unknown[] = [];
  for await (const item of source as AsyncIterable<unknown>) seen.push(item);
  return seen;
}

type Call = (limiter: Limiter, items: readonly unknown[], callbacks: object) => Promise<unknown>;
const streams: readonly (readonly [string, Call])[] = [
  [
    'an async generator',
    (limiter, items, callbacks) =>
      readAll(
        limiter.wrap(
          async function* () {
            yield* items;
          },
          { describe: describeCall, ...callbacks },
        )(),
      ),
  ],
  [
    'a promise of an async iterable',
    async (limiter, items, callbacks) =>
      readAll(await limiter.wrap(async () => asIterable(items), { describe: describeCall, ...callbacks })()),
  ],
  [
    'a ReadableStream',
    async (limiter, items, callbacks) =>
      readAll(await limiter.wrap(async () => asStream(items), { describe: describeCall, ...callbacks })()),
  ],
];

test('a `usage` that throws at a plain result rejects the call, which costs what was reserved', async () => {
  const { limiter, atRest } = world();
  const wrapped = limiter.wrap(async () => ({ choices: [] }), { describe: describeCall, usage: throws });
  await expect(wrapped()).rejects.toThrow('usage of undefined');
  expect(atRest()).toMatchObject({ inputTokens: 40, outputTokens: expect.toSatisfy((tokens: number) => tokens > 0) });
});

test('a `usage` that throws in `run` rejects the call, which costs what was reserved, or what was metered', async () => {
  const unmetered = world();
  await expect(unmetered.limiter.run(describeCall(), async () => 1, { usage: throws })).rejects.toThrow('usage of');
  expect(unmetered.atRest()).toMatchObject({
    inputTokens: 40,
    outputTokens: expect.toSatisfy((tokens: number) => tokens > 0),
  });
  const metered = world();
  await expect(
    metered.limiter.run(describeCall(), (permit) => void permit.meter(7), { usage: throws }),
  ).rejects.toThrow('usage of');
  expect(metered.atRest()).toEqual({ inputTokens: 40, outputTokens: 7 });
});

describe.each(streams)('in %s', (_name, call) => {
  test.each(['usage', 'tokens'])('a `%s` that throws at the first item ends it with that error', async (callback) => {
    const { limiter, atRest } = world();
    await expect(call(limiter, ['a', 'b'], { [callback]: throws })).rejects.toThrow('usage of undefined');
    expect(atRest()).toEqual({ inputTokens: 40, outputTokens: 0 });
  });

  test('what was passed on before is charged', async () => {
    for (const callbacks of [{ usage: throwsAtTwo(undefined) }, { tokens: throwsAtTwo(5) }]) {
      const { limiter, atRest } = world();
      await expect(call(limiter, ['a', 'b'], callbacks)).rejects.toThrow('usage of undefined');
      expect(atRest()).toEqual({ inputTokens: 40, outputTokens: 'tokens' in callbacks ? 5 : 1 });
    }
  });

  test('an item that reports nothing, or nonsense, takes nothing back of what was reported before', async () => {
    const { limiter, atRest } = world();
    const usage = (item: { usage?: Usage | null }) => item.usage;
    const items = [
      { usage: { inputTokens: 9, outputTokens: 4 } },
      { usage: null },
      { usage: { inputTokens: Number.NaN, outputTokens: -1 } },
      { usage: 'none' },
      {},
    ];
    await call(limiter, items, { usage });
    expect(atRest()).toEqual({ inputTokens: 9, outputTokens: 4 });
  });

  test('a count that is no number of tokens is made by the length of the text instead', async () => {
    const { limiter, atRest } = world();
    const counts = [Number.NaN, -5, Number.POSITIVE_INFINITY, '7', undefined];
    await call(limiter, ['a', 'b', 'c', 'd', 'e'], { tokens: () => counts.pop() });
    expect(atRest()).toEqual({ inputTokens: 40, outputTokens: 5 });
  });
});

test.each<[string, () => unknown]>([
  [
    'a stream that somebody reads already',
    () => {
      const stream = asStream(['a']);
      stream.getReader();
      return stream;
    },
  ],
  ['an iterable that cannot be iterated', () => ({ [Symbol.asyncIterator]: throws })],
  ['an iterator whose steps are none', () => ({ [Symbol.asyncIterator]: () => ({ next: async () => undefined }) })],
  [
    'an iterator that throws when it is told to stop',
    () => ({
      [Symbol.asyncIterator]: () => ({ next: throws, return: throws }),
    }),
  ],
  [
    'a result that throws when it is looked at',
    () => ({
      get [Symbol.asyncIterator](): never {
        return throws();
      },
    }),
  ],
])('%s fails, and gives its slot back', async (_name, make) => {
  const { limiter, atRest } = world();
  const wrapped = limiter.wrap(async () => make() as AsyncIterable<unknown>, { describe: describeCall });
  await expect((async () => readAll(await wrapped()))()).rejects.toThrow();
  atRest();
});
