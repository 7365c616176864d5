/** What a limiter tells those who listen: a noun, then what happened to it. */
import type {
  AlertEvent,
  BackendFailure,
  Charged,
  Identity,
  LimitState,
  Measure,
  Operation,
  Reason,
  Refusal,
  Usage,
} from './model.js';

/** The request that an event is about. */
export interface RequestEvent {
  readonly identity: Identity;
  readonly operation: Operation;
  /** Canonical; empty when the request names none. */
  readonly model: string;
}

export interface LimiterEvents {
  'request-admitted': RequestEvent & {
    readonly permitId: string;
    readonly waitedMs: number;
    readonly backend?: string;
  };
  'request-refused': RequestEvent & { readonly refusal: Refusal; readonly waitedMs: number };
  /** A limit in shadow mode, or a rule of a tier in shadow mode, would have refused. */
  'request-would-refuse': RequestEvent & {
    readonly reason: Reason;
    /** The limit's name; `free.models` or `free.input` for those rules of a tier. */
    readonly limit: string;
    readonly measure?: Measure;
    readonly retryAfterMs?: number;
  };
  'request-queued': RequestEvent & { readonly waiting: number };
  /** The application names a tier that a reload took away: it counts as the default one. Told once a tier, until the next reload. */
  'tier-missing': {
    /** The id of the first that was said to be of it. */
    readonly identity: string;
    readonly tier: string;
  };
  /** The shared store does not answer: until `store-up`, decisions are made as the policy's `onDown` says. */
  'store-down': { readonly cause: string };
  'store-up': Record<never, never>;
  /** The shared store was asked something that a request waits for; not `answered` when it failed, or not in time. */
  'store-asked': { readonly tookMs: number; readonly answered: boolean };
  /** An agent run is over; running work is aborted. */
  'run-ended': {
    readonly identity: Identity;
    readonly run: string;
    /** False when its time was up before it was ended. */
    readonly inTime: boolean;
  };
  /** A webhook did not take an alert, after the last try. */
  'alert-failed': {
    /** Host of the webhook; its path may hold a secret. */
    readonly host: string;
    readonly event: AlertEvent;
    readonly tries: number;
    /** Why, such as `status 500` or `no answer in 5s`. */
    readonly cause: string;
  };
  /** The client left while the request was waiting. */
  'waiter-left': RequestEvent & { readonly waitedMs: number };
  'permit-released': RequestEvent & { readonly permitId: string; readonly heldMs: number; readonly backend?: string };
  'reservation-settled': RequestEvent & {
    readonly permitId: string;
    readonly usage: Usage;
    readonly reserved: Usage;
    readonly charged: Charged;
  };
  'reservation-cancelled': RequestEvent & { readonly permitId: string };
  /** `settle` or `cancel` was called on a permit that had ended. */
  'permit-ended-twice': { readonly permitId: string };
  /** So many probes in a row were bad: it takes no requests until as many were good. */
  'backend-down': { readonly backend: string };
  /** Usable again, at first for some of its slots. */
  'backend-up': { readonly backend: string };
  /** It let too many requests down in a row, or (`hung`) gives no first byte while its health page is fine: out for a while. */
  'backend-ejected': { readonly backend: string; readonly cause: BackendFailure | 'hung'; readonly forMs: number };
  /** One that takes no new requests has ended its last one. */
  'backend-drained': { readonly backend: string };
  /** A limit with `alertAt` has that share of its amount in use; told once per window and counter. */
  'limit-alert': RequestEvent & {
    readonly limit: string;
    /** Whose counter: the values of the limit's scope, such as the identity's id. */
    readonly subject: string;
    /** Share of the amount in use, 0 to 1, above 1 with debt. */
    readonly share: number;
    readonly state: LimitState;
  };
  /** A prompt fills the share of its model's context at which the tier asks to be told. */
  'context-alert': RequestEvent & {
    readonly inputTokens: number;
    readonly contextTokens: number;
    readonly share: number;
  };
}

export type EventName = keyof LimiterEvents;

/** Each of them, to be looked up. */
export const eventNames: Readonly<Record<EventName, true>> = {
  'request-admitted': true,
  'request-refused': true,
  'request-would-refuse': true,
  'request-queued': true,
  'tier-missing': true,
  'store-down': true,
  'store-up': true,
  'store-asked': true,
  'run-ended': true,
  'alert-failed': true,
  'waiter-left': true,
  'permit-released': true,
  'reservation-settled': true,
  'reservation-cancelled': true,
  'permit-ended-twice': true,
  'backend-down': true,
  'backend-up': true,
  'backend-ejected': true,
  'backend-drained': true,
  'limit-alert': true,
  'context-alert': true,
};
