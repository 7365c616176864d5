/** limiter.fetch under the clients that people use: they wait, read, are refused and leave as if it were their own. */
import { createLimiter, type Limiter, type Usage } from '@headgate/core';
import { type FakeOllama, startFakeOllama } from '@headgate/fake-ollama';
import { Ollama } from 'ollama';
import OpenAI from 'openai';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { defaultDialects } from '../../src/index.js';

let server: FakeOllama;

beforeAll(async () => {
  server = await startFakeOllama({ models: ['llama3.2'], outputTokens: 30 });
});
beforeEach(() => server.reset());
afterAll(() => server.close());

const messages = [{ role: 'user' as const, content: 'Why is the sky blue?' }];
const ask = { model: 'llama3.2', messages };

interface World {
  readonly limiter: Limiter;
  readonly openai: OpenAI;
  readonly ollama: Ollama;
  charged(permits: number): Promise<readonly Usage[]>;
}

function world(policy: object = { tokens: '100k/hour' }): World {
  const limiter = createLimiter(policy, { dialects: defaultDialects });
  const charged: Usage[] = [];
  limiter.on('reservation-settled', ({ usage }) => charged.push(usage));
  const fetched = limiter.fetch(fetch, { identity: 'batch' });
  return {
    limiter,
    openai: new OpenAI({ baseURL: `${server.url}/v1`, apiKey: 'none', fetch: fetched, maxRetries: 0 }),
    ollama: new Ollama({ host: server.url, fetch: fetched as typeof fetch }),
    charged: async (permits) => {
      await expect.poll(() => charged.length).toBe(permits);
      expect(limiter.stats()).toMatchObject({ inFlight: 0, waiting: 0, open: 0 });
      return charged;
    },
  };
}

describe('openai', () => {
  test('an answer is charged what it reports, a stream at its end, and no usage is seen that was not asked for', async () => {
    const { openai, charged } = world();
    const whole = await openai.chat.completions.create(ask);
    expect(whole.choices[0]!.message.content).toBeTruthy();
    const chunks: OpenAI.ChatCompletionChunk[] = [];
    for await (const chunk of await openai.chat.completions.create({ ...ask, stream: true })) chunks.push(chunk);
    expect(chunks.every(({ choices }) => choices.length > 0)).toBe(true);
    const { prompt_tokens: inputTokens, completion_tokens: outputTokens } = whole.usage!;
    expect(await charged(2)).toEqual([
      { inputTokens, outputTokens },
      { inputTokens, outputTokens },
    ]);
  });

  test('a refusal is its RateLimitError, with our sentence and the time to wait', async () => {
    const { openai } = world({ requests: '1/min' });
    await openai.chat.completions.create(ask);
    const error = await openai.chat.completions.create(ask).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(OpenAI.RateLimitError);
    expect((error as Error).message).toContain('batch: 1 request per minute');
    expect(Number((error as InstanceType<typeof OpenAI.RateLimitError>).headers.get('retry-after'))).toBeGreaterThan(
      50,
    );
    expect(server.seen).toHaveLength(1);
  });

  test('it tries again when it was told to, and passes', async () => {
    const { limiter } = world({ requests: '1/s' });
    const openai = new OpenAI({
      baseURL: `${server.url}/v1`,
      apiKey: 'none',
      fetch: limiter.fetch(fetch),
      maxRetries: 2,
    });
    const answers = await Promise.all([openai.chat.completions.create(ask), openai.chat.completions.create(ask)]);
    expect(answers.map(({ choices }) => choices.length)).toEqual([1, 1]);
  });

  test('the output cap of the policy is sent, and an API below any path is known', async () => {
    const { limiter } = world({ output: 5 });
    const sent: string[] = [];
    const proxied = (_input: unknown, init?: RequestInit): Promise<Response> => {
      sent.push(String(init!.body));
      return fetch(`${server.url}/v1/chat/completions`, init);
    };
    const baseURL = 'http://api.example/openai/v1';
    const openai = new OpenAI({ baseURL, apiKey: 'none', fetch: limiter.fetch(proxied) });
    const { usage } = await openai.chat.completions.create(ask);
    expect([usage!.completion_tokens, JSON.parse(sent[0]!).max_tokens]).toEqual([5, 5]);
  });

  test('an embedding is charged its prompt', async () => {
    const { openai, charged } = world();
    await openai.embeddings.create({ model: 'llama3.2', input: 'Why?' }).catch(() => {});
    expect((await charged(1))[0]!.outputTokens ?? 0).toBe(0);
  });
});

