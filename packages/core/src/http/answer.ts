/**
 * One answer on its way to the client, for adapters of every kind: its tokens are counted, it is cut when a budget ends,
 * and its permit ends when it does. Whoever owns the answer tells what happens to it and writes what comes back.
 *
 *   unknown --begin--> metered | unread | bodyless
 *   metered --budget spent, limiter closed--> cut          what still comes is dropped
 *   any --close--> settled, or cancelled, once
 */
import { HeadgateError } from '../kernel/errors.js';
import type { Refusal, Usage } from '../model.js';
import type { Policy } from '../policy/policy.js';
import { refuse } from '../refusal.js';
import { RefusedError } from '../refused-error.js';
import { ClientGoneError } from './client-gone.js';
import type { AnswerMeter } from './dialect.js';
import type { Passage } from './passage.js';
import { usageOf } from './settlement.js';

const serverEnded = refuse('draining', 'the server ended this request; please try again.', { retryAfterMs: 5_000 });

export type AnswerOptions = Pick<Policy, 'onBudgetSpent' | 'onClientGone'>;

export interface AnswerBeginning {
  readonly status: number;
  readonly contentType: string;
  /** There is no body to come: HEAD, 204, 304. */
  readonly bodyless: boolean;
  /** The bytes are compressed and cannot be read. */
  readonly encoded: boolean;
}

export interface AnswerClosing {
  /** The whole answer was handed on. */
  readonly delivered: boolean;
  /** Another limiter further in refused: then it is as if the request had never been (I2). */
  readonly refused: boolean;
}

export class Answer {
  readonly #passage: Passage;
  readonly #options: AnswerOptions;
  #state: 'unknown' | 'metered' | 'unread' | 'bodyless' | 'cut' = 'unknown';
  #status: number | undefined;
  #meter: AnswerMeter | undefined;
  #ended = false;
  #closed = false;

  constructor(passage: Passage, options: AnswerOptions) {
    this.#passage = passage;
    this.#options = options;
  }

  /** The head is not known yet. */
  get unknown(): boolean {
    return this.#state === 'unknown';
  }

  /** Bytes are to be pushed before they are passed on. */
  get metered(): boolean {
    return this.#state === 'metered';
  }

  /** Its last object has gone by; what still comes is the end of the transfer. */
  get complete(): boolean {
    return this.#meter?.complete ?? false;
  }

  /** Nothing more may be passed on. */
  get isCut(): boolean {
    return this.#state === 'cut';
  }

  begin({ status, contentType, bodyless, encoded }: AnswerBeginning): void {
    this.#status = status;
    if (bodyless) this.#state = 'bodyless';
    else if (encoded) this.#state = 'unread';
    else {
      this.#state = 'metered';
      this.#meter = this.#passage.meter({ status, contentType });
    }
  }

  /**
   * What of these bytes is for the client now. When the budget ends in them, the bytes that end the answer are among what
   * comes back, and `isCut` says so: write them, end the answer, and then call `tellSpent`.
   */
  push(bytes: Uint8Array): Uint8Array | undefined {
    const { permit } = this.#passage;
    const meter = this.#meter!;
    // Whoever settled the permit before the answer's end has answered for all of it.
    const metered = meter.push(bytes, (count) => (permit.ended ? 'continue' : permit.meter(count)));
    if (!metered.stopped) return metered.bytes;
    this.#state = 'cut';
    const inputTokens = meter.usage?.inputTokens ?? permit.reserved.inputTokens;
    const cleanly = permit.stoppedBy === 'cap' || this.#options.onBudgetSpent === 'finish-cleanly';
    const ending = cleanly ? meter.finish({ inputTokens, outputTokens: permit.metered }) : meter.fail(spent());
    return joined(metered.bytes, ending);
  }

  /** Tells whoever works for this answer that its budget is spent. */
  tellSpent(): void {
    this.#passage.permit.abort(new HeadgateError('HG_BUDGET_SPENT', spent().message));
  }

  /** The body has ended well; what was held back of it. */
  end(): Uint8Array | undefined {
    this.#ended = true;
    return this.#meter?.end().bytes;
  }

  /** Why the limiter wants the work to end. */
  get whyStopped(): Refusal {
    const { abortReason: reason } = this.#passage.permit;
    return reason instanceof RefusedError ? reason.refusal : serverEnded;
  }

  /** The limiter wants the work to end: bytes that end the answer with an error; undefined when only breaking it off tells. */
  fail(): Uint8Array | undefined {
    const ending = this.#meter?.fail(this.whyStopped);
    this.cut();
    return ending === undefined || ending.length === 0 ? undefined : ending;
  }

  cut(): void {
    this.#state = 'cut';
  }

  /** The answer is over. What comes later changes nothing. */
  close({ delivered, refused }: AnswerClosing): void {
    if (this.#closed) return;
    this.#closed = true;
    const { permit } = this.#passage;
    if (!delivered && this.#options.onClientGone === 'cancel') permit.abort(new ClientGoneError());
    if (permit.ended) return;
    let used: Usage | undefined;
    try {
      if (this.#meter !== undefined && !this.#ended && this.#state === 'metered') this.#meter.end();
      if (!refused) used = usageOf(this.#passage, this.#endOf(delivered));
    } finally {
      // Also where a dialect throws.
      if (refused) permit.cancel();
      else permit.settle(used);
    }
  }

  get closed(): boolean {
    return this.#closed;
  }

  #endOf(delivered: boolean): Parameters<typeof usageOf>[1] {
    return {
      status: this.#status,
      meter: this.#meter,
      unread: this.#state === 'unread',
      // A cut answer was not delivered whole, but nobody left either.
      how: this.#state === 'cut' ? 'cut' : delivered ? 'delivered' : 'gone',
      chargesAll: this.#options.onClientGone === 'finish',
    };
  }
}

/** Of a stream events may be dropped or added, so a length that its sender declared is no longer true. */
export function isStream(contentType: string): boolean {
  return /ndjson|event-stream/i.test(contentType);
}

export function isBodyless(method: string | undefined, status: number): boolean {
  return method === 'HEAD' || status === 204 || status === 304;
}

function spent(): Refusal {
  return refuse('limit', 'the token budget was spent in the middle of this answer.');
}

export function joined(first: Uint8Array | undefined, second: Uint8Array | undefined): Uint8Array | undefined {
  if (first === undefined || first.length === 0) return second?.length ? second : first;
  if (second === undefined || second.length === 0) return first;
  const both = new Uint8Array(first.length + second.length);
  both.set(first);
  both.set(second, first.length);
  return both;
}
