/** What a request wants of the backends, and the slot it gets. */
import type { Backend, BackendFailure } from './model.js';

/** The beginning of a prompt, block by block; pool/affinity.ts says how. */
export interface Prefix {
  /** One for each whole block; each stands for the text up to its end. */
  readonly hashes: readonly number[];
  /** Of the whole text. */
  readonly chars: number;
}

export interface Wanted {
  /** Canonical; empty when the request names none. */
  readonly model: string;
  /** Whether the model works on it; listings and the like need a backend, but no model in memory. */
  readonly runs: boolean;
  /** Whether the answer is asked for as a stream, so that its first byte is its first token. */
  readonly stream: boolean;
  /** 0 when they are not known. */
  readonly inputTokens: number;
  readonly prefix: Prefix;
  /** Since when it may be waiting, on the clock. */
  readonly since: number;
}

/** One request, from when the pool is asked first until a backend takes it or it goes away. */
export class Wish implements Wanted {
  readonly model: string;
  readonly runs: boolean;
  readonly stream: boolean;
  readonly inputTokens: number;
  readonly prefix: Prefix;
  readonly since: number;
  /** Asked for a backend and got none. */
  waiting = false;
  /** Had a backend before, and goes to another. */
  moving = false;
  /** The round in which it was asked last, and the busy backend it would rather wait for; see pool/least-wait.ts. */
  round = 0;
  prefers: { ahead: number } | undefined;
  /** Since when it waits for a busy backend though another one is free. */
  deferredSince: number | undefined;

  constructor(wanted: Wanted) {
    this.model = wanted.model;
    this.runs = wanted.runs && wanted.model !== '';
    this.stream = wanted.stream;
    this.inputTokens = wanted.inputTokens;
    this.prefix = wanted.prefix;
    this.since = wanted.since;
  }
}

/** A slot in use, and what its holder tells of the request on it. */
export interface BackendSlot {
  readonly backend: Backend;
  /** The backend loads the model for this request, and others want it too: a load is thrown away when its client leaves. */
  readonly loadsForOthers: boolean;
  /** The answer has begun. Only the first call counts. */
  firstByte(stream: boolean): void;
  /** The backend let the request down. */
  failed(cause: BackendFailure): void;
  /** Gives the slot back; a second call changes nothing. */
  release(): void;
}
