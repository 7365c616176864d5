/** limiter.wrap: what comes out is called as what went in, and its permit ends with what it yields. */
import { describe, expect, expectTypeOf, test } from 'vitest';
import { createLimiter, type Limiter, RefusedError, type Usage } from '../../../src/index.js';
import { VirtualClock } from '../../../src/testing/index.js';

interface Ask {
  readonly user: string;
  readonly prompt: string;
  readonly signal?: AbortSignal;
}

const facts = ({ user, prompt, signal }: Ask) => ({ identity: user, model: 'llama3.2', input: prompt, signal });
const ask: Ask = { user: 'red', prompt: 'Why is the sky blue?' };

function world(policy: object = { tokens: '100k/hour' }) {
  const clock = new VirtualClock();
  const limiter = createLimiter(policy, { clock });
  const charged: Usage[] = [];
  limiter.on('reservation-settled', ({ usage }) => charged.push(usage));
  let twice = 0;
  limiter.on('permit-ended-twice', () => twice++);
  const atRest = () => {
    expect({ ...limiter.stats(), twice }).toMatchObject({ inFlight: 0, open: 0, twice: 0 });
    return charged;
  };
  return { clock, limiter, atRest };
}

async function* words(...texts: string[]) {
  for (const text of texts) yield text;
}

describe('a function that resolves to a result', () => {
  const chat = async ({ prompt }: Ask, times = 1) => ({
    text: prompt.repeat(times),
    usage: { inputTokens: 7, outputTokens: 3 },
  });

  test('is charged by what usage finds in it', async () => {
    const { limiter, atRest } = world();
    const wrapped = limiter.wrap(chat, { describe: facts, usage: (result) => result.usage });
    expect((await wrapped(ask, 2)).text).toBe('Why is the sky blue?Why is the sky blue?');
    expect(atRest()).toEqual([{ inputTokens: 7, outputTokens: 3 }]);
  });

  test('costs what was reserved where nothing is known of it', async () => {
    const { limiter, atRest } = world();
    await limiter.wrap(chat, { describe: facts })(ask);
    expect(atRest()[0]!.outputTokens).toBeGreaterThan(0);
  });

  test('is not called when it is refused: the wrapped one throws a RefusedError', async () => {
    const { limiter, atRest } = world({ requests: '1/min' });
    let calls = 0;
    const wrapped = limiter.wrap(async (_ask: Ask) => ++calls, { describe: facts });
    await wrapped(ask);
    await expect(wrapped(ask)).rejects.toBeInstanceOf(RefusedError);
    await expect(wrapped(ask)).rejects.toMatchObject({
      status: 429,
      refusal: { reason: 'limit', retryAfterMs: 60_000 },
    });
    expect(calls).toBe(1);
    atRest();
  });

  test('costs no tokens when it throws, and the error is its own', async () => {
    const { limiter, atRest } = world();
    const wrapped = limiter.wrap(async (_ask: Ask): Promise<string> => Promise.reject(new Error('lost')), {
      describe: facts,
    });
    await expect(wrapped(ask)).rejects.toThrow('lost');
    expect(atRest()).toEqual([{ inputTokens: 0, outputTokens: 0 }]);
  });

  test('leaves the queue when the signal of describe aborts', async () => {
    const { limiter, atRest } = world({ limits: [{ name: 'house', per: 'all', concurrency: 1 }] });
    let end = (_text: string): void => {};
    const wrapped = limiter.wrap((_ask: Ask) => new Promise<string>((resolve) => (end = resolve)), { describe: facts });
    const running = wrapped(ask);
    const leaving = new AbortController();
    const waiting = wrapped({ ...ask, signal: leaving.signal });
    await expect.poll(() => limiter.stats().waiting).toBe(1);
    leaving.abort(new Error('changed my mind'));
    await expect(waiting).rejects.toThrow('changed my mind');
    end('done');
    expect(await running).toBe('done');
    atRest();
  });

  test('prepare hands it the signal and the output cap of the permit', async () => {
    const { limiter } = world({ tokens: '100k/hour', output: 64 });
    const capped = async (_ask: Ask, options: { max?: number; signal?: AbortSignal } = {}) => options;
    const wrapped = limiter.wrap(capped, {
      describe: facts,
      prepare: (permit, asked) => [asked, { max: permit.reserved.outputTokensMax, signal: permit.signal }],
    });
    expect(await wrapped(ask)).toEqual({ max: 64, signal: expect.any(AbortSignal) });
  });
});

