import { type AdapterHarness, adapterConformance, type Exchange } from '@headgate/core/testing';
import type { Request, Response } from 'express';
import { describe, test } from 'vitest';
import { ollamaLimiter } from '../../src/index.js';
import { drained, listen, textOf, versions } from '../support/express-server.js';

for (const { name, express } of versions) {
  const harness: AdapterHarness = {
    start: ({ limiters, mount, prefix, parser, handler }) => {
      const app = express();
      if (parser === 'before') app.use(express.json());
      for (const limiter of limiters) app.use(mount, ollamaLimiter(limiter));
      if (parser === 'after') app.use(express.json());
      const router = express.Router().use((req, res, next) => {
        handler(exchangeOf(req, res)).catch(next);
      });
      app.use(mount + prefix, router);
      return listen(app);
    },
  };

  describe(name, () => {
    for (const scenario of adapterConformance(harness)) test(scenario.name, scenario.run);
  });
}

function exchangeOf(req: Request, res: Response): Exchange {
  const gone = new AbortController();
  res.once('close', () => gone.abort());
  return {
    method: req.method,
    body: async () => (req.readableEnded ? req.body : JSON.parse(await textOf(req))),
    permit: req.headgate!.permit,
    connection: req.socket.remotePort,
    gone: gone.signal,
    head: (status, headers) => void res.writeHead(status, headers),
    write: (text) => res.write(text),
    drained: () => drained(res),
    end: (text) => void res.end(text),
    breakOff: () => void res.destroy(),
  };
}
