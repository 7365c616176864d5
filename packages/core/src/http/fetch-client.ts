/** `limiter.fetch`: the gate around the `fetch` of any SDK that takes one. */
import { eitherAbortSignal } from '../kernel/signal.js';
import { aDialectList, checkOptions, type OptionKinds } from '../policy/options.js';
import { applicationGate, dialectsOf, type HttpLimiter, type Identification } from './adapter.js';
import type { Dialect } from './dialect.js';
import { answerThrough, refusalResponse } from './fetch-answer.js';
import { headersFor, targetOf } from './fetch-request.js';
import { meaningOf } from './meaning.js';
import type { BodyOutcome, GateRequest } from './passage.js';

export type Fetch = (input: string | URL | Request, init?: RequestInit) => Promise<Response>;

export interface FetchOptions {
  /** In whose name requests are made. Default `anonymous`. */
  readonly identity?: Identification | ((request: Request) => Identification | Promise<Identification>);
  /** Default: those of the limiter. */
  readonly dialects?: readonly Dialect[];
}

const optionKinds: OptionKinds<FetchOptions> = {
  identity: {
    words: 'a name, `{ id, tier, weight, priority }` or a function',
    fits: (value) => ['string', 'object', 'function'].includes(typeof value),
  },
  dialects: aDialectList,
};

/**
 * A `fetch` whose requests are limited and whose answers are counted to their end. Over a limit it resolves to the refusal,
 * worded as the API that was called words its own, so that an SDK reports it and waits as it was told.
 */
export function fetchThrough(limiter: HttpLimiter, fetch: Fetch, options: FetchOptions = {}): Fetch {
  checkOptions(options, optionKinds, 'limiter.fetch');
  const dialects = dialectsOf(limiter, options.dialects, 'limiter.fetch');
  const gate = applicationGate(limiter, dialects);

  return async (input, init) => {
    // Made only to be read: what is sent on keeps every option of `init`, also those that a `Request` would forget.
    const request = new Request(input, withDuplex(init));
    const { method, signal } = request;
    const outcome = await gate.open(factsOf(request, init, dialects), await identityOf(options, request));
    if (!outcome.open) return refusalResponse(outcome, method);
    const { passage } = outcome;
    const send = (): Promise<Response> => {
      const stopping = eitherAbortSignal(signal, passage.permit.signal);
      if (passage.body === undefined) return sendUnread(fetch, input, init, request, stopping);
      return fetch(input, { ...init, body: passage.body, headers: headersFor(request.headers), signal: stopping });
    };
    const response = await answerThrough(passage, send, { method, signal, policy: limiter.policy, decoded: true });
    return Object.defineProperty(response, 'url', { value: request.url, configurable: true });
  };
}

function identityOf({ identity }: FetchOptions, request: Request): Identification | Promise<Identification> {
  return (typeof identity === 'function' ? identity(request) : identity) ?? 'anonymous';
}

/** An API may lie below any path of its server, so whatever part of the path a dialect knows is taken. */
function factsOf(request: Request, init: RequestInit | undefined, dialects: readonly Dialect[]): GateRequest {
  const { method, signal } = request;
  const target = targetOf(request.url);
  return {
    ...meaningOf({ method, target }, request.body !== null, { mount: '*' }, dialects),
    headers: Object.fromEntries(request.headers),
    remoteAddress: '',
    signal,
    readBody: (bytesMax) => readBody(request, init?.body, bytesMax),
  };
}

async function readBody(request: Request, given: unknown, bytesMax: number): Promise<BodyOutcome> {
  const bytes =
    typeof given === 'string' ? new TextEncoder().encode(given) : new Uint8Array(await request.arrayBuffer());
  return bytes.length > bytesMax ? { ok: false, reason: 'too-large' } : { ok: true, bytes };
}

/** A body that can be read only once is in `request` now; every other is still where it was. */
function sendUnread(
  fetch: Fetch,
  input: string | URL | Request,
  init: RequestInit | undefined,
  request: Request,
  signal: AbortSignal,
): Promise<Response> {
  const isSpent = request.body !== null && (init?.body instanceof ReadableStream || input instanceof Request);
  if (!isSpent) return fetch(input, { ...init, signal });
  const { body: _, ...rest } = init ?? {};
  return fetch(request, { ...rest, signal });
}

function withDuplex(init: RequestInit | undefined): RequestInit {
  return { ...init, duplex: 'half' } as RequestInit;
}
