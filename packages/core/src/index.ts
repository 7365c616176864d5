/** The front door of `@headgate/core`. */
export type { CountTokens } from './admission/estimate.js';
export { estimateTokens } from './admission/estimate.js';
export type { LessonStats } from './admission/lesson-exchange.js';
export { createLimiter } from './create-limiter.js';
export type { AdmittedDecision, Decision, RefusedDecision } from './decision.js';
export type { EventName, LimiterEvents, RequestEvent } from './events.js';
export type {
  AnswerHead,
  AnswerMeter,
  Dialect,
  HttpRefusal,
  JsonObject,
  JsonValue,
  Metered,
  Reading,
  Route,
} from './http/dialect.js';
export { isRefusal } from './http/dialect.js';
export type { Fetch, FetchOptions } from './http/fetch-client.js';
export type { FetchHandler, FetchRequest, HandlerOptions } from './http/fetch-handler.js';
export { Gate } from './http/gate.js';
export { mergeHeaders } from './http/headers.js';
export type {
  BodyOutcome,
  Examined,
  GateLimiter,
  GateOptions,
  GateRequest,
  Opened,
  Passage,
  Recognised,
  Turned,
} from './http/passage.js';
export type { ParsedJson } from './http/strict-json.js';
export { parseStrictJson, parseStrictJsonBytes } from './http/strict-json.js';
export type { TokenVerdict, VerifyToken } from './identity/token.js';
export type { Clock, Timer } from './kernel/clock.js';
export { systemClock } from './kernel/clock.js';
export { HeadgateError } from './kernel/errors.js';
export { Limiter } from './limiter.js';
export type { AdmitOptions, LimiterOptions, LimiterStats, RunOptions } from './limiter-options.js';
export type {
  AdmitRequest,
  Algorithm,
  Backend,
  BackendFailure,
  BackendState,
  Charged,
  Identity,
  Limit,
  LimitState,
  Match,
  Measure,
  Mode,
  Operation,
  Priority,
  PromptParts,
  Reason,
  Refusal,
  Scope,
  ToolResults,
  Usage,
} from './model.js';
export { canonicalModel, isCloudModel, matchesModel, matchesPattern } from './model-name.js';
export { describeLimit } from './policy/describe.js';
export type { ParseOptions, Problem } from './policy/parse.js';
export { PolicyError, parsePolicy } from './policy/parse.js';
export type * from './policy/policy.js';
export type { ProbeBackend, Probed } from './pool/probes.js';
export type { LoadedModel } from './pool/residency.js';
export { inWords, refuse } from './refusal.js';
export { RefusedError } from './refused-error.js';
export type { Run } from './run/run.js';
export type { StartRunOptions } from './run/runs.js';
export { Permit } from './settlement/permit.js';
export { MemoryStore } from './store/memory.js';
export type * from './store/store.js';
export type { WrapOptions } from './wrap/wrap.js';
