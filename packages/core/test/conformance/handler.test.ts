import { defaultDialects } from '@headgate/dialects';
import { describe, test } from 'vitest';
import type { FetchRequest, Limiter } from '../../src/index.js';
import { type AdapterHarness, adapterConformance } from '../../src/testing/index.js';
import { exchangeThrough } from '../support/fetch-exchange.js';
import { serveFetch } from '../support/fetch-server.js';

type Peer = { readonly address: string; readonly port: number };
type Handler = (request: FetchRequest, peer: Peer) => Response | Promise<Response>;

const harness: AdapterHarness = {
  start: ({ limiters, mount, parser, handler }) => {
    const last: Handler = async (request, { port }) => {
      const parsed = parser === 'after' ? await request.json() : undefined;
      return exchangeThrough(handler, {
        method: request.method,
        body: async () => parsed ?? request.json(),
        permit: request.headgate!.permit,
        connection: port,
        signal: request.signal,
      });
    };
    const through = (inner: Handler, limiter: Limiter): Handler =>
      limiter.handler(inner, { dialects: defaultDialects, mount, address: (_request, peer) => peer.address });
    const limited = [...limiters].reverse().reduce(through, last);
    // A parser before would have to make a new request of what it parsed, since there is no place to leave it.
    const parsing: Handler = async (request, peer) =>
      limited(new Request(request, { body: JSON.stringify(await request.json()) }), peer);
    return serveFetch(parser === 'before' ? parsing : limited);
  },
};

describe('limiter.handler', () => {
  for (const scenario of adapterConformance(harness)) test(scenario.name, scenario.run);
});
