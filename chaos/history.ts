/**
 * What happened, as each of those who took part saw it: gateways write down what they decide, clients what they got, backends
 * what they were sent, and whoever makes the faults which and when. Epoch ms everywhere; all of them share one machine's clock.
 */

/** How the gateways are set up: what holds in a history depends on it. */
export interface Profile {
  readonly onDown: 'closed' | 'local-share' | 'open';
  /** Redis keeps what it acknowledged when it is killed. */
  readonly durable: boolean;
}

/** What the policy promises, as far as the checker looks at it. */
export interface Rules {
  readonly gateways: number;
  /** Of each backend. */
  readonly slots: number;
  /** Running at once on all backends together. */
  readonly house: number;
  /** The token bucket of each paced identity. */
  readonly bucket: { readonly burst: number; readonly perSecond: number };
  /** The rolling window of each spending identity. */
  readonly window: { readonly tokens: number; readonly periodMs: number };
  /** How long after its last sign of life a process keeps its slots. */
  readonly leaseMs: number;
  /** Tokens of the prompt that every client sends, as backends count it, and of the longest answer. */
  readonly prompt: number;
  readonly answerMax: number;
}

/** One incarnation of a gateway, such as `g1#2`. */
export interface Life {
  readonly gateway: string;
  readonly id: string;
  /** It listens. */
  readonly from: number;
  /** It was killed, or told to stop; absent while it lives. */
  to?: number;
  how?: 'killed' | 'stopped';
  /** Only of what was told to stop: its status, and how long it took. */
  exitStatus?: number | null;
  exitMs?: number;
}

/** What a gateway says of a permit. */
export interface Granted {
  readonly type: 'admitted';
  readonly life: string;
  readonly permit: string;
  readonly identity: string;
  /** When the limits were asked: before any wait for a slot. */
  readonly decidedAt: number;
  readonly at: number;
}

export interface Settled {
  readonly type: 'settled';
  readonly life: string;
  readonly permit: string;
  readonly at: number;
  /** Tokens. */
  readonly reserved: number;
  readonly charged: number;
}

export interface Told {
  readonly type: 'cancelled' | 'released' | 'ended-twice' | 'store-down' | 'store-up' | 'failed';
  readonly life: string;
  readonly at: number;
  readonly permit?: string;
  readonly text?: string;
}

/** How a gateway stands when nothing goes on. */
export interface Sample {
  readonly type: 'sample';
  readonly life: string;
  readonly at: number;
  readonly inFlight: number;
  readonly waiting: number;
  readonly open: number;
  readonly heapBytes: number;
  readonly timers: number;
}

/** A process stood still though nobody stopped it: the machine did, or was too busy. */
export interface Stood {
  readonly type: 'stood';
  readonly life: string;
  readonly at: number;
  readonly from: number;
  readonly to: number;
}

/** One line that a gateway wrote. */
export type Line = Granted | Settled | Told | Sample | Stood;

/** One request as its client saw it. */
export interface Visit {
  readonly identity: string;
  readonly gateway: string;
  readonly requestId: string | undefined;
  readonly sentAt: number;
  readonly endedAt: number;
  readonly status: number | undefined;
  readonly reason: string | undefined;
  /**
   * `whole`: all of an answer. `refused`: an answer that is an error. `error`: an error inside the stream. `left`: this client
   * went. `unanswered`: the connection broke before the head. `broken`: it broke inside the answer. `short`: the answer ended
   * in good order and was not whole. `hung`: nothing for too long.
   */
  readonly ending: 'whole' | 'refused' | 'error' | 'left' | 'unanswered' | 'broken' | 'short' | 'hung';
  readonly tokens: number;
}

/** One request as a backend saw it. */
export interface Served {
  readonly backend: string;
  readonly gateway: string;
  readonly requestId: string;
  readonly from: number;
  readonly to: number;
  readonly outcome: string;
  readonly tokens: number;
}

export interface Fault {
  /** As planned, or `stood`: whoever plays the clients and backends stood still with its machine. */
  readonly kind: string;
  /** A gateway, a backend, `redis`, `clients`, or `here`. */
  readonly target: string;
  readonly from: number;
  readonly to: number;
}

/** A time without faults, at whose end everybody was asked how they stand. */
export interface Calm {
  readonly from: number;
  readonly to: number;
}

/** What the counters in Redis held of an identity in the end. */
export interface Counted {
  readonly identity: string;
  readonly requests: number;
  readonly tokens: number;
}

/** What was seen when nothing was asked any more. */
export interface Aftermath {
  readonly counted: readonly Counted[];
  /** Requests that ran at once when more were sent than may: all slots are free again, and none is there twice. */
  readonly ranAtOnce: number;
  readonly keysWithoutExpiry: readonly string[];
}

export interface History {
  readonly profile: Profile;
  readonly rules: Rules;
  readonly lives: readonly Life[];
  readonly told: readonly Line[];
  readonly visits: readonly Visit[];
  readonly served: readonly Served[];
  readonly faults: readonly Fault[];
  readonly calm: Calm;
  readonly aftermath: Aftermath;
}

/** A promise that was not kept, and what shows it. */
export interface Violation {
  readonly promise: string;
  readonly what: string;
  readonly at?: number;
}
