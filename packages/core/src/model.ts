/**
 * The nouns of Headgate, as types. Read this first: every other file speaks these words and no others.
 * Nothing here is an implementation, and nothing here knows a web framework, a wire format or a store.
 */

/** What a path and body amount to, in any dialect. `models` are cheap reads (tags, ps, version, show). */
export const operations = ['generate', 'chat', 'embed', 'models', 'admin', 'other'] as const;
export type Operation = (typeof operations)[number];

export const priorities = ['high', 'normal', 'low'] as const;
export type Priority = (typeof priorities)[number];

/** What a limit counts. */
export const measures = [
  'requests',
  'tokens',
  'inputTokens',
  'outputTokens',
  'cost',
  'gpuSeconds',
  'concurrency',
  'failures',
  'toolCalls',
] as const;
export type Measure = (typeof measures)[number];

/** Events that can be sent to a webhook. */
export const alertEvents = [
  'limit-alert',
  'context-alert',
  'run-ended',
  'request-would-refuse',
  'backend-down',
  'backend-up',
  'backend-ejected',
] as const;
export type AlertEvent = (typeof alertEvents)[number];

/** Whose counter it is. */
export const scopes = ['identity', 'address', 'model', 'tier', 'run', 'all'] as const;
export type Scope = (typeof scopes)[number];

/** `enforce` refuses; `shadow` decides, counts and reports, and changes nothing else. */
export type Mode = 'enforce' | 'shadow';

/** Who is asking. `id` is what clients, logs and metrics see, so it is never a secret. */
export interface Identity {
  readonly id: string;
  readonly tier: string;
  /** Share of the backends relative to others when they are scarce; 1 unless said. */
  readonly weight: number;
  readonly priority: Priority;
}

/** One rule: an amount of one measure per period, for one scope. Validated, with every default filled in. */
export interface Limit {
  /** Unique in its policy; what clients, logs and metrics see. */
  readonly name: string;
  readonly measure: Measure;
  readonly algorithm: Algorithm;
  /** Units of the measure per period: requests, tokens, dollars, seconds, or slots. */
  readonly amount: number;
  /** Most units at one instant: the bucket's capacity; for windows and slots the amount itself. */
  readonly capacity: number;
  /** Length of the period in ms; 0 for slots. For calendar periods the nominal length. */
  readonly periodMs: number;
  /** Calendar windows only: whole days, weeks (from Monday) or months of the policy's time zone. */
  readonly calendar?: 'day' | 'week' | 'month';
  readonly per: readonly Scope[];
  /** Set on the limits of a tier: they hold for the identities of this tier only. */
  readonly tier?: string;
  readonly match?: Match;
  readonly mode: Mode;
  /** Slots only: whether a request that finds none waits in the queue or is refused at once. */
  readonly queue: boolean;
  /** Requests only: past `after` requests at once the next ones wait for their turn. */
  readonly delay?: { readonly after: number };
  /** Share of the amount, 0 to 1, at which an alert is raised once per window. */
  readonly alertAt?: number;
  /** One of the bounds of an agent run: past it the run is over, however long one waits. */
  readonly envelope?: boolean;
  /** `failures` only: how long wrong credentials from there are blocked after the limit, the first time, ms. */
  readonly blockMs?: number;
}

export type Algorithm = 'token-bucket' | 'rolling' | 'calendar' | 'slots';

/** Which requests a limit is about. All given keys must match; each value is an exact word, a `*` pattern, or a list. */
export interface Match {
  readonly operation?: readonly string[];
  readonly model?: readonly string[];
  readonly tier?: readonly string[];
  readonly identity?: readonly string[];
  readonly path?: readonly string[];
  readonly method?: readonly string[];
  readonly priority?: readonly string[];
  readonly not?: Match;
}

/** Where a limit stands for one requester, at one instant. */
export interface LimitState {
  readonly name: string;
  readonly measure: Measure;
  readonly limit: number;
  /** Units available now, in the measure's own unit; below zero when there is debt. */
  readonly remaining: number;
  /** Time until the limit is wholly free again, ms; 0 when it is. */
  readonly resetMs: number;
  readonly mode: Mode;
  /** Period in ms; 0 for slots. */
  readonly periodMs: number;
  /** Time until one more unit is available, ms; 0 when some are. */
  readonly nextMs: number;
}

/** Why a request was not admitted. See docs/refusals.md for one paragraph on each. */
export type Reason =
  | 'bad-request'
  | 'not-found'
  | 'bad-method'
  | 'bad-encoding'
  | 'unauthorized'
  | 'model-not-found'
  | 'forbidden'
  | 'too-large'
  | 'limit'
  | 'concurrency'
  | 'queue-full'
  | 'queue-timeout'
  | 'no-backend'
  | 'draining'
  | 'backend-error'
  | 'backend-timeout'
  | 'store-down'
  | 'run'
  | 'blocked';

/** What somebody who joined the queue now would find there: an estimate, from how fast it drained lately. */
export interface QueueOutlook {
  /** Place among those who wait for the same slots, from 1. */
  readonly position: number;
  readonly waitMs: number;
}

