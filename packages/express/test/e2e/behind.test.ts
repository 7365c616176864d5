/** Routes behind a limiter: those of models are held to it, an application's own are not. */
import type { Express, Request, Response } from 'express';
import { beforeEach, describe, expect, test, vi } from 'vitest';
import { ollamaLimiter } from '../../src/index.js';
import { ask } from '../support/ask.js';
import { textOf, versions, withApp } from '../support/express-server.js';
import { holdsPrompts } from '../support/holds-prompts.js';

/** Answers with what it was sent, read as a proxy reads it. */
const proxy = async (req: Request, res: Response): Promise<void> => {
  res.json({ operation: req.headgate!.about.operation, body: await textOf(req) });
};

const setups: [string, (app: Express) => unknown][] = [
  ['use("/ollama")', (app) => app.use('/ollama', proxy)],
  ['all(/^\\/ollama/)', (app) => app.all(/^\/ollama\//, proxy)],
  ['use', (app) => app.use(proxy)],
];

describe.each(versions)('$name', ({ express }) => {
  beforeEach(() => void vi.spyOn(process, 'emitWarning').mockReturnValue());

  test.each(setups)('F13: a proxy behind the limiter: %s', async (_how, set) => {
    const app = express();
    app.use(ollamaLimiter({ models: ['mistral'] }));
    set(app);
    await withApp(app, ({ url }) => holdsPrompts(url));
  });

  test('F13: a key in the path says who asks, whatever stands between it and the path for prompts', async () => {
    const app = express();
    app.use(ollamaLimiter({ identity: [{ apiKey: { from: ['path'], keys: { 'sk-a': { id: 'anna' } } } }] }));
    app.use('/k/:key/ollama', (req, res) => void res.json(req.headgate!.about));
    await withApp(app, async ({ url }) => {
      const chat = await ask(`${url}/k/sk-a/ollama/api/chat`);
      expect(await chat.json()).toMatchObject({ operation: 'chat', path: '/api/chat', identity: { id: 'anna' } });
      const own = await ask(`${url}/k/sk-a/ollama/api/chat`, { text: '' });
      expect(await own.json()).toMatchObject({
        operation: 'other',
        path: '/ollama/api/chat',
        identity: { id: 'anna' },
      });
      expect((await ask(`${url}/k/sk-b/ollama/api/chat`)).status).toBe(401);
    });
  });
});
