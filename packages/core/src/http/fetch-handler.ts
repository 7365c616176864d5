/** `limiter.handler`: any `(Request) => Response` behind the gate. */
import type { Refusal } from '../model.js';
import { aDialectList, aFunction, aText, callbackKinds, checkOptions, type OptionKinds } from '../policy/options.js';
import { applicationGate, dialectsOf, type HttpLimiter, type Identification } from './adapter.js';
import type { Dialect } from './dialect.js';
import { answerThrough, refusalResponse } from './fetch-answer.js';
import { fetchGateRequest, withBody } from './fetch-request.js';
import { type Headgate, headersOf, headgateOf } from './headgate.js';
import type { Passage, Turned } from './passage.js';

/** A request that was let through. */
export interface FetchRequest extends Request {
  readonly headgate?: Headgate;
}

/** What a runtime hands on beside the request: bindings, a context, the connection. */
export type FetchHandler<Rest extends readonly unknown[]> = (
  request: FetchRequest,
  ...rest: Rest
) => Response | Promise<Response>;

export interface HandlerOptions<Rest extends readonly unknown[] = readonly unknown[]> {
  /** Who is asking, where the application knows better than the policy. */
  identify?(request: Request, ...rest: Rest): Identification | Promise<Identification>;
  /** Requests that are no business of the limiter. */
  skip?(request: Request, ...rest: Rest): boolean | Promise<boolean>;
  /** May answer a refusal itself, or change the answer that it is given. */
  onRefused?(refusal: Refusal, response: Response, request: Request): Response | Promise<Response> | undefined;
  /** The client's address, which a `Request` does not know. Without it all clients are one address. */
  address?(request: Request, ...rest: Rest): string | undefined;
  /** The path below which the handler serves, such as `/ai` or `/ai/:team`. */
  readonly mount?: string;
  /** Default: those of the limiter. */
  readonly dialects?: readonly Dialect[];
}

const optionKinds: OptionKinds<HandlerOptions> = {
  ...callbackKinds,
  address: aFunction,
  mount: aText,
  dialects: aDialectList,
};

export function handlerThrough<Rest extends readonly unknown[]>(
  limiter: HttpLimiter,
  handler: FetchHandler<Rest>,
  options: HandlerOptions<Rest> = {},
): (request: Request, ...rest: Rest) => Promise<Response> {
  checkOptions(options, optionKinds, 'limiter.handler');
  const dialects = dialectsOf(limiter, options.dialects, 'limiter.handler');
  const gate = applicationGate(limiter, dialects);
  const { clock, policy } = limiter;

  return async (request, ...rest) => {
    if (await options.skip?.(request, ...rest)) return handler(request, ...rest);
    const facts = fetchGateRequest(request, {
      clock,
      bodyTimeoutMs: policy.client.bodyMs,
      dialects,
      mount: options.mount,
      address: options.address?.(request, ...rest),
    });
    const outcome = await gate.open(facts, await options.identify?.(request, ...rest));
    if (!outcome.open) return refused(outcome, request, options);
    const { passage } = outcome;
    const { method, signal } = request;
    return answerThrough(passage, () => handler(admitted(request, passage), ...rest), {
      method,
      signal,
      policy,
      headers: headersOf(passage),
    });
  };
}

async function refused<Rest extends readonly unknown[]>(
  turned: Turned,
  request: Request,
  options: HandlerOptions<Rest>,
): Promise<Response> {
  const response = refusalResponse(turned, request.method);
  return (await options.onRefused?.(turned.refusal, response, request)) ?? response;
}

function admitted(request: Request, passage: Passage): FetchRequest {
  return Object.defineProperty(checkedOf(request, passage), 'headgate', {
    value: headgateOf(passage),
    configurable: true,
  });
}

function checkedOf(request: Request, { body, unasked }: Passage): Request {
  if (body !== undefined) return withBody(request, body);
  return unasked === undefined ? request : new Request(request, { body: unasked as Uint8Array<ArrayBuffer> });
}
