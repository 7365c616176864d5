/** The suite's handler on top of `Request` and `Response`. */

import type { Permit } from '../../src/index.js';
import type { ConformanceHandler, Exchange } from '../../src/testing/index.js';

export interface FetchFacts {
  readonly method: string;
  body(): Promise<unknown>;
  readonly permit: Permit;
  readonly connection: unknown;
  readonly signal: AbortSignal;
  readonly respond?: (body: ReadableStream<Uint8Array> | null, init: ResponseInit) => Response;
}

/** Runs the handler; resolves with its answer once there is a head. */
export function exchangeThrough(handler: ConformanceHandler, facts: FetchFacts): Promise<Response> {
  const { respond = (body, init) => new Response(body, init) } = facts;
  return new Promise((resolve, reject) => {
    const gone = new AbortController();
    let controller: ReadableStreamDefaultController<Uint8Array> | undefined;
    let drain = (): void => {};
    const body = new ReadableStream<Uint8Array>(
      {
        start: (its) => {
          controller = its;
        },
        pull: () => drain(),
        cancel: () => gone.abort(),
      },
      { highWaterMark: 1 },
    );
    facts.signal.addEventListener('abort', () => gone.abort(), { once: true });
    const isFull = (): boolean => (controller!.desiredSize ?? 0) <= 0;
    const push = (text: string): void => controller!.enqueue(new TextEncoder().encode(text));
    const exchange: Exchange = {
      method: facts.method,
      body: facts.body,
      permit: facts.permit,
      connection: facts.connection,
      gone: gone.signal,
      head: (status, headers) =>
        resolve(respond(status === 204 || facts.method === 'HEAD' ? null : body, { status, headers: { ...headers } })),
      write: (text) => {
        push(text);
        return !isFull();
      },
      drained: () =>
        new Promise((resume) => {
          drain = resume;
          if (!isFull()) resume();
        }),
      end: (text) => {
        if (text !== undefined) push(text);
        controller!.close();
      },
      breakOff: () => controller!.error(new Error('broken off, as it should be')),
    };
    handler(exchange).catch((error) => {
      controller!.error(error);
      reject(error);
    });
  });
}
