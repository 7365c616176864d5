/** The ways to use a decision without handling it: around a function, a handler, a `fetch`. All of them ask `admit`. */
import type { Decision } from './decision.js';
import type { HttpLimiter } from './http/adapter.js';
import type { Dialect } from './http/dialect.js';
import { type Fetch, type FetchOptions, fetchThrough } from './http/fetch-client.js';
import { type FetchHandler, type HandlerOptions, handlerThrough } from './http/fetch-handler.js';
import type { VerifyToken } from './identity/token.js';
import type { Clock } from './kernel/clock.js';
import type { AdmitOptions, LimiterOptions, RunOptions } from './limiter-options.js';
import type { AdmitRequest, Identity, Refusal } from './model.js';
import type { Policy } from './policy/policy.js';
import { RefusedError } from './refused-error.js';
import type { Permit } from './settlement/permit.js';
import { underPermit } from './wrap/under-permit.js';
import { type WrapOptions, type Wrappable, wrapThrough } from './wrap/wrap.js';

export abstract class Doors implements HttpLimiter {
  abstract readonly policy: Policy;
  abstract readonly clock: Clock;
  /** The wire formats that it was told to speak. */
  readonly dialects: readonly Dialect[] | undefined;
  readonly verifyToken: VerifyToken | undefined;

  constructor({ dialects, verifyToken }: Pick<LimiterOptions, 'dialects' | 'verifyToken'>) {
    this.dialects = dialects;
    this.verifyToken = verifyToken;
  }

  abstract identity(given: string | Partial<Identity> | undefined): Identity;
  abstract refusesForGood(request: AdmitRequest): Refusal | undefined;
  abstract countFailure(request: AdmitRequest): Promise<Refusal | undefined>;
  abstract admit(request: AdmitRequest, options?: AdmitOptions): Promise<Decision>;

  /**
   * Runs the function with a permit and settles when it is done. What the function throws is passed on; what was metered
   * until then is charged.
   * @throws RefusedError when the request is refused
   */
  async run<Result>(
    request: AdmitRequest,
    work: (permit: Permit) => Result | Promise<Result>,
    options: RunOptions<Result> = {},
  ): Promise<Result> {
    const decision = await this.admit(request, options);
    if (!decision.admitted) throw new RefusedError(decision.refusal);
    return underPermit(decision.permit, work, options.usage);
  }

  /**
   * Your own function that calls a model, with the same signature, behind this limiter. Promises, async iterables and
   * `ReadableStream`s are counted to their end, also where their reader stops early; what the function throws is passed on.
   * The wrapped function throws, or its stream fails with, `RefusedError` when a request is refused.
   */
  wrap<Args extends readonly unknown[], Result extends Wrappable>(
    fn: (...args: Args) => Result,
    options: WrapOptions<Args, Result>,
  ): (...args: Args) => Result {
    return wrapThrough(this, fn, options);
  }

  /**
   * Any `(Request) => Response` behind this limiter. What is let through has its permit at `request.headgate`.
   * @throws HeadgateError `HG_NO_DIALECTS` when neither the limiter nor the options name any
   */
  handler<Rest extends readonly unknown[] = []>(
    handler: FetchHandler<Rest>,
    options?: HandlerOptions<Rest>,
  ): (request: Request, ...rest: Rest) => Promise<Response> {
    return handlerThrough(this, handler, options);
  }

  /**
   * A `fetch` for SDKs, such as `new OpenAI({ fetch: limiter.fetch(fetch, { identity: 'batch' }) })`: limited, and its answers
   * counted to their end. Over a limit it resolves to the refusal as the API that was called would word it.
   * @throws HeadgateError `HG_NO_DIALECTS` when neither the limiter nor the options name any
   */
  fetch(fetch: Fetch, options?: FetchOptions): Fetch {
    return fetchThrough(this, fetch, options);
  }
}
