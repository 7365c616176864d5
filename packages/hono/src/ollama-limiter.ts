/** Hono and the gate, introduced to each other: nothing is decided here. */
import {
  createLimiter,
  type Dialect,
  type Identity,
  type Limiter,
  type LimiterOptions,
  type Refusal,
} from '@headgate/core';
import {
  adapterParts,
  aFunction,
  callbackKinds,
  type Headgate,
  mountOf,
  type Place,
  targetOf,
} from '@headgate/core/http';
import { defaultDialects } from '@headgate/dialects';
import { jwtVerifier } from '@headgate/jwt';
import type { Context, MiddlewareHandler } from 'hono';
import { FetchWay } from './fetch-way.js';
import { NodeWay, nodeBindings } from './node-way.js';

declare module 'hono' {
  interface ContextVariableMap {
    /** Set by `ollamaLimiter` on every request it admitted. */
    headgate: Headgate | undefined;
  }
}

export interface AdapterOptions {
  /** Who is asking, where the application knows better than the policy; undefined leaves it to the policy. */
  identify?(c: Context): string | Partial<Identity> | undefined | Promise<string | Partial<Identity> | undefined>;
  /** Requests that are no business of the limiter. */
  skip?(c: Context): boolean | Promise<boolean>;
  /** May answer a refusal itself, or change the answer that it is given. */
  onRefused?(refusal: Refusal, response: Response, c: Context): Response | undefined | Promise<Response | undefined>;
  /** The client's address, on runtimes other than Node: `(c) => getConnInfo(c).remote.address`, from Hono's adapter for yours. */
  address?(c: Context): string | undefined;
}

export interface OllamaLimiterOptions extends AdapterOptions, LimiterOptions {
  /** Default: Ollama's, OpenAI's and Anthropic's. */
  readonly dialects?: readonly Dialect[];
}

export interface OllamaLimiter extends MiddlewareHandler<{ Variables: { headgate: Headgate | undefined } }> {
  /** For its events, stats, reload and close. */
  readonly limiter: Limiter;
}

/**
 * Middleware that holds the requests of LLM clients to a policy: `app.use('*', ollamaLimiter({ requests: '60/min' }))`.
 * @param policyOrLimiter a policy, in which the adapter's own options may stand too, or a limiter made before
 * @throws PolicyError naming every wrong key of the policy
 * @throws HeadgateError `HG_OPTIONS` for an option that does not exist, or that does nothing beside a limiter made before
 */
export function ollamaLimiter<Rules extends object>(
  policyOrLimiter: (Rules & AdapterOptions) | Limiter,
  options: OllamaLimiterOptions = {},
): OllamaLimiter {
  const { limiter, own } = adapterParts<Limiter, AdapterOptions>(policyOrLimiter, options, {
    kinds: { ...callbackKinds, address: aFunction },
    make: (policy, others) => createLimiter(policy, { verifyToken: jwtVerifier(), ...others }),
  });
  const dialects = options.dialects ?? limiter.dialects ?? defaultDialects;
  const [onNode, onFetch] = [new NodeWay(limiter, dialects), new FetchWay(limiter, dialects)];

  const middleware: MiddlewareHandler = async (c, next) => {
    if (await own.skip?.(c)) return next();
    const bindings = nodeBindings(c);
    const ask = { ...placeOf(c), identify: () => own.identify?.(c) };
    const turned =
      bindings === undefined
        ? await onFetch.pass(c, next, { ...ask, address: own.address?.(c) })
        : await onNode.pass(c, next, ask, bindings);
    if (turned === undefined) return;
    return (await own.onRefused?.(turned.refusal, turned.response, c)) ?? turned.response;
  };
  return Object.assign(middleware, { limiter });
}

/**
 * Below the pattern that the limiter is used on. Asked of the request itself: `hono/route` knows requests of its own build of Hono
 * only, and an application that requires Hono has the other one.
 */
function placeOf({ req }: Context): Place {
  const own = mountOf(req.matchedRoutes[req.routeIndex]?.path ?? '');
  return { mount: own, routed: [targetOf(req.url), req.path] };
}
