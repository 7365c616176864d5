/** Express and the gate, introduced to each other: nothing is decided here. */
import {
  createLimiter,
  type Dialect,
  type Identity,
  type Limiter,
  type LimiterOptions,
  type Refusal,
} from '@headgate/core';
import { adapterParts, callbackKinds, type Headgate, type Place } from '@headgate/core/http';
import { NodeGate, writeRefusalBody, writeRefusalHead } from '@headgate/core/node';
import { defaultDialects } from '@headgate/dialects';
import { jwtVerifier } from '@headgate/jwt';
import type { NextFunction, Request, Response } from 'express';

declare global {
  namespace Express {
    interface Request {
      /** Set by `ollamaLimiter` on every request it admitted. */
      headgate?: Headgate;
    }
  }
}

export interface AdapterOptions {
  /** Who is asking, where the application knows better than the policy; undefined leaves it to the policy. */
  identify?(req: Request): string | Partial<Identity> | undefined | Promise<string | Partial<Identity> | undefined>;
  /** Requests that are no business of the limiter. */
  skip?(req: Request): boolean | Promise<boolean>;
  /** Called before a refusal is written, with its status and headers set. May answer itself; if it does not, the refusal is. */
  onRefused?(refusal: Refusal, req: Request, res: Response): unknown;
}

export interface OllamaLimiterOptions extends AdapterOptions, LimiterOptions {
  /** Default: Ollama's, OpenAI's and Anthropic's. */
  readonly dialects?: readonly Dialect[];
}

export interface OllamaLimiter {
  (req: Request, res: Response, next: NextFunction): void;
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

  const serve = async (req: Request, res: Response, next: NextFunction): Promise<void> => {
    if (await own.skip?.(req)) return next();
    const outcome = await gate.open(req, res, { ...placeOf(req), identify: () => own.identify?.(req) });
    if (outcome === undefined) return;
    if (outcome.open) {
      req.headgate = gate.admit(req, res, outcome.passage);
      return next();
    }
    writeRefusalHead(res, outcome);
    await own.onRefused?.(outcome.refusal, req, res);
    writeRefusalBody(res, outcome, limiter.clock);
  };

  const middleware = (req: Request, res: Response, next: NextFunction): void => {
    serve(req, res, next).catch(next);
  };
  return Object.assign(middleware, { limiter });
}

/** On a route of its own the path may begin with anything; `url` is what is left below a mount, or what others made of it. */
function placeOf({ route, baseUrl, url }: Request): Place {
  return { mount: route === undefined ? baseUrl : '*', below: url };
}
