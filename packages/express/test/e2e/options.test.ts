/** Where the limiter may be mounted, and what can be said to it. */
import { request } from 'node:http';
import { createLimiter, PolicyError } from '@headgate/core';
import type { ErrorRequestHandler, Express } from 'express';
import { describe, expect, test, vi } from 'vitest';
import { ollamaLimiter } from '../../src/index.js';
import { ask, chunkLine, question } from '../support/ask.js';
import { chargesOf } from '../support/charges.js';
import { versions, withApp } from '../support/express-server.js';

const once = { limits: [{ name: 'chats', match: { operation: 'chat' }, requests: '1/hour' }] };

describe.each(versions)('$name', ({ express }) => {
  const mounts: Readonly<Record<string, { readonly path: string; mount(app: Express): void }>> = {
    'the application': { path: '/api/chat', mount: (app) => app.use(ollamaLimiter(once)) },
    'a path before the dialect’s': { path: '/ai/api/chat', mount: (app) => app.use('/ai', ollamaLimiter(once)) },
    'a part of the dialect’s path': {
      path: '/v1/chat/completions',
      mount: (app) => app.use('/v1', ollamaLimiter(once)),
    },
    'a part of it below another path': {
      path: '/ai/v1/messages',
      mount: (app) => app.use('/ai/v1', ollamaLimiter(once)),
    },
    'a router in a router': {
      path: '/one/two/api/chat',
      mount: (app) => {
        const inner = express.Router().use(ollamaLimiter(once));
        app.use('/one', express.Router().use('/two', inner));
      },
    },
    'one route': { path: '/api/chat', mount: (app) => app.post('/api/chat', ollamaLimiter(once)) },
  };

  test.each(Object.entries(mounts))('F13: mounted on %s it counts chats as chats', async (_name, { path, mount }) => {
    const app = express();
    mount(app);
    app.use((_req, res) => void res.end('{}'));
    await withApp(app, async ({ url }) => {
      const body = { ...question, max_tokens: 10 };
      expect((await ask(`${url}${path}`, body)).status).toBe(200);
      expect((await ask(`${url}${path}`, body)).status).toBe(429);
    });
  });

  test('F13: no spelling of a path and no other method leads to the handler around the limit', async () => {
    const app = express();
    app.use(ollamaLimiter(once));
    app.all('/api/chat', (_req, res) => void res.end('{}'));
    await withApp(app, async ({ url }) => {
      const spellings: [string, string][] = [
        ['POST', '/api/chat'],
        ['POST', '/API/Chat'],
        ['POST', '/api/chat/'],
        ['POST', '/api/chat?again=1'],
        ['PUT', '/api/chat'],
      ];
      const statuses: number[] = [];
      for (const [method, path] of spellings) statuses.push((await ask(`${url}${path}`, question, { method })).status);
      expect(statuses).toEqual([200, 429, 429, 429, 429]);
    });
  });

  test('F13: a router with prompts that the limiter does not stand below is told once', async () => {
    const warned = vi.spyOn(process, 'emitWarning').mockReturnValue();
    const app = express();
    app.use(ollamaLimiter(once));
    app.use(
      '/ai',
      express.Router().post('/api/chat', (_req, res) => void res.end('{}')),
    );
    await withApp(app, async ({ url }) => {
      for (let i = 0; i < 3; i++) expect((await ask(`${url}/ai/api/chat`, { text: '' })).status).toBe(200);
    });
    const about = { type: 'HeadgateWarning', code: 'HG_PATH_OTHER' };
    expect(warned.mock.calls).toEqual([[expect.stringMatching(/^POST \/ai\/api\/chat .* below \/ai,/), about]]);
  });

  test('F13: a misspelt key of the policy stops the start, an option of the adapter does not', () => {
    expect(() => ollamaLimiter({ request: '60/min' })).toThrow(/requests/);
    expect(() => ollamaLimiter({ requests: '60/min', identify: () => 'me', skip: () => false })).not.toThrow();
  });

  test.each<[first: object, second: object, message: string]>([
    [{ requests: '60/min' }, { idenitfy: () => 'me' }, 'has no option `idenitfy`; did you mean `identify`?'],
    [{ requests: '60/min' }, { tokens: '1/hour' }, 'has no option `tokens`: it is a key of the policy'],
    [
      { requests: '60/min', identify: 'me' },
      {},
      'the option `identify` of ollamaLimiter is text; it has to be a function',
    ],
    [
      createLimiter(once),
      { store: {} },
      'has no option `store`: it is one of createLimiter, where the limiter is made',
    ],
    [createLimiter(once), { skpi: () => true }, 'has no option `skpi`; did you mean `skip`?'],
  ])('an option that would do nothing stops the start: %#', (first, second, message) => {
    expect(() => ollamaLimiter(first, second)).toThrow(message);
  });

  test.each([undefined, null, { requests: undefined }])('%o is no policy', (policy) => {
    expect(() => ollamaLimiter(policy as object)).toThrow(PolicyError);
  });

  test('identify names who is asking; what it leaves open the policy decides', async () => {
    const app = express();
    app.use(ollamaLimiter({ ...once, identify: (req) => req.get('x-team') }));
    app.use((req, res) => void res.json(req.headgate!.about.identity!.id));
    await withApp(app, async ({ url }) => {
      const as = (team: string): RequestInit => ({ headers: { 'content-type': 'application/json', 'x-team': team } });
      expect(await (await ask(`${url}/api/chat`, question, as('red'))).json()).toBe('red');
      expect((await ask(`${url}/api/chat`, question, as('red'))).status).toBe(429);
      expect(await (await ask(`${url}/api/chat`, question, as('blue'))).json()).toBe('blue');
      expect(await (await ask(`${url}/api/chat`)).json()).toBe('address:127.0.0.1');
    });
  });

  test('a tier that identify names and the policy does not have goes to the error handler: it is no limit at all otherwise', async () => {
    const app = express();
    const middleware = ollamaLimiter({
      tiers: { free: { requests: '1/hour' } },
      identify: (req: { get(name: string): string | undefined }) => ({ id: 'ann', tier: req.get('x-tier')! }),
    });
    app.use(middleware, (_req, res) => void res.json('answered'));
    app.use(((error, _req, res, _next) => void res.status(500).json(error.code)) as ErrorRequestHandler);
    await withApp(app, async ({ url }) => {
      const as = (tier: string): RequestInit => ({ headers: { 'content-type': 'application/json', 'x-tier': tier } });
      expect(await (await ask(`${url}/api/chat`, question, as('fre'))).json()).toBe('HG_TIER');
      expect(await (await ask(`${url}/api/chat`, question, as('free'))).json()).toBe('answered');
      expect((await ask(`${url}/api/chat`, question, as('free'))).status).toBe(429);
      expect(middleware.limiter.stats()).toMatchObject({ inFlight: 0, open: 0 });
    });
  });

  test('skip leaves a request alone', async () => {
    const app = express();
    const skip = async (req: { readonly path: string }) => req.path.startsWith('/health');
    app.use(ollamaLimiter({ requests: '1/hour' }, { skip }));
    app.use((req, res) => void res.json(req.headgate === undefined ? 'skipped' : 'limited'));
    await withApp(app, async ({ url }) => {
      const seen: unknown[] = [];
      for (const path of ['/health', '/a', '/health', '/a']) {
        const response = await fetch(`${url}${path}`);
        seen.push(response.status === 200 ? await response.json() : response.status);
      }
      expect(seen).toEqual(['skipped', 'limited', 'skipped', 429]);
    });
  });

  test('onRefused may watch, add a header, or answer itself', async () => {
    for (const answers of [false, true]) {
      const app = express();
      const told: string[] = [];
      const middleware = ollamaLimiter(createLimiter(once), {
        onRefused: (refusal, req, res) => {
          told.push(`${req.method} ${refusal.reason} ${refusal.limit}`);
          res.set('x-own', 'added');
          if (answers) res.json({ own: true });
        },
      });
      app.use(middleware, (_req, res) => void res.end('{}'));
      await withApp(app, async ({ url }) => {
        await ask(`${url}/api/chat`);
        const response = await ask(`${url}/api/chat`);
        expect([response.status, response.headers.get('x-own')]).toEqual([429, 'added']);
        expect(response.headers.get('ratelimit')?.match(/"chats"/g)).toHaveLength(1);
        expect(await response.json()).toEqual(answers ? { own: true } : { error: expect.stringContaining('chats') });
        expect(told).toEqual(['POST limit chats']);
      });
    }
  });

  test('what identify, skip or onRefused throws goes to the error handler, and nothing is charged', async () => {
    const app = express();
    const throws = () => Promise.reject(new Error('from the option'));
    const middleware = ollamaLimiter({ ...once, identify: throws });
    app.use(middleware);
    await withApp(app, async ({ url }) => {
      expect((await ask(`${url}/api/chat`)).status).toBe(500);
      expect(middleware.limiter.stats()).toMatchObject({ inFlight: 0, open: 0 });
    });
  });

  test('a client that leaves the queue costs nothing and troubles neither handler nor error handler', async () => {
    const app = express();
    const middleware = ollamaLimiter({ limits: [{ name: 'house', per: 'all', concurrency: 1 }] });
    const seen: string[] = [];
    let end: () => void = () => {};
    app.use(middleware, (_req, res) => {
      seen.push('handler');
      end = () => void res.end('{}');
    });
    app.use(((_error, _req, res, _next) => {
      seen.push('error handler');
      res.end();
    }) satisfies ErrorRequestHandler);
    await withApp(app, async ({ url }) => {
      const running = ask(`${url}/api/chat`);
      await expect.poll(() => middleware.limiter.stats().inFlight).toBe(1);
      const alone = middleware.limiter.stats();
      const leaving = new AbortController();
      const left = ask(`${url}/api/chat`, question, { signal: leaving.signal }).catch(() => 'left');
      await expect.poll(() => middleware.limiter.stats().waiting).toBe(1);
      leaving.abort();
      expect(await left).toBe('left');
      await expect.poll(() => middleware.limiter.stats()).toEqual(alone);
      end();
      await (await running).text();
      expect(seen).toEqual(['handler']);
    });
  });

  test('F7: a request refused by the inner of two limiters burns nothing of the outer one', async () => {
    const app = express();
    const outer = ollamaLimiter({ limits: [{ name: 'outer', requests: '10/hour' }], tokens: '10k/hour' });
    app.use(outer, ollamaLimiter({ models: ['mistral:*'] }), (_req, res) => void res.end('{}'));
    await withApp(app, async ({ url }) => {
      for (let i = 0; i < 3; i++) expect((await ask(`${url}/api/chat`)).status).toBe(403);
      await expect.poll(() => outer.limiter.stats().open).toBe(0);
      const { headers } = await ask(`${url}/api/chat`, { ...question, model: 'mistral:7b' });
      expect(headers.get('ratelimit')).toMatch(/"outer";r=9\b/);
    });
  });

  test('F23: nested limiters show both policies, and of the legacy headers the tighter', async () => {
    const app = express();
    app.use(ollamaLimiter({ limits: [{ name: 'tight', requests: '3/hour' }] }));
    app.use(ollamaLimiter({ limits: [{ name: 'wide', requests: '90/hour' }] }));
    app.use((_req, res) => void res.end('{}'));
    await withApp(app, async ({ url }) => {
      const { headers } = await ask(`${url}/api/chat`);
      expect(headers.get('ratelimit')).toMatch(/"tight";r=2.*"wide";r=89/);
      expect(headers.get('ratelimit-policy')).toMatch(/"tight";q=3.*"wide";q=90/);
      expect([headers.get('x-ratelimit-limit'), headers.get('x-ratelimit-remaining')]).toEqual(['3', '2']);
    });
  });

  test('F24: the permit is held until the last byte has left, not until the handler returns', async () => {
    const app = express();
    const middleware = ollamaLimiter({ concurrency: 1 });
    let end: () => void = () => {};
    app.use(middleware, (_req, res) => {
      res.writeHead(200, { 'content-type': 'application/x-ndjson' }).write(chunkLine('one'));
      end = () => void res.end();
    });
    await withApp(app, async ({ url }) => {
      const charges = chargesOf(middleware.limiter);
      const response = await ask(`${url}/api/chat`);
      expect((await ask(`${url}/api/chat`)).status).toBe(429);
      expect([middleware.limiter.stats().inFlight, charges.usages.length]).toEqual([1, 0]);
      end();
      await response.text();
      await charges.after(1);
    });
  });

  test('a large upload to a refused request is not read to its end, and its sender sees the refusal', async () => {
    const app = express();
    app.use(ollamaLimiter({ guard: { body: '1MiB' } }));
    await withApp(app, async ({ port }) => {
      const status = await new Promise<number | undefined>((resolve, reject) => {
        const headers = { 'content-length': 1024 * 1024 * 1024 };
        const call = request({ host: '127.0.0.1', port, method: 'POST', path: '/api/chat', headers });
        call.on('response', (response) => {
          response.resume();
          response.on('end', () => resolve(response.headers.connection === 'close' ? response.statusCode : 0));
        });
        call.on('error', reject);
        call.write('{"model":');
      });
      expect(status).toBe(413);
    });
  });
});