/** The queue for slots at one instant. */
export interface QueueStats {
  /** Requests that were never let through yet, by priority. */
  readonly waiting: Readonly<Record<Priority, number>>;
  /** How long the one that waits longest has waited, ms; 0 when nobody waits. */
  readonly oldestMs: number;
  /** Mean time between two let through, lately and while others waited, ms; absent before the first. */
  readonly intervalMs?: number;
}

/** A decision against. A value, never thrown by the limiter itself. */
export interface Refusal {
  readonly reason: Reason;
  /** The HTTP status that says it best. */
  readonly status: number;
  /** One sentence a person can act on. */
  readonly message: string;
  /** The name of the limit that refused. */
  readonly limit?: string;
  readonly measure?: Measure;
  /** When the same request would be admitted, all else equal; absent when waiting cannot help. */
  readonly retryAfterMs?: number;
  /** Where slots are what is missing: what the queue looks like from here. */
  readonly queue?: QueueOutlook;
  /** `bad-method` only: the methods that the path has. */
  readonly allow?: readonly string[];
}

/** What really happened, as the backend reports it or as it was metered. Absent is unknown, zero is zero. */
export interface Usage {
  readonly inputTokens?: number;
  readonly outputTokens?: number;
  /** Time of the accelerator, seconds. */
  readonly gpuSeconds?: number;
}

/** What a request was charged in the end. */
export interface Charged {
  readonly inputTokens: number;
  readonly outputTokens: number;
  /** Dollars, by the policy's prices. */
  readonly cost: number;
  /** As the backend reported them, else by the rate learned of its model. */
  readonly gpuSeconds: number;
}

/** A prompt by what makes it long. A dialect's `Reading` is one. */
export interface PromptParts {
  readonly texts: readonly string[];
  /** Chat messages, each of which brings the markers of the model's template. */
  readonly messages: number;
  readonly images: number;
  /** Counted by a tokenizer before, so beyond doubt. */
  readonly inputTokensKnown: number;
}

/** What a conversation shows of tools that were called. */
export interface ToolResults {
  /** All of them. */
  readonly results: number;
  /** Those after the model's last message: the ones that this request brings. */
  readonly resultsNew: number;
  /** What sets the conversation apart from others of the same run, such as its first message; only compared. */
  readonly conversation: string;
}

/** A request as the limiter needs it: who, what, how much. */
export interface AdmitRequest {
  /**
   * A name, or more about it. Declared names (API keys' ids) bring their tier, weight and priority. Default `anonymous`. A tier that
   * the policy does not have is an error (`HG_TIER`).
   */
  readonly identity?: string | Partial<Identity>;
  /** Default `chat`. */
  readonly operation?: Operation;
  readonly model?: string;
  /** The prompt, in one text, in several or by its parts; or its size, a number from 0 up, when the caller knows it. */
  readonly input?: string | readonly string[] | PromptParts | { readonly tokens: number };
  /**
   * Whether the answer is asked for as a stream. Of one that is said to come in one piece all it may have is set aside, since nobody can
   * end it where a budget does. Default: nobody knows.
   */
  readonly stream?: boolean;
  /**
   * The largest output the caller declared, all choices together. Absent, below zero (as `num_predict: -1`) or no number means no
   * cap; zero means no output.
   */
  readonly outputTokensMax?: number;
  /** Size of the model's context, tokens, where the caller knows it; for `contextAlert`. */
  readonly contextTokens?: number;
  /** The agent run that it is made for: its id, or a run that was started. */
  readonly run?: string | { readonly id: string; readonly depth?: number };
  /** Results of tools in the conversation, for limits on tool calls. */
  readonly tools?: ToolResults;
  /** Client address, for limits `per: address`. */
  readonly address?: string;
  readonly path?: string;
  readonly method?: string;
}

/** How a backend let a request down before its first byte, or (`died`) in the middle of its answer. */
export type BackendFailure = 'connect' | 'reset' | '502' | '503' | 'first-byte' | 'died';

/** What is thought of a backend now; pool/health.ts draws how one becomes another. */
export type BackendState =
  | 'healthy'
  | 'suspect'
  | 'slow-start'
  | 'probing'
  | 'ejected'
  | 'down'
  | 'draining'
  | 'removed';

/** One LLM server. */
export interface Backend {
  /** What logs, metrics and `x-headgate-backend` say. */
  readonly name: string;
  readonly url: string;
  /** Most requests at once. */
  readonly slots: number;
  /** Slots taken now; never more than `slots`, unless they were made fewer while in use. */
  readonly used: number;
  readonly state: BackendState;
  /** Whether requests may be sent to it, now or when one of its slots is free. */
  readonly usable: boolean;
  /** Takes no new requests, lets running ones end. */
  readonly draining: boolean;
  /** Models it is taken to hold in memory, canonical, the least recently used first. */
  readonly models: readonly string[];
  /** How often a request had to wait for it to load a model. */
  readonly loads: number;
  /** Sent with every request to this backend. May hold credentials: in JSON, and where it is printed, they are left out. */
  readonly headers: Readonly<Record<string, string>>;
}
