/** `limiter.wrap`: a function that calls a model, with the same signature, behind the limiter. */
import type { Decision } from '../decision.js';
import type { AdmitRequest, Usage } from '../model.js';
import { aFunction, checkOptions, needsOption, type OptionKinds, oneOfWords } from '../policy/options.js';
import type { Policy } from '../policy/policy.js';
import { RefusedError } from '../refused-error.js';
import type { Permit } from '../settlement/permit.js';
import { isAsyncIterable, meteredIterable } from './iterable.js';
import { Meter } from './meter.js';
import { lazyStream, meteredStream } from './stream.js';

/** What an LLM wrapper may return. */
export type Wrappable = Promise<unknown> | AsyncIterable<unknown> | ReadableStream<unknown>;

/** What `usage` and `tokens` look at: each item of a stream, or the result where it is none. */
export type Yielded<Result> =
  Result extends Promise<infer Value>
    ? Yielded<Value>
    : Result extends ReadableStream<infer Item>
      ? Item
      : Result extends AsyncIterable<infer Item>
        ? Item
        : Result;

export interface WrapOptions<Args extends readonly unknown[], Result> {
  /** Who asks for what, from the arguments. `signal` lets a call that waits leave the queue. */
  describe(...args: NoInfer<Args>): AdmitRequest & { readonly signal?: AbortSignal | undefined };
  /** What was really used, from the result, or from each item of a stream; the last word counts. */
  usage?(yielded: Yielded<NoInfer<Result>>): Usage | null | undefined;
  /** Output tokens in an item of a stream. Default, also for what is no number: a text by its length, anything else as one. */
  tokens?(item: Yielded<NoInfer<Result>>): number;
  /** Arguments to call with instead: for functions that take a signal, an output cap, or the backend to call. */
  prepare?(permit: Permit, ...args: NoInfer<Args>): [...NoInfer<Args>];
  /** What the function returns at once, where that is no promise. An `async function*` is recognised without it. */
  readonly returns?: 'promise' | 'iterable' | 'stream';
}

const optionKinds: OptionKinds<WrapOptions<never, unknown>> = {
  describe: aFunction,
  usage: aFunction,
  tokens: aFunction,
  prepare: aFunction,
  returns: oneOfWords('promise', 'iterable', 'stream'),
};

export interface WrapLimiter {
  readonly policy: Policy;
  admit(request: AdmitRequest, options: { readonly signal?: AbortSignal | undefined }): Promise<Decision>;
}

const wrapExample =
  'limiter.wrap(fn, { describe: (args) => ({ identity: args.user, model: args.model, input: args.prompt }) })';

export function wrapThrough<Args extends readonly unknown[], Result extends Wrappable>(
  limiter: WrapLimiter,
  fn: (...args: Args) => Result,
  options: WrapOptions<Args, Result>,
): (...args: Args) => Result {
  checkOptions(options, optionKinds, 'limiter.wrap');
  // From JavaScript it may be missing, and nothing but the arguments knows who asks.
  if ((options as Partial<typeof options> | undefined)?.describe === undefined)
    throw needsOption('describe', wrapExample);
  const call = async (args: Args): Promise<unknown> => {
    const { signal, ...request } = options.describe(...args);
    const decision = await limiter.admit(request, { signal });
    if (!decision.admitted) throw new RefusedError(decision.refusal);
    return under(decision.permit, args);
  };

  const under = async (permit: Permit, args: Args): Promise<unknown> => {
    const { onBudgetSpent } = limiter.policy;
    const { usage, tokens } = options as WrapOptions<Args, unknown>;
    const meter = new Meter<unknown>(permit, { usage, tokens, onBudgetSpent });
    let result: unknown;
    try {
      result = await fn(...(options.prepare?.(permit, ...args) ?? args));
      if (result instanceof ReadableStream) return meteredStream(result, meter);
      if (isAsyncIterable(result)) return meteredIterable(result, meter);
    } catch (error) {
      meter.fail();
      throw error;
    }
    meter.whole(result);
    return result;
  };

  const kind = options.returns ?? (isAsyncGenerator(fn) ? 'iterable' : 'promise');
  const wrapped = {
    promise: (...args: Args) => call(args),
    iterable: async function* (...args: Args) {
      return yield* (await call(args)) as AsyncIterable<unknown>;
    },
    stream: (...args: Args) => lazyStream(() => call(args) as Promise<ReadableStream<unknown>>),
  }[kind];
  return wrapped as (...args: Args) => never;
}

function isAsyncGenerator(fn: unknown): boolean {
  return Object.prototype.toString.call(fn) === '[object AsyncGeneratorFunction]';
}
