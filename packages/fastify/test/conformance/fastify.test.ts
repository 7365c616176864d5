import { PassThrough } from 'node:stream';
import {
  type AdapterHarness,
  adapterConformance,
  type ConformanceHandler,
  type Exchange,
} from '@headgate/core/testing';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { describe, test } from 'vitest';
import { ollamaLimiter } from '../../src/index.js';
import { application, listen } from '../support/fastify-server.js';

type Answering = (request: FastifyRequest, reply: FastifyReply, handler: ConformanceHandler) => Promise<unknown>;

/** Fastify's own parser runs between the two hooks, so the hook decides on which side of it the adapter stands. */
const harnessOf = (answering: Answering): AdapterHarness => ({
  start: ({ limiters, mount, prefix, parser, handler }) => {
    const app = application();
    const hook = parser === 'before' ? 'preHandler' : 'onRequest';
    const scope = async (instance: FastifyInstance): Promise<void> => {
      for (const limiter of limiters) instance.register(ollamaLimiter, { limiter, hook });
      const routes = async (inner: FastifyInstance): Promise<void> => {
        inner.all('/*', (request, reply) => answering(request, reply, handler));
      };
      instance.register(routes, { prefix });
    };
    app.register(scope, { prefix: mount });
    return listen(app);
  },
});

/** A stream that is handed to `reply.send`. */
const sending: Answering = (request, reply, handler) =>
  new Promise((resolve, reject) => {
    const body = new PassThrough();
    let isSent = false;
    const exchange: Exchange = {
      ...factsOf(request, reply),
      head: (status, headers) => {
        isSent = true;
        reply.code(status).headers({ ...headers });
        resolve(status === 204 ? reply.send() : reply.send(body));
      },
      write: (text) => body.write(text),
      drained: () => new Promise((resume) => body.once('drain', resume)),
      end: (text) => void body.end(text),
      breakOff: () => void body.destroy(new Error('broken off, as it should be')),
    };
    handler(exchange).catch((error) => {
      if (isSent) body.destroy(error);
      reject(error);
    });
  });

/** An answer that is taken over from Fastify with `reply.hijack`. */
const hijacking: Answering = async (request, reply, handler) => {
  const { raw } = reply;
  const exchange: Exchange = {
    ...factsOf(request, reply),
    head: (status, headers) => {
      reply.hijack();
      raw.writeHead(status, headers);
    },
    write: (text) => raw.write(text),
    drained: () => new Promise((resume) => raw.once('drain', resume)),
    end: (text) => void raw.end(text),
    breakOff: () => void raw.destroy(),
  };
  try {
    await handler(exchange);
  } catch (error) {
    // Whoever takes an answer over has to end it, too.
    if (reply.sent) raw.destroy();
    throw error;
  }
};

function factsOf(
  request: FastifyRequest,
  reply: FastifyReply,
): Pick<Exchange, 'method' | 'body' | 'permit' | 'connection' | 'gone'> {
  const gone = new AbortController();
  reply.raw.once('close', () => gone.abort());
  return {
    method: request.method,
    body: async () => request.body,
    permit: request.headgate!.permit,
    connection: request.socket.remotePort,
    gone: gone.signal,
  };
}

describe.each([
  ['reply.send of a stream', sending],
  ['reply.hijack', hijacking],
])('Fastify 5, %s', (_name, answering) => {
  for (const scenario of adapterConformance(harnessOf(answering))) test(scenario.name, scenario.run);
});
