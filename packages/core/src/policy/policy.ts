/** The rule book after validation: every amount in its unit, every default filled in. What `parsePolicy` returns. */
import type { AlertEvent, Limit, Priority } from '../model.js';

export interface Policy {
  readonly listen: { readonly host: string; readonly port: number };
  readonly store: StoreRules;
  /** IANA name; where calendar days, weeks and months begin. */
  readonly timeZone: string;
  /** The first that recognises the request wins. */
  readonly identity: readonly IdentitySource[];
  /** By name. `default` is the tier of everyone without another: the top level of the policy. */
  readonly tiers: Readonly<Record<string, Tier>>;
  /** Limits on top of the tier, in the order written. */
  readonly limits: readonly Limit[];
  readonly queue: QueueRules;
  /** Most counters kept in memory, per table. */
  readonly keysMax: number;
  readonly client: ClientRules;
  readonly log: { readonly access: string; readonly format: 'json' | 'combined' | 'pretty' };
  readonly onClientGone: 'cancel' | 'finish';
  readonly onBudgetSpent: 'finish-cleanly' | 'error';
  readonly reserve: 'expected' | 'strict';
  readonly admin: { readonly key?: string };
  readonly drainMs: number;
  /** By model pattern, in the order written; the first that matches counts. */
  readonly prices: readonly Price[];
  readonly backends: readonly BackendRules[];
  readonly pool: PoolRules;
  readonly guard: GuardRules & {
    readonly bodyBytesMax: number;
    /** Further exact paths to let through. */
    readonly paths: readonly string[];
    /** Web origins that may ask the gateway beside Ollama's own, in lower case; `*` stands for anything. */
    readonly origins: readonly string[];
  };
  readonly headers: readonly HeaderSet[];
  readonly alerts: readonly AlertRules[];
  readonly jobs: JobRules;
  /** What it says and does nothing as it stands: sentences with place, value and remedy, for who wrote it. */
  readonly remarks: readonly string[];
}

/** What the operator lets clients ask for (`guard` of the policy). */
export interface GuardRules {
  readonly admin: 'deny' | 'allow';
  readonly cloud: 'deny' | 'allow';
  /** Options written into every native request; other options that reload the model are dropped. */
  readonly options: Readonly<Record<string, number | string | boolean>>;
  /** Longest `keep_alive` a client may ask for, ms. */
  readonly keepAliveMsMax: number;
  /** Most embedding inputs in one request. */
  readonly inputsMax: number;
}

export type HeaderSet = 'ietf' | 'legacy' | 'openai';

export type StoreRules =
  | { readonly kind: 'memory' }
  | {
      readonly kind: 'redis';
      readonly url: string;
      readonly prefix: string;
      readonly onDown: 'open' | 'closed' | 'local-share';
    };

export interface Tier {
  readonly name: string;
  /** Model patterns in canonical form; undefined allows all. */
  readonly models?: readonly string[];
  readonly priority: Priority;
  readonly limits: readonly Limit[];
  /** Most prompt tokens of one request. */
  readonly inputTokensMax?: number;
  /** Output cap written into every request. */
  readonly outputTokensMax?: number;
  /** Share of the model's context, 0 to 1. */
  readonly contextAlert?: number;
  readonly run?: RunRules;
  readonly mode: 'enforce' | 'shadow';
}

export interface RunRules {
  readonly toolCallsMax?: number;
  readonly depthMax?: number;
  readonly timeMs?: number;
  readonly tokensMax?: number;
}

export type IdentitySource = ApiKeySource | JwtSource | HeaderSource | AddressSource;

export interface ApiKeySource {
  readonly kind: 'apiKey';
  readonly from: readonly KeyPlace[];
  /** What a key that is not declared means: 401, the next source, or a name of its own. */
  readonly unknown: 'refuse' | 'ignore' | 'accept';
  /** New names one address may bring per period, when unknown keys are names. */
  readonly newNames: { readonly amount: number; readonly periodMs: number };
  /** Tier of the keys and names that bring none. */
  readonly tier?: string;
  readonly keys: readonly DeclaredKey[];
}

export type KeyPlace = 'authorization' | 'x-api-key' | 'path' | `header:${string}`;

export interface DeclaredKey {
  /** The key itself, or its SHA-256 in lower-case hex; exactly one of the two. */
  readonly plain?: string;
  readonly sha256?: string;
  readonly id: string;
  readonly tier?: string;
  readonly weight: number;
  readonly priority?: Priority;
}

