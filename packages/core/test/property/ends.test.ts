/** Every permit ends exactly once, whatever is told of its usage, and by whichever door it came. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { holds } from '../../../../test/support/seeds.js';
import { createLimiter } from '../../src/create-limiter.js';
import type { Usage } from '../../src/model.js';
import { RefusedError } from '../../src/refused-error.js';
import { VirtualClock } from '../../src/testing/virtual-clock.js';

const number = fc.oneof(
  fc.nat({ max: 1_000 }),
  fc.double(),
  fc.constantFrom(Number.NaN, Number.POSITIVE_INFINITY, -1, Number.MAX_VALUE, null, undefined, '7', {}, [3], true, 5n),
);
const throwing = {
  get outputTokens(): number {
    throw new Error('garbage');
  },
};
const usage: fc.Arbitrary<unknown> = fc.oneof(
  fc.record({ inputTokens: number, outputTokens: number, gpuSeconds: number }, { requiredKeys: [] }),
  fc.anything(),
  fc.constantFrom(null, undefined, 'text', Number.NaN, throwing, Promise.resolve({ outputTokens: 1 })),
);
const told = fc.oneof(
  { weight: 4, arbitrary: usage.map((value) => () => value) },
  {
    weight: 1,
    arbitrary: fc.constant(() => {
      throw new Error('garbage');
    }),
  },
);
const doors = ['settle', 'run', 'wrap', 'generator', 'stream'] as const;
const call = fc.record({
  door: fc.constantFrom(...doors),
  told,
  tokens: fc.option(number, { nil: undefined }),
  meter: number,
});

const policy = {
  concurrency: 2,
  tokens: '1000k/hour',
  cost: '$1000/hour',
  gpuSeconds: '100k/hour',
  prices: { '*': { input: '$1', output: '$2', gpuSecond: '$0.01' } },
};

test('whatever usage is told, no permit and no slot is left over, and every limit still stands at a number', () =>
  holds(
    fc.asyncProperty(fc.array(call, { minLength: 1, maxLength: 8 }), async (calls) => {
      const limiter = createLimiter(policy, { clock: new VirtualClock() });
      let granted = 0;
      let released = 0;
      limiter.on('request-admitted', () => granted++);
      limiter.on('permit-released', () => released++);
      const request = { identity: 'red', model: 'm', input: { tokens: 3 } };
      const describe = () => request;
      for (const { door, told, tokens, meter } of calls) {
        const options = {
          describe,
          usage: told as () => Usage,
          ...(tokens === undefined ? {} : { tokens: () => tokens as number }),
        };
        try {
          if (door === 'settle') {
            const decision = limiter.admitNow(request);
            if (!decision.admitted) continue;
            decision.permit.meter(meter as number);
            // Who is told of an error in the usage has nothing left to do.
            decision.permit.settle(
              (() => {
                try {
                  return told();
                } catch {
                  return throwing;
                }
              })() as Usage,
            );
          } else if (door === 'run') {
            await limiter.run(request, (permit) => permit.meter(meter as number), { usage: told as () => Usage });
          } else if (door === 'wrap') {
            await limiter.wrap(async () => 1, options)();
          } else if (door === 'generator') {
            const items = limiter.wrap(async function* () {
              yield* ['a', 'b'];
            }, options)();
            for await (const _ of items);
          } else {
            const body = (): ReadableStream<Uint8Array> => new Response('abc').body!;
            const stream = await limiter.wrap(async () => body(), options)();
            for await (const _ of stream as unknown as AsyncIterable<unknown>);
          }
        } catch (error) {
          // What was said to be used may be more than any budget holds.
          if (!(error instanceof RefusedError)) expect((error as Error).message).toBe('garbage');
        }
      }
      expect(limiter.stats()).toMatchObject({ inFlight: 0, open: 0 });
      expect(released).toBe(granted);
      const states = limiter.peekNow(request);
      expect(states.filter(({ remaining }) => !Number.isFinite(remaining))).toEqual([]);
      expect(states.find(({ measure }) => measure === 'concurrency')?.remaining).toBe(2);
    }),
  ));