describe('ollama', () => {
  test('an answer is charged what it reports, a stream at its end, though its client stops reading before', async () => {
    const { ollama, charged } = world();
    const { prompt_eval_count: inputTokens, eval_count: outputTokens } = await ollama.chat(ask);
    for await (const _ of await ollama.chat({ ...ask, stream: true }));
    expect(await charged(2)).toMatchObject([{ inputTokens, outputTokens }, { outputTokens }]);
  });

  test('a refusal is its error, with our sentence', async () => {
    const { ollama } = world({ requests: '1/min' });
    await ollama.chat(ask);
    await expect(ollama.chat(ask)).rejects.toMatchObject({
      name: 'ResponseError',
      status_code: 429,
      error: expect.stringContaining('1 request per minute'),
    });
  });

  test('a loop that breaks pays for what it read, and the backend is told', async () => {
    const { ollama, charged } = world();
    const slow = await startFakeOllama({ models: ['llama3.2'], faults: { stallAfterTokens: 5 } });
    try {
      const limiter = createLimiter({ tokens: '100k/hour' }, { dialects: defaultDialects });
      const usages: Usage[] = [];
      limiter.on('reservation-settled', ({ usage }) => usages.push(usage));
      const client = new Ollama({ host: slow.url, fetch: limiter.fetch(fetch) as typeof fetch });
      let read = 0;
      for await (const _ of await client.chat({ ...ask, stream: true })) if (++read === 3) break;
      client.abort();
      await expect.poll(() => usages.length).toBe(1);
      expect(usages[0]!.outputTokens).toBeGreaterThanOrEqual(3);
      expect(usages[0]!.outputTokens).toBeLessThanOrEqual(5);
      await slow.idle();
    } finally {
      await slow.close();
    }
    await ollama.chat(ask);
    await charged(1);
  });
});

