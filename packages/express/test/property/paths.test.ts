import { describe, test } from 'vitest';
import { ollamaLimiter } from '../../src/index.js';
import { versions, withApp } from '../support/express-server.js';
import { nobody, nobodyPasses } from '../support/spellings.js';

type App = ReturnType<(typeof versions)[number]['express']>;

const setups: [string, string, (app: App, express: (typeof versions)[number]['express']) => void][] = [
  [
    'on the application',
    '/api/chat',
    (app) => app.use(ollamaLimiter(nobody)).all('/api/chat', (_req, res) => res.end()),
  ],
  [
    'below a path',
    '/ai/api/chat',
    (app) => app.use('/ai', ollamaLimiter(nobody)).all('/ai/api/chat', (_req, res) => res.end()),
  ],
  [
    'below a parameter',
    '/red/api/chat',
    (app) => app.use('/:team', ollamaLimiter(nobody)).all('/:team/api/chat', (_req, res) => res.end()),
  ],
  [
    'on a router',
    '/ai/api/chat',
    (app, express) =>
      app.use(
        '/ai',
        express
          .Router()
          .use(ollamaLimiter(nobody))
          .all('/api/chat', (_req, res) => res.end()),
      ),
  ],
  [
    'around a router at a path',
    '/ollama/api/chat',
    (app, express) =>
      app.use(ollamaLimiter(nobody)).use(
        '/ollama',
        express.Router().all('/api/chat', (_req, res) => res.end()),
      ),
  ],
  [
    'on a route',
    '/of/red/api/chat',
    (app) => app.all('/of/:team/api/chat', ollamaLimiter(nobody), (_req, res) => res.end()),
  ],
];

for (const { name, express } of versions) {
  describe(name, () => {
    test.each(setups)(
      'F13: %s, every spelling of %s that leads to the handler is held to its limits',
      async (_where, path, set) => {
        const app = express();
        set(app, express);
        await withApp(app, ({ url }) => nobodyPasses(url, path));
      },
    );
  });
}
