import type { CountTokens } from './admission/estimate.js';
import type { LessonStats } from './admission/lesson-exchange.js';
import { eventNames, type LimiterEvents } from './events.js';
import type { Dialect } from './http/dialect.js';
import type { VerifyToken } from './identity/token.js';
import type { Clock } from './kernel/clock.js';
import { Events } from './kernel/events.js';
import type { Random } from './kernel/random.js';
import type { Signal } from './kernel/signal.js';
import type { Backend, QueueStats, Usage } from './model.js';
import { checkListener } from './policy/options.js';
import type { ProbeBackend } from './pool/probes.js';
import type { Store } from './store/store.js';

export interface LimiterOptions {
  /** Default: memory. One that answers later, such as `redisStore`, is guarded: see `store` in the policy. Closed with the limiter. */
  readonly store?: Store;
  /** Default: an estimate by classes of characters. Must be linear in the length of its text. */
  readonly countTokens?: CountTokens;
  readonly clock?: Clock;
  readonly random?: Random;
  /**
   * Asks one backend whether it is well, every `pool.health.every` until the limiter is closed. Without it backends are
   * judged by the answers that permits report.
   */
  readonly probe?: ProbeBackend;
  /** The wire formats that `handler` and `fetch` speak, such as those of `@headgate/dialects`. Adapters bring their own. */
  readonly dialects?: readonly Dialect[];
  /** Checks JSON web tokens, for policies that identify by them: `jwtVerifier()` of `@headgate/jwt`. Adapters bring it. */
  readonly verifyToken?: VerifyToken;
  /** Sends the policy's alerts to their webhooks; default: the runtime's own. */
  readonly fetch?: typeof fetch;
}

export interface AdmitOptions {
  /** Aborts when the caller has gone: a waiting request leaves the queue and `admit` rejects with the signal's reason. */
  readonly signal?: Signal | undefined;
}

export interface RunOptions<Result> extends AdmitOptions {
  /** Finds what was really used in the result; nothing is nothing reported. What it throws rejects the call, once the permit is settled. */
  readonly usage?: (result: Result) => Usage | null | undefined;
}

export interface LimiterStats {
  /** Permits granted and not ended. */
  readonly inFlight: number;
  /** Everyone who waits, for a slot or for a turn. */
  readonly waiting: number;
  readonly queue: QueueStats;
  /** Charges not ended, of requests in flight or waiting; one request may have several: its slots and its cover are each their own. */
  readonly open: number;
  /** Tokens of all requests since the start. Output counts as it streams; both are put right once what was used is known. */
  readonly tokens: { readonly input: number; readonly output: number };
  /** Counters kept. */
  readonly keys: number;
  readonly backends: readonly Backend[];
  /** What answers taught, exchanged with other processes; undefined where the store has no such thing. */
  readonly lessons: LessonStats | undefined;
}

/** Nobody waits in silence for an event that does not exist. */
export function limiterEvents(): Events<LimiterEvents> {
  return new Events((name, listener) => checkListener(name, listener, Object.keys(eventNames)));
}
