/** The AI SDK's models behind a limiter: nothing is decided here. */
import {
  APICallError,
  type LanguageModelV3,
  type LanguageModelV3CallOptions,
  type LanguageModelV3Middleware,
  type LanguageModelV3StreamPart,
  type LanguageModelV3StreamResult,
  type LanguageModelV3Usage,
} from '@ai-sdk/provider';
import { type AdmitRequest, type Identity, type Limiter, type Permit, RefusedError, type Usage } from '@headgate/core';
import { endingWell } from './ending.js';
import { promptTexts } from './prompt.js';

export interface HeadgateMiddlewareOptions {
  /** In whose name calls are made; a call's own `providerOptions.headgate.identity` goes before. Default `anonymous`. */
  readonly identity?: string | Partial<Identity> | ((params: LanguageModelV3CallOptions) => string | Partial<Identity>);
}

/**
 * Middleware for `wrapLanguageModel`: calls wait where the policy says so, ask for no more than the output cap and the budgets hold, and
 * are counted to the end of their streams. A refusal is an `APICallError` that the SDK retries when it was told to wait, and not otherwise.
 */
export function headgateMiddleware(
  limiter: Limiter,
  options: HeadgateMiddlewareOptions = {},
): LanguageModelV3Middleware {
  const facts = (model: LanguageModelV3, stream: boolean) => ({
    describe: (params: LanguageModelV3CallOptions) => ({
      ...identityOf(options, params),
      model: model.modelId,
      stream,
      input: promptTexts(params),
      signal: params.abortSignal,
      ...(params.maxOutputTokens === undefined ? {} : { outputTokensMax: params.maxOutputTokens }),
    }),
    prepare: (permit: Permit, params: LanguageModelV3CallOptions): [LanguageModelV3CallOptions] => [
      prepared(permit, params),
    ],
  });

  return {
    specificationVersion: 'v3',
    async wrapGenerate({ params, model }) {
      const generate = limiter.wrap(async (prepared: LanguageModelV3CallOptions) => model.doGenerate(prepared), {
        ...facts(model, false),
        usage: (result) => usageIn(result.usage),
      });
      return generate(params).catch(asApiError);
    },
    async wrapStream({ params, model }) {
      let about: Omit<LanguageModelV3StreamResult, 'stream'> = {};
      const open = async (prepared: LanguageModelV3CallOptions): Promise<ReadableStream<LanguageModelV3StreamPart>> => {
        const { stream, ...rest } = await model.doStream(prepared);
        about = rest;
        return stream;
      };
      const streamed = limiter.wrap(open, {
        ...facts(model, true),
        usage: (part) => (part.type === 'finish' ? usageIn(part.usage) : undefined),
        tokens: tokensIn,
      });
      const stream = await streamed(params).catch(asApiError);
      return { ...about, stream: stream.pipeThrough(endingWell()) };
    },
  };
}

function identityOf(
  { identity }: HeadgateMiddlewareOptions,
  params: LanguageModelV3CallOptions,
): Pick<AdmitRequest, 'identity'> {
  const own = params.providerOptions?.headgate?.identity;
  if (typeof own === 'string') return { identity: own };
  const given = typeof identity === 'function' ? identity(params) : identity;
  return given === undefined ? {} : { identity: given };
}

function prepared(permit: Permit, params: LanguageModelV3CallOptions): LanguageModelV3CallOptions {
  const outputTokensMax = permit.outputTokensMax();
  const { abortSignal } = params;
  return {
    ...params,
    abortSignal: abortSignal === undefined ? permit.signal : AbortSignal.any([abortSignal, permit.signal]),
    ...(outputTokensMax === Number.POSITIVE_INFINITY ? {} : { maxOutputTokens: Math.max(1, outputTokensMax) }),
  };
}

/** What a provider does not report is unknown, not zero; some report nothing, against what the type says. */
function usageIn(usage: Partial<LanguageModelV3Usage> | null | undefined): Usage {
  const inputTokens = usage?.inputTokens?.total;
  const outputTokens = usage?.outputTokens?.total;
  return {
    ...(inputTokens === undefined ? {} : { inputTokens }),
    ...(outputTokens === undefined ? {} : { outputTokens }),
  };
}

/** Models yield about one token a delta; a longer one counts by its length. */
function tokensIn(part: LanguageModelV3StreamPart): number {
  if (!('delta' in part) || part.delta === '') return 0;
  return part.delta.length <= 24 ? 1 : Math.ceil(part.delta.length / 4);
}

/** A refusal in the SDK's own words. */
function asApiError(error: unknown): never {
  if (!(error instanceof RefusedError)) throw error;
  const { refusal } = error;
  const { retryAfterMs } = refusal;
  throw new APICallError({
    message: refusal.message,
    url: '',
    requestBodyValues: {},
    statusCode: refusal.status,
    isRetryable: retryAfterMs !== undefined,
    ...(retryAfterMs === undefined ? {} : { responseHeaders: { 'retry-after-ms': String(Math.ceil(retryAfterMs)) } }),
    data: refusal,
    cause: error,
  });
}
