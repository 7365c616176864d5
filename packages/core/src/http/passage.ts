/** What goes into the gate and what comes out of it: the facts of a request, and the passage it is given or the answer it is turned away with. */
import type { Decision } from '../decision.js';
import type { HeaderRecord } from '../identity/identify.js';
import type { VerifyToken } from '../identity/token.js';
import type { Clock } from '../kernel/clock.js';
import type { Random } from '../kernel/random.js';
import type { Signal } from '../kernel/signal.js';
import type { AdmitRequest, Identity, Refusal } from '../model.js';
import type { Policy } from '../policy/policy.js';
import type { Permit } from '../settlement/permit.js';
import type { AnswerHead, AnswerMeter, Dialect, Reading, Route } from './dialect.js';
import type { Headers } from './headers.js';
import type { RequestMeaning } from './known-path.js';

export type BodyOutcome =
  | { readonly ok: true; readonly bytes: Uint8Array }
  /** Parsed before by somebody else, such as a body parser. */
  | { readonly ok: true; readonly value: unknown }
  | { readonly ok: false; readonly reason: BodyProblem };
export type BodyProblem = 'too-large' | 'timeout' | 'aborted' | 'malformed';

export interface GateRequest {
  readonly method: string;
  /** As in the request line, or the original URL where a framework rewrote it. */
  readonly target: string;
  /** What it means where its body is no prompt; see `meaningOf`. */
  readonly otherwise?: RequestMeaning;
  readonly headers: HeaderRecord;
  readonly remoteAddress: string;
  /** What the adapter found wrong with the head of the request; it is refused with this, in the dialect of its path. */
  readonly problem?: Refusal;
  /** Reads the whole body; called at most once, after the caller is known and the path is one. */
  readBody(bytesMax: number): Promise<BodyOutcome>;
  /** Aborts when the client has gone. */
  readonly signal: Signal;
}

/** What the gate asks of a limiter. */
export interface GateLimiter {
  readonly policy: Policy;
  readonly clock: Clock;
  /** Checks JSON web tokens, where the policy identifies by them. */
  readonly verifyToken: VerifyToken | undefined;
  identity(given: string | Partial<Identity> | undefined): Identity;
  /** Counts a credential that is wrong; the refusal for who tries too often. */
  countFailure(request: AdmitRequest): Promise<Refusal | undefined>;
  /** Why the request would be refused whenever it came. */
  refusesForGood(request: AdmitRequest): Refusal | undefined;
  admit(request: AdmitRequest, options: { readonly signal: Signal }): Promise<Decision>;
}

export interface GateOptions {
  readonly limiter: GateLimiter;
  readonly dialects: readonly Dialect[];
  /** What a path means that no dialect has: refused (a gateway), or passed with operation `other` (in front of an application). */
  readonly otherPaths: 'refuse' | 'pass';
  readonly random?: Random;
}

/** The request may go on. End the permit exactly once. */
export interface Opened {
  readonly open: true;
  readonly passage: Passage;
}

/** Who sends a request, before anything of it is decided. */
export interface Recognised {
  readonly open: true;
  readonly about: About;
  readonly identity: Identity;
  /** The path without a key that stood in it. */
  readonly path: string;
  /** The answer to this request with a refusal, in the dialect of its path. */
  turn(refusal: Refusal): Turned;
}

/** A request that may pass, now or later. */
export interface Examined {
  readonly open: true;
  readonly about: About;
}

/** The request may not go on: answer this. */
export interface Turned {
  readonly open: false;
  readonly requestId: string;
  readonly refusal: Refusal;
  readonly status: number;
  readonly headers: Headers;
  readonly body: string;
  readonly about: About;
}

/** What is known of a request, for logs and metrics; grows as the request goes on. */
export interface About {
  readonly requestId: string;
  readonly path: string;
  readonly dialect: string;
  readonly address: string;
  readonly identity?: Identity;
  readonly operation?: string;
  readonly model?: string;
}

export interface Passage {
  readonly about: About;
  readonly permit: Permit;
  readonly dialect: Dialect;
  readonly route: Route;
  readonly reading: Reading | undefined;
  /** What to send to the backend: our own serialisation, the output cap written in. Undefined where the body is not ours to read. */
  readonly body: string | undefined;
  /** A body that had to be read to see that it is no prompt, as it was sent: to be put back. */
  readonly unasked?: Uint8Array | undefined;
  /** For the answer: where the limits stand, and the request's id. */
  readonly headers: Headers;
  meter(head: AnswerHead): AnswerMeter;
  /** A refusal that comes up after admission (the backend failed), in the request's dialect. */
  turn(refusal: Refusal): Turned;
  mayUseModel(modelCanonical: string): boolean;
}
