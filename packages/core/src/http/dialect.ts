/**
 * The port every wire format implements. A dialect knows paths, bodies and streams of one API; it knows no limits,
 * no identities and no sockets, so a gate, an adapter or a test can use it alone.
 *
 * Contract
 *  1. `route` sees the percent-decoded path without the query; it is exact and case-sensitive, and its paths have at most
 *     `pathSegmentsMax` segments.
 *  2. `read` gets a body that was parsed strictly; it refuses what the backend could read differently.
 *  3. What `Reading.forward` returns is a new serialisation of what was checked, never the client's bytes.
 *  4. A meter passes bytes through unchanged, by reference where it can, and never waits: what it was pushed it returns,
 *     an incomplete event it must inspect before passing on excepted.
 *  5. Nothing here throws for what a client or a backend sent.
 */
import type { Operation, Refusal, ToolResults, Usage } from '../model.js';
import type { GuardRules } from '../policy/policy.js';

/** Longest path of a dialect, segments. Below prefixes of any length it is looked for at the end of a path, in so many of them. */
export const pathSegmentsMax = 16;

export type JsonValue = null | boolean | number | string | JsonValue[] | JsonObject;
export interface JsonObject {
  [key: string]: JsonValue;
}

export interface Route {
  readonly operation: Operation;
  /** Decoded path, as the backend will see it. */
  readonly path: string;
  readonly method: string;
  /** The dialect's own word for what is asked, such as `chat`, `responses`, `tags`. */
  readonly kind: string;
  /** `json` bodies are read and checked; `opaque` ones pass unread; `none` have no body. */
  readonly body: 'json' | 'opaque' | 'none';
  /** A model named in the path itself (`/v1/models/:model`), as sent. */
  readonly model?: string;
}

/** What one request asks, in the words of the limiter. */
export interface Reading {
  /** The route's operation, or `admin` when the body makes it one (loading and unloading a model). */
  readonly operation: Operation;
  /** As sent; the answer echoes it. Empty when the operation names none. */
  readonly model: string;
  /** Lower case, default registry, namespace and tag removed: `llama3.2`, `llama3.1:8b`. What limits and routing compare. */
  readonly modelCanonical: string;
  readonly stream: boolean;
  /** All text that becomes prompt tokens: system, messages, tools, suffix, embedding inputs. */
  readonly texts: readonly string[];
  /** Messages that the chat template will make, for its overhead; 0 where there is no template. */
  readonly messages: number;
  readonly images: number;
  /** Prompt tokens already counted by the backend (`context` of `/api/generate`, token arrays). */
  readonly inputTokensKnown: number;
  /** The largest output cap declared in any spelling, times the number of choices; absent means unlimited. */
  readonly outputTokensMax?: number;
  /** Choices asked for (`n`); 1 unless said. */
  readonly choices: number;
  /** Tool results in the conversation so far. */
  readonly toolResults: number;
  /** Those after the model's last message: the ones that this request brings. */
  readonly toolResultsNew: number;
  /** Text of the first message of the user, empty where there is none: what sets one conversation apart from another. */
  readonly opening: string;
  /** Streams that carry usage only on request: whether the client asked. Where it did not, the meter strips what `forward` asked for. */
  readonly wantsUsage?: boolean;
  /**
   * The body to send to the backend.
   * @param outputTokensMax cap to write in, all choices together; absent leaves the client's own cap (0 and negatives removed)
   */
  forward(outputTokensMax?: number): string;
}

/** Counts an answer as it streams by. One meter for one answer. */
export interface AnswerMeter {
  /**
   * Takes the next bytes of the backend's body and returns those for the client: the same array where nothing changes.
   * @param onTokens told the output tokens each event brings, before the event is passed on; `stop` ends the answer before it
   */
  push(chunk: Uint8Array, onTokens?: (count: number) => 'continue' | 'stop'): Metered;
  /** The backend's body ended well-formed. Returns what was held back and whether the answer is whole (its last object was seen). */
  end(): { readonly bytes: Uint8Array | undefined; readonly complete: boolean };
  /** What the backend reported so far; undefined until it has. */
  readonly usage: Usage | undefined;
  /** Output tokens delivered so far, by our own count. */
  readonly outputTokens: number;
  /** Whether the answer's last object (`done: true`, `[DONE]`, `message_stop`, `response.completed`) went by. */
  readonly complete: boolean;
  /** Bytes that end the stream as the protocol ends one that reached its length, usage included. */
  finish(usage: Usage): Uint8Array;
  /** Bytes that end the stream with an error that the client's SDK reports. */
  fail(refusal: Refusal): Uint8Array;
}

export interface Metered {
  readonly bytes: Uint8Array | undefined;
  /** True when `onTokens` said stop: nothing more may be pushed, the caller ends with `finish` or `fail`. */
  readonly stopped: boolean;
}

/** What the meter must know of the answer before its first byte. */
export interface AnswerHead {
  readonly status: number;
  readonly contentType: string;
}

export interface HttpRefusal {
  readonly status: number;
  /** Dialect-specific headers only; the gate adds Retry-After and the limits' headers. */
  readonly headers: Readonly<Record<string, string>>;
  /** One line of JSON. */
  readonly body: string;
}

export interface Dialect {
  readonly name: string;
  /** The route, or why there is none (`not-found`, `bad-method`), or undefined when the path is no business of this dialect. */
  route(method: string, path: string): Route | Refusal | undefined;
  /** Whether refusals on this path speak this dialect; asked in order, so the last dialect should always say yes. */
  speaks(path: string): boolean;
  read(route: Route, body: JsonObject, guard: GuardRules): Reading | Refusal;
  refusal(refusal: Refusal, requestId: string): HttpRefusal;
  /** A meter for the answer; `reading` is absent on routes without a body. */
  meter(route: Route, head: AnswerHead, reading: Reading | undefined): AnswerMeter;
  /**
   * The listing of models with only those that may be seen (`/api/tags`, `/v1/models`), and `/api/show` without what is private.
   * Returns the body to answer with; undefined where the route has nothing to hide.
   */
  redact?(route: Route, body: JsonValue, mayUse: (modelCanonical: string) => boolean): JsonValue | undefined;
}

/** What a run counts of it. */
export function toolsOf({ toolResults, toolResultsNew, opening }: Reading): ToolResults {
  return { results: toolResults, resultsNew: toolResultsNew, conversation: opening };
}

/** A refusal as opposed to a route or a reading. */
export function isRefusal(value: object): value is Refusal {
  return 'reason' in value && 'status' in value;
}
