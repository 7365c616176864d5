/** Body parsers before and after the limiter, and proxies behind it. */
import { startFakeOllama } from '@headgate/fake-ollama';
import { createProxyServer } from 'http-proxy-3';
import { describe, expect, test } from 'vitest';
import { ollamaLimiter } from '../../src/index.js';
import { ask, linesOf, question } from '../support/ask.js';
import { textOf, versions, withApp } from '../support/express-server.js';

const capped = { requests: '1000/min', output: 7 };
/** The policy's cap, written into the body that the handler finds. */
const cappedQuestion = { ...question, options: { num_ctx: 8192, num_predict: 7 } };

describe.each(versions)('$name', ({ express }) => {
  test.each([
    ['as JSON', 'application/json'],
    ['as a form, which is what curl -d says without being told', 'application/x-www-form-urlencoded'],
    ['as text', 'text/plain;charset=UTF-8'],
  ])('express.json() after the limiter parses the checked body, sent %s', async (_, type) => {
    const app = express();
    app.use(ollamaLimiter(capped), express.json());
    app.post('/api/chat', (req, res) => void res.json(req.body));
    await withApp(app, async ({ url }) => {
      const answer = await ask(`${url}/api/chat`, question, { headers: { 'content-type': type } });
      expect(await answer.json()).toEqual(cappedQuestion);
    });
  });

  test.each(['json', 'raw', 'text'] as const)(
    'express.%s() before the limiter leaves the checked body in its own form',
    async (kind) => {
      const app = express();
      app.use(express[kind]({ type: () => true }), ollamaLimiter(capped));
      app.post('/api/chat', (req, res) => {
        const form = Buffer.isBuffer(req.body) ? 'raw' : typeof req.body === 'string' ? 'text' : 'json';
        const value = form === 'json' ? req.body : JSON.parse(String(req.body));
        res.json({ form, value, length: req.headers['content-length'] });
      });
      await withApp(app, async ({ url }) => {
        const length = String(JSON.stringify(cappedQuestion).length);
        expect(await (await ask(`${url}/api/chat`)).json()).toEqual({ form: kind, value: cappedQuestion, length });
      });
    },
  );

  test('a body that express.json() left alone, for its content type, is read all the same', async () => {
    const app = express();
    app.use(express.json(), ollamaLimiter(capped));
    app.post('/api/chat', async (req, res) => void res.json(JSON.parse(await textOf(req))));
    await withApp(app, async ({ url }) => {
      // What curl -d says without being told.
      const headers = { 'content-type': 'application/x-www-form-urlencoded' };
      expect(await (await ask(`${url}/api/chat`, question, { headers })).json()).toEqual(cappedQuestion);
    });
  });

  test('F31: a body with look-alike keys is refused before a parser sees it', async () => {
    const app = express();
    let runs = 0;
    app.use(ollamaLimiter(capped), express.json());
    app.post('/api/chat', (_req, res) => {
      runs++;
      res.end();
    });
    await withApp(app, async ({ url }) => {
      const response = await ask(`${url}/api/chat`, { ...question, MODEL: 'other' });
      expect([response.status, response.headers.get('x-headgate-reason'), runs]).toEqual([400, 'bad-request', 0]);
    });
  });

  test('http-proxy forwards the checked body, and streams the answer back', async () => {
    const ollama = await startFakeOllama({ models: ['llama3.2'], outputTokens: 50 });
    const proxy = createProxyServer({ target: ollama.url });
    const app = express();
    const limiter = ollamaLimiter(capped);
    app.use(limiter, (req, res) => proxy.web(req, res));
    try {
      await withApp(app, async ({ url }) => {
        const lines = linesOf(await (await ask(`${url}/api/chat`)).text());
        expect(lines.at(-1)).toMatchObject({ done: true, done_reason: 'length', eval_count: 7 });
        expect(JSON.parse(ollama.seen[0]!.body.toString())).toEqual(cappedQuestion);
      });
    } finally {
      proxy.close();
      await ollama.close();
    }
  });

  test('opaque bodies pass unread and untouched', async () => {
    const app = express();
    app.use(ollamaLimiter(capped));
    app.post('/upload', async (req, res) => void res.end(await textOf(req)));
    await withApp(app, async ({ url }) => {
      const response = await fetch(`${url}/upload`, { method: 'POST', body: '{"MODEL": not json' });
      expect(await response.text()).toBe('{"MODEL": not json');
    });
  });
});