describe('fetch itself', () => {
  const post = (url: string, body: object = ask, init: RequestInit = {}): [string, RequestInit] => [
    url,
    { method: 'POST', body: JSON.stringify(body), ...init },
  ];

  test('who waits and aborts leaves the queue, with the reason of its own signal', async () => {
    const { limiter } = world({ limits: [{ name: 'house', per: 'all', concurrency: 1 }] });
    const held = await limiter.admit({});
    const leaving = new AbortController();
    const waiting = limiter.fetch(fetch)(...post(`${server.url}/api/chat`, ask, { signal: leaving.signal }));
    await expect.poll(() => limiter.stats().waiting).toBe(1);
    leaving.abort(new Error('changed my mind'));
    await expect(waiting).rejects.toThrow('changed my mind');
    expect(limiter.stats().waiting).toBe(0);
    if (held.admitted) held.permit.cancel();
    expect(server.seen).toHaveLength(0);
  });

  test('who aborts while the backend is silent pays for the prompt', async () => {
    const { limiter, charged } = world();
    const leaving = new AbortController();
    const silent = (_input: unknown, init?: RequestInit): Promise<Response> =>
      new Promise((_, reject) => init!.signal!.addEventListener('abort', () => reject(init!.signal!.reason)));
    const asked = limiter.fetch(silent)(...post('http://x/api/chat', ask, { signal: leaving.signal }));
    await expect.poll(() => limiter.stats().inFlight).toBe(1);
    leaving.abort();
    await expect(asked).rejects.toThrow(/abort/);
    const [usage] = await charged(1);
    expect([usage!.outputTokens, usage!.inputTokens! > 0]).toEqual([0, true]);
  });

  test('a server that cannot be reached costs no tokens', async () => {
    const { limiter, charged } = world();
    await expect(limiter.fetch(fetch)(...post('http://127.0.0.1:1/api/chat'))).rejects.toThrow('fetch failed');
    expect(await charged(1)).toEqual([{ inputTokens: 0, outputTokens: 0 }]);
  });

  test('a budget that ends mid-stream ends it as its length would, and the backend is told', async () => {
    const { limiter, charged } = world({ tokens: '40/hour' });
    let told: unknown;
    const endless = async (_input: unknown, init?: RequestInit): Promise<Response> => {
      init!.signal!.addEventListener('abort', () => {
        told = init!.signal!.reason;
      });
      const line = `${JSON.stringify({ model: 'm', message: { role: 'assistant', content: 'word ' }, done: false })}\n`;
      const body = new ReadableStream({ pull: (controller) => controller.enqueue(new TextEncoder().encode(line)) });
      return new Response(body, { headers: { 'content-type': 'application/x-ndjson' } });
    };
    const response = await limiter.fetch(endless)(...post('http://x/api/chat'));
    const last = (await response.text()).trim().split('\n').at(-1)!;
    expect(JSON.parse(last)).toMatchObject({ done: true, done_reason: 'length' });
    expect(told).toMatchObject({ code: 'HG_BUDGET_SPENT' });
    await charged(1);
  });

  test('a path that is no LLM’s passes as it is, whatever its body', async () => {
    const { limiter } = world();
    const seen: unknown[] = [];
    const echo = async (input: string | URL | Request, init?: RequestInit): Promise<Response> => {
      const request = new Request(input, { ...init, duplex: 'half' } as RequestInit);
      seen.push([request.method, await request.text()]);
      return new Response('kept', { status: 201, headers: { 'x-request-id': 'theirs' } });
    };
    const fetched = limiter.fetch(echo);
    const streamed = new ReadableStream({
      start: (controller) => {
        controller.enqueue(new TextEncoder().encode('streamed'));
        controller.close();
      },
    });
    const init = { method: 'PUT', body: streamed, duplex: 'half' } as RequestInit;
    const response = await fetched('http://x/files/1', init);
    expect([response.status, response.headers.get('x-request-id'), response.url]).toEqual([
      201,
      'theirs',
      'http://x/files/1',
    ]);
    await response.text();
    await (await fetched(new Request('http://x/files/2', { method: 'POST', body: 'from a Request' }))).text();
    await (await fetched(new URL('http://x/files/3'))).text();
    expect(seen).toEqual([
      ['PUT', 'streamed'],
      ['POST', 'from a Request'],
      ['GET', ''],
    ]);
  });

  test('a Request in place of an address and its options is the same', async () => {
    const { limiter, charged } = world({ tokens: '100k/hour', output: 3 });
    const response = await limiter.fetch(fetch)(
      new Request(...post(`${server.url}/api/chat`, { ...ask, stream: false })),
    );
    expect(await response.json()).toMatchObject({ eval_count: 3 });
    expect(await charged(1)).toMatchObject([{ outputTokens: 3 }]);
  });

  test('an answer that is dropped unread gives its permit back once its memory is reclaimed', async () => {
    const { setFlagsFromString } = await import('node:v8');
    const { runInNewContext } = await import('node:vm');
    setFlagsFromString('--expose-gc');
    const collect = runInNewContext('gc') as () => void;
    const { limiter, charged } = world();
    const endless = async (): Promise<Response> =>
      new Response(new ReadableStream({ pull: () => new Promise(() => {}) }), {
        headers: { 'content-type': 'application/json' },
      });
    const drop = async (): Promise<void> => void (await limiter.fetch(endless)(...post('http://x/api/chat')));
    await drop();
    expect(limiter.stats().inFlight).toBe(1);
    await expect
      .poll(() => {
        collect();
        return limiter.stats().inFlight;
      })
      .toBe(0);
    await charged(1);
  });

  test('without dialects it says what is missing, at once', () => {
    const limiter = createLimiter({ requests: '1/min' });
    expect(() => limiter.fetch(fetch)).toThrow(expect.objectContaining({ code: 'HG_NO_DIALECTS' }));
    expect(() => limiter.handler(() => new Response())).toThrow(expect.objectContaining({ code: 'HG_NO_DIALECTS' }));
  });
});
