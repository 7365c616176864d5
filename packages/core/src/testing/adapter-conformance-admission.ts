import {
  answerWhole,
  chunkLine,
  type Exchange,
  equal,
  failureOf,
  holds,
  inWorld,
  Ledger,
  lastLine,
  oneAtOnce,
  question,
  roomy,
  type ScenarioBody,
  signalled,
  streamed,
  streamHead,
} from './adapter-conformance-world.js';

/** Deciding: who passes, who waits, who is refused, and what the handler then finds. */
export const admissionScenarios: Readonly<Record<string, ScenarioBody>> = {
  'passes through untouched when admitted': (harness) => {
    const seen = signalled<unknown>();
    const handler = async (exchange: Exchange): Promise<void> => {
      seen.give(await exchange.body());
      exchange.head(200, { ...streamHead, 'x-own': 'kept' });
      exchange.write(chunkLine('Because'));
      exchange.end(lastLine(12, 1));
    };
    return inWorld(harness, { policy: roomy, handler }, async ({ chat, ledger }) => {
      const body = { ...question, options: { temperature: 0.1 }, unheard_of: ['kept'] };
      const response = await chat({ body });
      equal(response.status, 200, 'status');
      equal(response.headers.get('x-own'), 'kept', "the handler's own header");
      holds(response.headers.has('x-request-id') && response.headers.has('ratelimit'), 'the headers of the limits');
      equal(await response.text(), streamed, 'answer');
      const { model, messages, unheard_of } = (await seen.promise) as Record<string, unknown>;
      equal({ model, messages, unheard_of }, { ...question, unheard_of: ['kept'] }, 'body as the handler finds it');
      equal(await ledger.atRest(), [{ kind: 'settled', usage: { inputTokens: 12, outputTokens: 1 } }], 'charged');
    });
  },

  'refuses before the handler runs, and a refusal burns nothing': async (harness) => {
    let runs = 0;
    const handler = (exchange: Exchange): Promise<void> => {
      runs++;
      return answerWhole(exchange);
    };
    const policy = {
      limits: [
        { name: 'few', requests: '1/min' },
        { name: 'many', requests: '10/min' },
      ],
    };
    await inWorld(harness, { policy, handler }, async ({ chat, ledger }) => {
      await (await chat()).text();
      equal((await chat()).status, 429, 'status over the limit');
      equal((await chat()).status, 429, 'status over the limit');
      equal(runs, 1, 'runs of the handler');
      await ledger.atRest();
      const response = await chat();
      const shown = response.headers.get('ratelimit') ?? '';
      holds(/"many";r=9\b/.test(shown), `the other limit to have 9 left, it says ${shown}`);
    });
  },

  'status, body and headers of a refusal follow the dialect': (harness) =>
    inWorld(harness, { policy: { requests: '1/min' }, handler: answerWhole }, async ({ chat }) => {
      await (await chat()).text();
      const bodies: Record<string, unknown> = {};
      for (const path of ['/api/chat', '/v1/chat/completions', '/v1/messages']) {
        const response = await chat({ path, body: { ...question, max_tokens: 100 } });
        equal(response.status, 429, `status of ${path}`);
        equal(response.headers.get('x-headgate-reason'), 'limit', `reason of ${path}`);
        holds(/^application\/json/.test(response.headers.get('content-type') ?? ''), `JSON from ${path}`);
        for (const name of ['retry-after', 'retry-after-ms', 'ratelimit', 'ratelimit-policy', 'x-request-id']) {
          holds(response.headers.has(name), `${path} to send ${name}`);
        }
        bodies[path] = await response.json();
      }
      const native = bodies['/api/chat'] as { error?: unknown };
      equal(typeof native.error, 'string', 'the error of the native API, a string');
      const openai = bodies['/v1/chat/completions'] as { error?: { message?: unknown; type?: unknown } };
      equal([typeof openai.error?.message, typeof openai.error?.type], ['string', 'string'], "OpenAI's error object");
      const anthropic = bodies['/v1/messages'] as { type?: unknown; error?: { type?: unknown } };
      equal([anthropic.type, anthropic.error?.type], ['error', 'rate_limit_error'], "Anthropic's error object");
    }),

  'Retry-After is in whole seconds, rounded up': (harness) =>
    inWorld(harness, { policy: { requests: '1/90s' }, handler: answerWhole }, async ({ chat, ledger }) => {
      await (await chat()).text();
      ledger.clock.advance(88_900);
      const early = await chat();
      equal(early.headers.get('retry-after'), '2', 'Retry-After 1.1 s before');
      equal(early.headers.get('retry-after-ms'), '1100', 'retry-after-ms');
      ledger.clock.advance(1_099.5);
      equal((await chat()).headers.get('retry-after'), '1', 'Retry-After half a millisecond before');
      ledger.clock.advance(0.5);
      const response = await chat();
      equal(response.status, 200, 'status at the promised instant');
      await response.text();
    }),

  'waits for a slot and then passes': async (harness) => {
    const turn = signalled();
    const order: string[] = [];
    const handler = async (exchange: Exchange): Promise<void> => {
      order.push('in');
      if (order.length === 1) await turn.promise;
      order.push('out');
      await answerWhole(exchange);
    };
    await inWorld(harness, { policy: oneAtOnce, handler }, async ({ chat, ledger }) => {
      const both = [chat(), chat()];
      await ledger.until(({ limiter }) => limiter.stats().waiting === 1, 'a request to wait');
      turn.give();
      for (const response of await Promise.all(both)) equal(await response.text(), streamed, 'answer');
      equal(order, ['in', 'out', 'in', 'out'], 'order of the handlers');
    });
  },

  'a client that leaves while waiting is forgotten': async (harness) => {
    const turn = signalled();
    let runs = 0;
    const handler = async (exchange: Exchange): Promise<void> => {
      runs++;
      if (runs === 1) await turn.promise;
      await answerWhole(exchange);
    };
    const policy = { ...oneAtOnce, requests: '10/min' };
    await inWorld(harness, { policy, handler }, async ({ chat, ledger }) => {
      const first = chat();
      await ledger.until(({ limiter }) => limiter.stats().inFlight === 1, 'a request to run');
      const leaving = new AbortController();
      const second = failureOf(chat({ signal: leaving.signal }), 'the aborted request');
      await ledger.until(({ limiter }) => limiter.stats().waiting === 1, 'a request to wait');
      leaving.abort();
      await second;
      await ledger.until(({ limiter }) => limiter.stats().waiting === 0, 'the waiter to be gone');
      turn.give();
      await (await first).text();
      const third = await chat();
      equal(runs, 2, 'runs of the handler');
      const shown = third.headers.get('ratelimit') ?? '';
      holds(/r=8\b/.test(shown), `only two requests to be charged, the third sees ${shown}`);
      await third.text();
    });
  },

  'HEAD, 204 and empty bodies pass': async (harness) => {
    const handler = async (exchange: Exchange): Promise<void> => {
      if (exchange.method === 'HEAD') exchange.head(200, { 'content-type': 'text/plain', 'x-own': 'kept' });
      else exchange.head(204, {});
      exchange.end();
    };
    await inWorld(harness, { policy: roomy, handler }, async ({ chat, url, ledger }) => {
      const head = await fetch(`${url}/api/version`, { method: 'HEAD' });
      equal([head.status, head.headers.get('x-own'), await head.text()], [200, 'kept', ''], 'HEAD');
      const empty = await fetch(`${url}/some/page`, { method: 'POST' });
      equal([empty.status, await empty.text()], [204, ''], '204 to an empty body');
      const missing = await fetch(`${url}/api/chat`, { method: 'POST' });
      equal([missing.status, missing.headers.get('x-headgate-reason')], [400, 'bad-request'], 'a chat without a body');
      equal((await chat()).status, 204, '204 to a chat');
      const charged = (await ledger.atRest()).map(({ usage }) => usage?.outputTokens ?? 0);
      equal(charged, [0, 0, 0], 'output tokens charged');
    });
  },

  'a connection serves a second request, after an answer and after a refusal': async (harness) => {
    const connections: unknown[] = [];
    const handler = (exchange: Exchange): Promise<void> => {
      connections.push(exchange.connection);
      return answerWhole(exchange);
    };
    await inWorld(harness, { policy: { requests: '4/min' }, handler }, async ({ chat, ledger }) => {
      // The handler does not read its body: what was put in its place must not stay in the way.
      for (let i = 0; i < 4; i++) equal(await (await chat()).text(), streamed, `answer ${i + 1}`);
      const refused = await chat();
      equal(refused.status, 429, 'status of the fifth');
      await refused.text();
      ledger.clock.advance(60_000);
      for (let i = 0; i < 4; i++) equal(await (await chat()).text(), streamed, `answer ${i + 6}`);
      equal(connections.length, 8, 'runs of the handler');
      // The client may open a second one before it has noticed that the first is free.
      holds(new Set(connections).size <= 2, `connections to be used again, there were ${new Set(connections).size}`);
    });
  },

  'a body parser may stand before the adapter, or after it': async (harness) => {
    for (const parser of ['before', 'after', 'none'] as const) {
      const seen = signalled<unknown>();
      const handler = async (exchange: Exchange): Promise<void> => {
        seen.give(await exchange.body());
        await answerWhole(exchange);
      };
      await inWorld(harness, { policy: { ...roomy, output: 50 }, parser, handler }, async ({ chat }) => {
        const body = { ...question, options: { num_predict: 4_000 } };
        equal(await (await chat({ body })).text(), streamed, `answer, parser ${parser}`);
        const { messages, options } = (await seen.promise) as { messages: unknown; options: { num_predict: unknown } };
        equal(messages, question.messages, `messages, parser ${parser}`);
        equal(options.num_predict, 50, `output cap as the handler finds it, parser ${parser}`);
      });
    }
  },

  'of two nested limiters neither hides the other, and the tighter one wins': async (harness) => {
    const inner = new Ledger({ limits: [{ name: 'inner', requests: '2/min' }] });
    const policy = { limits: [{ name: 'outer', requests: '5/min' }] };
    await inWorld(harness, { policy, inner, handler: answerWhole }, async ({ chat, ledger }) => {
      const first = await chat();
      for (const name of ['ratelimit', 'ratelimit-policy']) {
        const value = first.headers.get(name) ?? '';
        holds(value.includes('"outer"') && value.includes('"inner"'), `both limits in ${name}, it says ${value}`);
      }
      equal(first.headers.get('x-ratelimit-remaining'), '1', 'remaining, of the tighter limit');
      equal(first.headers.get('x-ratelimit-limit'), '2', 'limit, of the tighter limit');
      equal(await first.text(), streamed, 'answer');
      await (await chat()).text();
      const refused = await chat();
      equal(refused.status, 429, 'status over the inner limit');
      holds((await refused.text()).includes('inner'), 'the refusal to name the inner limit');
      equal((await ledger.atRest()).length, 3, 'permits of the outer limiter that ended');
    });
  },
};
