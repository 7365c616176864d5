/** Koa and the gate, introduced to each other: nothing is decided here. */
import {
  createLimiter,
  type Dialect,
  type Identity,
  type Limiter,
  type LimiterOptions,
  type Refusal,
} from '@headgate/core';
import { adapterParts, callbackKinds, type Headgate, type Place } from '@headgate/core/http';
import { breakOff, NodeGate, writeRefusalBody, writeRefusalHead } from '@headgate/core/node';
import { defaultDialects } from '@headgate/dialects';
import { jwtVerifier } from '@headgate/jwt';
import type { Context, Next } from 'koa';

/** For `new Koa<HeadgateState>()`. */
export interface HeadgateState {
  /** Set by `ollamaLimiter` on every request it admitted. */
  headgate?: Headgate;
}

export interface AdapterOptions {
  /** Who is asking, where the application knows better than the policy; undefined leaves it to the policy. */
  identify?(ctx: Context): string | Partial<Identity> | undefined | Promise<string | Partial<Identity> | undefined>;
  /** Requests that are no business of the limiter. */
  skip?(ctx: Context): boolean | Promise<boolean>;
  /** Called before a refusal is written, with its status and headers set. May set a body of its own. */
  onRefused?(refusal: Refusal, ctx: Context): unknown;
}

export interface OllamaLimiterOptions extends AdapterOptions, LimiterOptions {
  /** Default: Ollama's, OpenAI's and Anthropic's. */
  readonly dialects?: readonly Dialect[];
}

export interface OllamaLimiter {
  (ctx: Context, next: Next): Promise<void>;
  /** For its events, stats, reload and close. */
  readonly limiter: Limiter;
}

/**
 * Middleware that holds the requests of LLM clients to a policy. Works before and after a body parser, on an application,
 * a router or below a path.
 * @param policyOrLimiter a policy, in which the adapter's own options may stand too, or a limiter made before
 * @throws PolicyError naming every wrong key of the policy
 * @throws HeadgateError `HG_OPTIONS` for an option that does not exist, or that does nothing beside a limiter made before
 */
export function ollamaLimiter<Rules extends object>(
  policyOrLimiter: (Rules & AdapterOptions) | Limiter,
  options: OllamaLimiterOptions = {},
): OllamaLimiter {
  const { limiter, own } = adapterParts<Limiter, AdapterOptions>(policyOrLimiter, options, {
    kinds: callbackKinds,
    make: (policy, others) => createLimiter(policy, { verifyToken: jwtVerifier(), ...others }),
  });
  const gate = new NodeGate(limiter, options.dialects ?? limiter.dialects ?? defaultDialects);

  const middleware = async (ctx: Context, next: Next): Promise<void> => {
    if (await own.skip?.(ctx)) return next();
    takeParsed(ctx as ParsedContext);
    const outcome = await gate.open(ctx.req, ctx.res, { ...placeOf(ctx), identify: () => own.identify?.(ctx) });
    if (outcome?.open) {
      ctx.state.headgate = gate.admit(ctx.req, ctx.res, outcome.passage);
      gate.askPlain(ctx.req, outcome.passage);
      putParsed(ctx as ParsedContext, outcome.passage.body);
      return breakingOff(ctx, next);
    }
    if (outcome !== undefined) {
      ctx.status = outcome.status;
      writeRefusalHead(ctx.res, outcome);
      await own.onRefused?.(outcome.refusal, ctx);
      if (ctx.body !== undefined && ctx.body !== null) return;
      writeRefusalBody(ctx.res, outcome, limiter.clock);
    }
    ctx.respond = false;
  };
  return Object.assign(middleware, { limiter });
}

/** Where a body parser has run before, the body is where Koa's keep it; the gate looks for it where Node's do. */
function takeParsed({ req, request }: ParsedContext): void {
  if (request.body !== undefined && req.body === undefined) req.body = request.body;
}

function putParsed({ req, request }: ParsedContext, text: string | undefined): void {
  if (request.body === undefined || text === undefined) return;
  request.body = req.body;
  if (typeof request.rawBody === 'string') request.rawBody = text;
}

interface ParsedContext {
  readonly req: object & { body?: unknown };
  readonly request: object & { body?: unknown; rawBody?: unknown };
}

/** Below a mount the path's beginning was cut off; within a router it is not, and may be of any length. */
function placeOf({ originalUrl, url, _matchedRoute: matched, newRouterPath }: Context): Place {
  const cut = originalUrl.endsWith(url) ? originalUrl.slice(0, originalUrl.length - url.length) : '';
  return {
    mount: matched === undefined ? cut : '*',
    below: url,
    routed: typeof newRouterPath === 'string' ? [newRouterPath] : [],
    pattern: typeof matched === 'string' ? matched : undefined,
  };
}

/** An answer that fails after its head must not look whole, nor stay open for ever, as Koa by itself would leave it. */
async function breakingOff(ctx: Context, next: Next): Promise<void> {
  const fail = (): void => {
    if (ctx.res.headersSent && !ctx.res.writableEnded) breakOff(ctx.res);
  };
  try {
    await next();
  } catch (error) {
    fail();
    throw error;
  }
  if (isEmitter(ctx.body)) ctx.body.once('error', fail);
}

function isEmitter(body: unknown): body is { once(event: 'error', listener: () => void): unknown } {
  return typeof (body as { once?: unknown } | null | undefined)?.once === 'function';
}