const source = { closed: 0 };
/** Yields for ever, and counts how often it was told to stop. */
async function* endless() {
  try {
    for (let i = 0; ; i++) yield `word${i}`;
  } finally {
    source.closed++;
  }
}
const many = (iterable: AsyncIterable<unknown>, most = Number.POSITIVE_INFINITY) =>
  (async () => {
    const seen: unknown[] = [];
    for await (const item of iterable) if (seen.push(item) >= most) break;
    return seen;
  })();

type Make = (
  limiter: Limiter,
  make: () => AsyncGenerator<string>,
  more?: object,
) => (ask: Ask) => AsyncIterable<string> | Promise<AsyncIterable<string>>;
const asStream = (items: AsyncIterator<string>): ReadableStream<string> =>
  new ReadableStream<string>(
    {
      pull: async (controller) => {
        const { done, value } = await items.next();
        if (done) controller.close();
        else controller.enqueue(value);
      },
      cancel: async () => void (await items.return?.()),
    },
    { highWaterMark: 0 },
  );

const shapes: Readonly<Record<string, Make>> = {
  'a promise of an async iterable': (limiter, make, more) =>
    limiter.wrap(async (_ask: Ask): Promise<AsyncIterable<string>> => make(), { describe: facts, ...more }),
  'an async generator function': (limiter, make, more) =>
    limiter.wrap(
      async function* (_ask: Ask): AsyncGenerator<string> {
        yield* make();
      },
      { describe: facts, ...more },
    ),
  'an async iterable returned at once': (limiter, make, more) =>
    limiter.wrap((_ask: Ask): AsyncIterable<string> => make(), { describe: facts, returns: 'iterable', ...more }),
  'a promise of a ReadableStream': (limiter, make, more) =>
    limiter.wrap(async (_ask: Ask) => asStream(make()), { describe: facts, ...more }) as never,
  'a ReadableStream returned at once': (limiter, make, more) =>
    limiter.wrap((_ask: Ask) => asStream(make()), { describe: facts, returns: 'stream', ...more }) as never,
};

