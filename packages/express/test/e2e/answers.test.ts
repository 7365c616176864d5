/** Handlers that answer in every way Express has, and what they are charged. */
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough, Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { gzipSync } from 'node:zlib';
import { Limiter, parsePolicy } from '@headgate/core';
import compression from 'compression';
import type { Request, RequestHandler, Response } from 'express';
import { describe, expect, test } from 'vitest';
import { ollamaLimiter } from '../../src/index.js';
import { ask, chunkLine, lastLine, linesOf, question } from '../support/ask.js';
import { type Charges, chargesOf } from '../support/charges.js';
import { type RunningApp, versions, withApp } from '../support/express-server.js';

const roomy = { tokens: '100k/hour' };
const streamed = chunkLine('Because') + chunkLine('it') + lastLine(12, 2);
const streamHead = { 'content-type': 'application/x-ndjson' };
const charged = { inputTokens: 12, outputTokens: 2 };

type Handler = (req: Request, res: Response) => unknown;

describe.each(versions)('$name', ({ express }) => {
  interface Setup {
    readonly policy?: object;
    readonly before?: RequestHandler;
    readonly after?: RequestHandler;
  }

  async function run(
    handler: Handler,
    scenario: (running: RunningApp, charges: Charges, limiter: Limiter) => Promise<void>,
    { policy = roomy, before, after }: Setup = {},
  ): Promise<void> {
    const app = express();
    const middleware = ollamaLimiter(new Limiter(parsePolicy(policy)));
    if (before !== undefined) app.use(before);
    app.use(middleware);
    if (after !== undefined) app.use(after);
    app.use((req, res, next) => {
      Promise.resolve(handler(req, res)).catch(next);
    });
    await withApp(app, (running) => scenario(running, chargesOf(middleware.limiter), middleware.limiter));
  }

  const ways: Readonly<Record<string, Handler>> = {
    'res.end alone': (_req, res) => res.type('application/x-ndjson').end(streamed),
    'res.send, which sets the length': (_req, res) => res.type('application/x-ndjson').send(streamed),
    'writeHead with an object and a length': (_req, res) =>
      res.writeHead(200, { ...streamHead, 'Content-Length': Buffer.byteLength(streamed) }).end(streamed),
    'writeHead with a message and a flat list': (_req, res) =>
      res.writeHead(200, 'Fine', ['Content-Type', 'application/x-ndjson']).end(streamed),
    'flushHeaders and small writes': (_req, res) => {
      res.set(streamHead).flushHeaders();
      for (const char of streamed) res.write(char);
      res.end();
    },
    'writes with encodings and callbacks': async (_req, res) => {
      res.set(streamHead);
      await new Promise<void>((done) =>
        res.write(Buffer.from(streamed.slice(0, 30)).toString('hex'), 'hex', () => done()),
      );
      await new Promise<void>((done) => res.write(Buffer.from(streamed.slice(30)), () => done()));
      await new Promise<void>((done) => res.end(() => done()));
    },
    pipe: (_req, res) => {
      res.set(streamHead);
      Readable.from([streamed.slice(0, 50), streamed.slice(50)]).pipe(res);
    },
    pipeline: (_req, res) => {
      res.set(streamHead);
      return pipeline(Readable.from([Buffer.from(streamed)]), res);
    },
  };

  test.each(Object.entries(ways))('%s passes unchanged and is charged by what the answer reports', (_name, handler) =>
    run(handler, async ({ url }, charges) => {
      const response = await ask(`${url}/api/chat`);
      expect(response.headers.get('content-type')).toMatch(/^application\/x-ndjson/);
      expect(await response.text()).toBe(streamed);
      expect(await charges.after(1)).toEqual([charged]);
    }),
  );

  test('a JSON answer is charged by its usage', () =>
    run(
      (_req, res) =>
        res.json({
          message: { role: 'assistant', content: 'Because' },
          done: true,
          prompt_eval_count: 12,
          eval_count: 2,
        }),
      async ({ url }, charges) => {
        const response = await ask(`${url}/api/chat`, { ...question, stream: false });
        expect(response.headers.get('content-length')).toBe(String((await response.text()).length));
        expect(await charges.after(1)).toEqual([charged]);
      },
    ));

  test('F9: an answer that says nothing of tokens costs what was reserved, an explicit zero stays zero', async () => {
    await run(
      (_req, res) => res.json({ reply: 'Because' }),
      async ({ url }, charges) => {
        await (await ask(`${url}/api/chat`, { ...question, stream: false })).text();
        expect((await charges.after(1))[0]!.outputTokens).toBeGreaterThan(0);
      },
    );
    await run(
      (_req, res) => res.json({ message: { content: '' }, done: true, prompt_eval_count: 0, eval_count: 0 }),
      async ({ url }, charges) => {
        await (await ask(`${url}/api/chat`, { ...question, stream: false })).text();
        expect(await charges.after(1)).toEqual([{ inputTokens: 0, outputTokens: 0 }]);
      },
    );
  });

  test('a handler that knows better settles itself', () =>
    run(
      (req, res) => {
        req.headgate!.permit.settle({ inputTokens: 3, outputTokens: 4 });
        res.writeHead(200, streamHead).end(streamed);
      },
      async ({ url }, charges) => {
        expect(await (await ask(`${url}/api/chat`)).text()).toBe(streamed);
        expect(await charges.after(1)).toEqual([{ inputTokens: 3, outputTokens: 4 }]);
      },
    ));

  test('compression after the limiter: the answer stays whole, and is charged by estimate', () =>
    run(
      (_req, res) => res.set(streamHead).end(streamed.repeat(50)),
      async ({ url }, charges) => {
        const response = await ask(`${url}/api/chat`);
        expect(response.headers.get('content-encoding')).toBe('gzip');
        expect(await response.text()).toBe(streamed.repeat(50));
        expect((await charges.after(1))[0]!.outputTokens).toBeGreaterThan(0);
      },
      { after: compression({ threshold: 0, filter: () => true }) },
    ));

  test('compression before the limiter: the answer stays whole, and is read', () =>
    run(
      (_req, res) => res.set(streamHead).end(streamed),
      async ({ url }, charges) => {
        const response = await ask(`${url}/api/chat`);
        expect(response.headers.get('content-encoding')).toBe('gzip');
        expect(await response.text()).toBe(streamed);
        expect(await charges.after(1)).toEqual([charged]);
      },
      { before: compression({ threshold: 0, filter: () => true }) },
    ));

  test('bytes that a handler compressed itself are never touched, and cost what was reserved', () => {
    let reserved: number | undefined;
    return run(
      (req, res) => {
        reserved = req.headgate!.permit.reserved.outputTokens;
        res.writeHead(200, { 'content-type': 'application/json', 'content-encoding': 'gzip' });
        res.end(gzipSync(lastLine(12, 2)));
      },
      async ({ url }, charges) => {
        expect(await (await ask(`${url}/api/chat`, { ...question, stream: false })).text()).toBe(lastLine(12, 2));
        expect(await charges.after(1)).toMatchObject([{ outputTokens: reserved }]);
      },
    );
  });

  test('res.sendFile, ranges and all, passes and costs no tokens', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'headgate-'));
    await writeFile(join(folder, 'page.txt'), 'a page of the application');
    try {
      await run(
        (_req, res) => res.sendFile(join(folder, 'page.txt')),
        async ({ url }, charges) => {
          expect(await (await fetch(`${url}/page`)).text()).toBe('a page of the application');
          const part = await fetch(`${url}/page`, { headers: { range: 'bytes=2-5' } });
          expect([part.status, await part.text()]).toEqual([206, 'page']);
          const head = await fetch(`${url}/page`, { method: 'HEAD' });
          expect(head.headers.get('content-length')).toBe('25');
          const none = { inputTokens: 0, outputTokens: 0 };
          expect(await charges.after(3)).toEqual([none, none, none]);
        },
      );
    } finally {
      await rm(folder, { recursive: true });
    }
  });

  test('a budget that ends mid-stream ends the answer as its length would', () => {
    const written: boolean[] = [];
    let isTold = false;
    return run(
      async (req, res) => {
        req.headgate!.permit.signal.addEventListener('abort', () => {
          isTold = true;
        });
        res.writeHead(200, streamHead);
        for (let i = 0; i < 200; i++) written.push(res.write(chunkLine('word ')));
        await new Promise<void>((done) => res.end(lastLine(12, 200), () => done()));
      },
      async ({ url }, charges) => {
        const lines = linesOf(await (await ask(`${url}/api/chat`)).text());
        expect(lines.at(-1)).toMatchObject({ done: true, done_reason: 'length' });
        const delivered = lines.filter(({ done }) => done === false).length;
        expect(delivered).toBeLessThan(60);
        expect(delivered).toBeGreaterThan(0);
        expect(await charges.after(1)).toMatchObject([{ outputTokens: delivered }]);
        expect([isTold, written.length]).toEqual([true, 200]);
      },
      { policy: { tokens: '60/hour' } },
    );
  });

  test('onBudgetSpent: error ends it with an error', () =>
    run(
      (_req, res) => {
        res.writeHead(200, streamHead);
        for (let i = 0; i < 200; i++) res.write(chunkLine('word '));
        res.end(lastLine(12, 200));
      },
      async ({ url }, charges) => {
        const lines = linesOf(await (await ask(`${url}/api/chat`)).text());
        expect(lines.at(-1)).toEqual({ error: expect.stringContaining('budget') });
        await charges.after(1);
      },
      { policy: { tokens: '60/hour', onBudgetSpent: 'error' } },
    ));

  test('a cap that the handler ignores is enforced', () =>
    run(
      (_req, res) => {
        const whole = chunkLine('a').repeat(20) + lastLine(12, 20);
        // A length that is no longer true after the cut must not reach the client.
        res.writeHead(200, { ...streamHead, 'content-length': whole.length }).end(whole);
      },
      async ({ url }, charges) => {
        const lines = linesOf(
          await (await ask(`${url}/api/chat`, { ...question, options: { num_predict: 5 } })).text(),
        );
        expect(lines.filter(({ done }) => done === false)).toHaveLength(5);
        expect(lines.at(-1)).toMatchObject({ done: true, done_reason: 'length' });
        expect(await charges.after(1)).toMatchObject([{ outputTokens: 5 }]);
      },
    ));

  test('an error in place of an answer counts as a request and costs no tokens', () =>
    run(
      (_req, res) => res.status(502).json({ error: 'no backend' }),
      async ({ url }, charges) => {
        expect((await ask(`${url}/api/chat`)).status).toBe(502);
        expect(await charges.after(1)).toEqual([{ inputTokens: 0, outputTokens: 0 }]);
      },
    ));

  describe('onClientGone: finish', () => {
    const policy = { ...roomy, onClientGone: 'finish' };

    /** Asks, reads the first bytes, and leaves. */
    async function leave(url: string): Promise<void> {
      const leaving = new AbortController();
      const response = await ask(`${url}/api/chat`, question, { signal: leaving.signal });
      await response.body!.getReader().read();
      leaving.abort();
    }

    test('lets the handler go on to its end, holds the permit until then, and charges all of it', () => {
      let signal: AbortSignal | undefined;
      let goOn: () => void = () => {};
      return run(
        async (req, res) => {
          signal = req.headgate!.permit.signal;
          res.writeHead(200, streamHead).write(chunkLine('one'));
          await new Promise<void>((resolve) => {
            goOn = resolve;
          });
          for (let i = 0; i < 400; i++) if (!res.write(chunkLine('word '))) await once(res, 'drain');
          res.end(lastLine(12, 401));
        },
        async ({ url }, charges, limiter) => {
          await leave(url);
          await expect.poll(() => limiter.stats().inFlight).toBe(1);
          goOn();
          expect(await charges.after(1)).toMatchObject([{ inputTokens: 12, outputTokens: 401 }]);
          expect(signal?.aborted).toBe(false);
        },
        { policy },
      );
    });

    test('goes on for a handler that was held up by a client which read nothing', () => {
      const line = chunkLine('x'.repeat(60_000));
      return run(
        async (_req, res) => {
          res.writeHead(200, streamHead).write(chunkLine('one'));
          for (let i = 0; i < 300; i++) if (!res.write(line)) await once(res, 'drain');
          res.end(lastLine(12, 777));
        },
        async ({ url }, charges) => {
          await leave(url);
          expect(await charges.after(1)).toMatchObject([{ outputTokens: 777 }]);
        },
        { policy: { ...policy, tokens: '99M/hour' } },
      );
    });

    test('charges a pipe, which ends with its client, what was expected of the answer', () =>
      run(
        (_req, res) => {
          res.writeHead(200, streamHead);
          const source = new PassThrough();
          source.pipe(res);
          source.write(chunkLine('one'));
        },
        async ({ url }, charges) => {
          await leave(url);
          expect((await charges.after(1))[0]!.outputTokens).toBe(256);
        },
        { policy },
      ));

    test('waits for a silent handler no longer than for a silent backend', () =>
      run(
        (_req, res) => void res.writeHead(200, streamHead).write(chunkLine('one')),
        async ({ url }, charges) => {
          await leave(url);
          expect((await charges.after(1))[0]!.outputTokens).toBe(256);
        },
        { policy: { ...policy, pool: { timeout: { idle: '50ms' } } } },
      ));

    test('ends where the budget is spent', () =>
      run(
        async (_req, res) => {
          res.writeHead(200, streamHead).write(chunkLine('one'));
          await once(res, 'close');
          for (let i = 0; i < 400; i++) res.write(chunkLine('word '));
          res.end(lastLine(12, 401));
        },
        async ({ url }, charges) => {
          await leave(url);
          const [charge] = await charges.after(1);
          expect(charge!.inputTokens! + charge!.outputTokens!).toBe(60);
        },
        { policy: { ...policy, tokens: '60/hour' } },
      ));
  });

  test('a stream that outlives the drain is ended with an error, one without a head is refused', async () => {
    const app = express();
    const middleware = ollamaLimiter({ ...roomy, concurrency: 9 });
    app.use(middleware);
    app.post('/api/chat', (_req, res) => void res.writeHead(200, streamHead).write(chunkLine('one')));
    app.post('/api/generate', () => {});
    await withApp(app, async ({ url }) => {
      const charges = chargesOf(middleware.limiter);
      const running = await ask(`${url}/api/chat`);
      const silent = ask(`${url}/api/generate`, { model: 'llama3.2', prompt: 'why' });
      await expect.poll(() => middleware.limiter.stats().inFlight).toBe(2);
      await middleware.limiter.close({ drainMs: 0 });
      expect(linesOf(await running.text()).at(-1)).toEqual({ error: expect.stringContaining('try again') });
      expect((await silent).status).toBe(503);
      await charges.after(2);
    });
  });
});
