import {
  type AdapterHarness,
  answerWhole,
  chunkLine,
  type Exchange,
  equal,
  failureOf,
  holds,
  inWorld,
  lastLine,
  oneAtOnce,
  question,
  readLines,
  roomy,
  type ScenarioBody,
  signalled,
  streamed,
  streamHead,
} from './adapter-conformance-world.js';

/** The answer and its end, on every path. */
export const answerScenarios: Readonly<Record<string, ScenarioBody>> = {
  'a client that leaves mid-stream gives its permit back and pays for what it got': async (harness) => {
    const told = signalled();
    const handler = async (exchange: Exchange): Promise<void> => {
      exchange.head(200, streamHead);
      for (const word of ['one', 'two', 'three']) exchange.write(chunkLine(word));
      await aborted(exchange.gone);
      await aborted(exchange.permit.signal);
      told.give();
    };
    await inWorld(harness, { policy: { ...oneAtOnce, tokens: '100k/hour' }, handler }, async ({ chat, ledger }) => {
      const leaving = new AbortController();
      const response = await chat({ signal: leaving.signal });
      await readLines(response.body!.getReader(), 3);
      leaving.abort();
      const [ending] = await ledger.atRest();
      equal(ending?.kind, 'settled', 'ending of the permit');
      equal(ending?.usage?.outputTokens, 3, 'output tokens charged');
      holds((ending?.usage?.inputTokens ?? 0) > 0, 'the prompt to be charged');
      // The permit's signal tells the handler to stop its backend; without it this would wait for ever.
      await told.promise;
    });
  },

  'a handler that throws before the head gives its permit back': async (harness) => {
    let runs = 0;
    const handler = (exchange: Exchange): Promise<void> => {
      runs++;
      return runs === 1 ? Promise.reject(new Error('the handler threw, as it should')) : answerWhole(exchange);
    };
    await inWorld(harness, { policy: oneAtOnce, handler }, async ({ chat, ledger }) => {
      const response = await chat();
      equal(response.status, 500, 'status');
      await response.text();
      const [ending] = await ledger.atRest();
      equal(ending?.usage?.outputTokens ?? 0, 0, 'output tokens charged');
      equal(await (await chat()).text(), streamed, 'the next answer');
    });
  },

  'a handler that throws after the head gives its permit back': (harness) =>
    broken(harness, async (exchange, firstLineRead) => {
      exchange.head(200, streamHead);
      exchange.write(chunkLine('one'));
      await firstLineRead;
      throw new Error('the handler threw, as it should');
    }),

  'a backend that cuts the stream ends it for the client too': (harness) =>
    broken(harness, async (exchange, firstLineRead) => {
      exchange.head(200, streamHead);
      exchange.write(chunkLine('one'));
      await firstLineRead;
      exchange.breakOff();
    }),

  'a stream that never ends keeps its permit until the client leaves': async (harness) => {
    const handler = async (exchange: Exchange): Promise<void> => {
      exchange.head(200, streamHead);
      exchange.write(chunkLine('one'));
      await aborted(exchange.gone);
    };
    await inWorld(harness, { policy: oneAtOnce, handler }, async ({ chat, ledger }) => {
      const leaving = new AbortController();
      const response = await chat({ signal: leaving.signal });
      await readLines(response.body!.getReader(), 1);
      ledger.clock.advance(7_200_000);
      equal(ledger.limiter.stats().inFlight, 1, 'permits in flight after two hours of streaming');
      leaving.abort();
      equal((await ledger.atRest())[0]?.usage?.outputTokens, 1, 'output tokens charged');
    });
  },

  'a slow reader slows the handler': async (harness) => {
    const line = chunkLine('x'.repeat(64 * 1024));
    const lines = 768;
    let written = 0;
    const stalled = signalled();
    const handler = async (exchange: Exchange): Promise<void> => {
      exchange.head(200, streamHead);
      for (; written < lines; written++) {
        if (exchange.write(line)) continue;
        stalled.give();
        await exchange.drained();
      }
      exchange.end(lastLine(12, lines));
    };
    const other = (exchange: Exchange): Promise<void> =>
      exchange.method === 'HEAD' ? answerWhole(exchange) : handler(exchange);
    await inWorld(harness, { policy: roomy, handler: other }, async ({ chat, url }) => {
      const response = await chat();
      await stalled.promise;
      // Written bytes stop growing while the reader rests: as long as many other requests take, they stay the same.
      for (let rounds = 0, before = -1; rounds < 20; rounds++) {
        if (written !== before) rounds = 0;
        before = written;
        await (await fetch(`${url}/api/version`, { method: 'HEAD' })).text();
      }
      holds(written < lines, `the handler to be held up, it wrote all ${lines} lines to a client that reads none`);
      const expected = line.length * lines + lastLine(12, lines).length;
      equal((await response.text()).length, expected, 'length of the answer read at last');
    });
  },

  'a graceful stop lets streams end and refuses the rest': async (harness) => {
    const turn = signalled();
    const handler = async (exchange: Exchange): Promise<void> => {
      exchange.head(200, streamHead);
      exchange.write(chunkLine('Because'));
      await turn.promise;
      exchange.end(lastLine(12, 1));
    };
    await inWorld(harness, { policy: oneAtOnce, handler }, async ({ chat, ledger }) => {
      const running = await chat();
      const waiting = chat();
      await ledger.until(({ limiter }) => limiter.stats().waiting === 1, 'a request to wait');
      const closed = ledger.limiter.close();
      for (const response of [await waiting, await chat()]) {
        equal(response.status, 503, 'status while draining');
        equal(response.headers.get('x-headgate-reason'), 'draining', 'reason while draining');
        await response.text();
      }
      turn.give();
      equal(await running.text(), streamed, 'the stream that was running');
      await closed;
    });
  },

  'whatever happens, every permit ends once and the last slot is free again': async (harness) => {
    const endings: Readonly<Record<string, (exchange: Exchange) => Promise<void>>> = {
      whole: answerWhole,
      throws: () => Promise.reject(new Error('the handler threw, as it should')),
      breaks: async (exchange) => {
        exchange.head(200, streamHead);
        exchange.write(chunkLine('one'));
        exchange.breakOff();
      },
      hangs: (exchange) => aborted(exchange.gone),
    };
    const handler = async (exchange: Exchange): Promise<void> => {
      const { messages } = (await exchange.body()) as typeof question;
      await endings[messages[0]!.content]!(exchange);
    };
    const policy = { limits: [{ name: 'house', per: 'all', concurrency: 2 }], requests: '1000/min' };
    await inWorld(harness, { policy, handler }, async ({ chat, ledger }) => {
      const ask = async (how: string, signal?: AbortSignal): Promise<void> => {
        const body = { ...question, messages: [{ role: 'user', content: how }] };
        await chat({ body, ...(signal === undefined ? {} : { signal }) })
          .then((response) => response.text())
          .catch(() => {});
      };
      const leaving = new AbortController();
      const hanging = [ask('hangs', leaving.signal), ask('hangs', leaving.signal)];
      await ledger.until(({ limiter }) => limiter.stats().inFlight === 2, 'both slots to be taken');
      const rest = Object.keys(endings).filter((how) => how !== 'hangs');
      const others = [...rest, ...rest, ...rest].map((how) => ask(how));
      await ledger.until(({ limiter }) => limiter.stats().waiting >= 9, 'the others to wait');
      leaving.abort();
      await Promise.all([...hanging, ...others]);
      await ledger.atRest();
      await Promise.all([ask('whole'), ask('whole')]);
      await ledger.atRest();
    });
  },
};

/** A stream that breaks after its first line: the client must not take it for a whole one. */
function broken(
  harness: AdapterHarness,
  first: (exchange: Exchange, firstLineRead: Promise<void>) => Promise<void>,
): Promise<void> {
  const read = signalled();
  let runs = 0;
  const handler = (exchange: Exchange): Promise<void> => {
    runs++;
    return runs === 1 ? first(exchange, read.promise) : answerWhole(exchange);
  };
  return inWorld(harness, { policy: oneAtOnce, handler }, async ({ chat, ledger }) => {
    const reader = (await chat()).body!.getReader();
    await readLines(reader, 1);
    read.give();
    await failureOf(reader.read(), 'reading on in the broken stream');
    const [ending] = await ledger.atRest();
    equal([ending?.kind, ending?.usage?.outputTokens], ['settled', 1], 'charged for what was delivered');
    equal(await (await chat()).text(), streamed, 'the next answer');
  });
}

function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
}