export interface JwtSource {
  readonly kind: 'jwt';
  readonly jwks: string;
  readonly issuer?: string;
  readonly audience?: string;
  /** Claim that names the identity. */
  readonly id: string;
  /** Claim that names the tier. */
  readonly tier?: string;
  /** How far the clocks may be apart, ms. */
  readonly clockToleranceMs: number;
}

/** A header in which a server in front names its user. */
export interface HeaderSource {
  readonly kind: 'header';
  /** In lower case. */
  readonly name: string;
  /** Whose word it is: that of these peers, as addresses or networks, or of whoever can connect, behind so many proxies. */
  readonly trustProxy: number | readonly string[];
  readonly tier?: string;
}

export interface AddressSource {
  readonly kind: 'address';
  /** Number of proxies in front whose X-Forwarded-For entries are believed. */
  readonly trustProxy: number;
  readonly ipv6Prefix: number;
  readonly tier?: string;
}

export interface QueueRules {
  readonly depth: number;
  readonly waitMs: number;
  readonly fairness: 'tokens' | 'none';
  /** `weighted`: priorities share, none starves. `strict`: a lower one waits while a higher one can go. */
  readonly priority: 'weighted' | 'strict';
  /** Strict only: wait after which a priority gets every second slot. */
  readonly agingMs: number;
}

export interface ClientRules {
  readonly headersMs: number;
  readonly bodyMs: number;
  readonly keepAliveMs: number;
  readonly idleReadMs: number;
  readonly connectionsPerAddress: number;
  /** Proxies in front whose entries in `X-Forwarded-For` are believed; 0 for none. */
  readonly trustProxy: number;
}

export interface BackendRules {
  readonly url: string;
  /** What `x-headgate-backend`, logs and metrics say; host:port unless given. */
  readonly name: string;
  readonly slots: number;
  readonly weight: number;
  /** Model patterns in canonical form; undefined serves all. */
  readonly models?: readonly string[];
  readonly drain: boolean;
  readonly headers: Readonly<Record<string, string>>;
}

export interface PoolRules {
  readonly pick: 'least-wait' | 'least-busy' | 'round-robin' | 'random-two';
  readonly health: {
    readonly path: string;
    readonly everyMs: number;
    readonly timeoutMs: number;
    readonly rise: number;
    readonly fall: number;
  };
  readonly eject: { readonly failures: number; readonly forMs: number; readonly maxShare: number };
  readonly retry: { readonly tries: number; readonly on: readonly RetryCause[]; readonly budgetShare: number };
  readonly timeout: TimeoutRules & {
    readonly embed: Partial<TimeoutRules>;
    readonly chat: Partial<TimeoutRules>;
    readonly generate: Partial<TimeoutRules>;
  };
}

export type RetryCause = 'connect' | 'reset' | 'first-byte' | '502' | '503' | '504' | '429';

export interface TimeoutRules {
  readonly connectMs: number;
  readonly firstByteMs: number;
  readonly idleMs: number;
  readonly totalMs: number;
}

export interface Price {
  readonly model: string;
  /** Dollars per million tokens. */
  readonly input?: number;
  readonly output?: number;
  /** Dollars per second of the accelerator. */
  readonly gpuSecond?: number;
}

/** Requests that are left with the gateway to be made later. */
export interface JobRules {
  /** Most that wait or run, of all identities; 0 takes none. */
  readonly depth: number;
  readonly perIdentity: number;
  readonly bodyBytesMax: number;
  readonly resultBytesMax: number;
  /** Longest from submission to the end, ms. */
  readonly waitMs: number;
  /** How long an ended job is kept, ms. */
  readonly keepMs: number;
  /** Most tries of a job whose backends fail. */
  readonly tries: number;
  /** How long a job of a gateway that is gone stays with it, ms. */
  readonly leaseMs: number;
  /** Absent where no job may name one. */
  readonly callbacks?: {
    readonly hosts: readonly CallbackHost[];
    readonly secret: string;
    /** Whether a host's address may be of this machine or of a private network. */
    readonly private: 'deny' | 'allow';
  };
}

/** Where callbacks may go. */
export interface CallbackHost {
  /** https. */
  readonly secure: boolean;
  /** As a URL spells it; `*.` in front stands for any name below it. */
  readonly host: string;
  readonly port: number;
}

export interface AlertRules {
  readonly webhook: string;
  readonly secret?: string;
  readonly on: readonly AlertEvent[];
}