describe.each(Object.entries(shapes))('a function that returns %s', (_name, make) => {
  test('is counted to its end', async () => {
    const { limiter, atRest } = world();
    const wrapped = make(limiter, () => words('Because', 'it', 'is'));
    const result = await wrapped(ask);
    const [, second] = [await many(result), limiter.stats().inFlight];
    expect(second).toBe(0);
    expect(atRest()).toMatchObject([{ outputTokens: 3 }]);
  });

  test('holds its permit while it is read, not only while it is called', async () => {
    const { limiter, atRest } = world();
    const iterator = (await make(limiter, () => words('a', 'b'))(ask))[Symbol.asyncIterator]();
    await iterator.next();
    expect(limiter.stats().inFlight).toBe(1);
    await iterator.next();
    await iterator.next();
    atRest();
  });

  test('pays for what was read when its reader stops early, and the source is told', async () => {
    const { limiter, atRest } = world();
    const before = source.closed;
    expect(await many(await make(limiter, endless)(ask), 2)).toEqual(['word0', 'word1']);
    await expect.poll(() => source.closed).toBe(before + 1);
    expect(atRest()).toMatchObject([{ outputTokens: 2 }]);
    expect(atRest()[0]!.inputTokens).toBeGreaterThan(0);
  });

  test('passes an error on and pays for what came before it', async () => {
    const { limiter, atRest } = world();
    const failing = async function* () {
      yield 'one';
      throw new Error('lost');
    };
    await expect((async () => many(await make(limiter, failing)(ask)))()).rejects.toThrow('lost');
    expect(atRest()).toMatchObject([{ outputTokens: 1 }]);
  });

  test('ends when its budget does; onBudgetSpent: error makes it throw', async () => {
    for (const onBudgetSpent of ['finish-cleanly', 'error']) {
      const { limiter, atRest } = world({ tokens: '40/hour', onBudgetSpent });
      const before = source.closed;
      const reading = (async () => many(await make(limiter, endless)(ask)))();
      if (onBudgetSpent === 'error') await expect(reading).rejects.toMatchObject({ refusal: { reason: 'limit' } });
      else expect((await reading).length).toBeLessThan(40);
      await expect.poll(() => source.closed).toBe(before + 1);
      atRest();
    }
  });

  test('fails with the reason when the limiter wants it to end', async () => {
    const { clock, limiter, atRest } = world();
    const silent = async function* () {
      yield 'one';
      await new Promise(() => {});
    };
    const iterator = (await make(limiter, silent)(ask))[Symbol.asyncIterator]();
    await iterator.next();
    const next = iterator.next();
    const told = expect(next).rejects.toThrow('the limiter was closed');
    const closed = limiter.close({ drainMs: 0 });
    await clock.run(0);
    await closed;
    await told;
    expect(atRest()).toMatchObject([{ outputTokens: 1 }]);
  });

  test('charges what usage finds in its items, and counts them with tokens', async () => {
    const { limiter, atRest } = world();
    const usage = (item: string) => (item === 'end' ? { inputTokens: 9 } : undefined);
    await many(await make(limiter, () => words('a', 'b', 'end'), { usage, tokens: () => 10 })(ask));
    expect(atRest()).toEqual([{ inputTokens: 9, outputTokens: 30 }]);
  });

  test('is refused as an error, before it is called', async () => {
    const { limiter, atRest } = world({ requests: '1/min' });
    const wrapped = make(limiter, () => words('a'));
    await many(await wrapped(ask));
    await expect((async () => many(await wrapped(ask)))()).rejects.toBeInstanceOf(RefusedError);
    atRest();
  });
});

test.each(Object.entries(shapes).filter(([name]) => !name.startsWith('a promise')))(
  'a function that returns %s asks for nothing when nobody reads it',
  (_name, make) => {
    const { limiter, atRest } = world();
    make(limiter, () => words('a'))(ask);
    expect(limiter.stats()).toMatchObject({ inFlight: 0, open: 0 });
    atRest();
  },
);

test('all else that a result can do it still does, as itself', async () => {
  class Stream {
    readonly #items = ['a', 'b'];
    readonly id = 's1';
    count(): number {
      return this.#items.length;
    }
    async *[Symbol.asyncIterator]() {
      yield* this.#items;
    }
  }
  const { limiter, atRest } = world();
  const stream = await limiter.wrap(async (_ask: Ask) => new Stream(), { describe: facts })(ask);
  expect([stream.id, stream.count(), stream instanceof Stream]).toEqual(['s1', 2, true]);
  expect(await many(stream)).toEqual(['a', 'b']);
  expect(atRest()).toMatchObject([{ outputTokens: 2 }]);
});

test('the wrapped function has the signature of the function', () => {
  const { limiter } = world();
  const generic = async (user: string, prompt: string, times?: number) => ({ user, prompt, times });
  const promised = limiter.wrap(generic, { describe: (user, prompt) => ({ identity: user, input: prompt }) });
  expectTypeOf(promised).toEqualTypeOf<typeof generic>();
  const generator = async function* (_ask: Ask) {
    yield { text: 'a' };
  };
  const generated = limiter.wrap(generator, { describe: facts, tokens: (item) => item.text.length });
  expectTypeOf(generated).toEqualTypeOf<typeof generator>();
  // @ts-expect-error what an item is, the function says
  limiter.wrap(generator, { describe: facts, tokens: (item) => item.words });
  // @ts-expect-error a plain value can neither be waited for nor read
  limiter.wrap((_ask: Ask) => 'now', { describe: facts });
});
