/**
 * One admitted request on its way to a backend and back. It holds the permit and ends it exactly once, on every path.
 *
 *            ┌──────────── another backend ◀── moving ──none──▶ refused
 *            ▼                                   ▲
 *   start ▶ sending ── failed, may be retried ───┘
 *            │  └───── failed, may not ─────────────────────────▶ refused         502, 504 in the request's dialect
 *            ▼ the backend's head
 *           checking (listings, 401) ── whole ──────────────────▶ ended           short bodies, read and rewritten
 *           passing ─┬─ the backend's end ──────────────────────▶ ended
 *                    ├─ the meter says stop ── finish(usage) ───▶ ended           the protocol's own "length" ending
 *                    └─ dead, idle, too long, told to stop ─ fail ▶ ended         an error inside the stream, unless it is whole
 *
 *   from every state: the client is gone ──▶ ended, and the backend's request is destroyed at once, or when the model is loaded
 *   that others wait for; with `onClientGone: finish` a backend that has begun goes on to its end: counted and dropped
 *
 * What the permit ends with:
 *   cancel   no backend was reached, or the backend failed before the first byte: nothing is charged
 *   settle   everything else; what the backend reports, else what was metered, and for a client that left before the
 *            first byte the estimated input, because the backend was working on it
 */
import type { ServerResponse } from 'node:http';
import type { Backend, Passage, Permit, Policy, Refusal, TimeoutRules, Timer, Usage } from '@headgate/core';
import { whenClosed, writeRefusal } from '@headgate/core/node';
import type { Answer } from './answer.js';
import { checkedBody, mustCheck } from './checked.js';
import { Delivery } from './delivery.js';
import { answerProblem, broken, refusalFor, refusalIn, timeoutsFor } from './failures.js';
import { beginAnswer } from './head.js';
import { afterLoad } from './load.js';
import { type OutgoingContext, outgoingOf } from './outgoing.js';
import type { RequestRecord } from './record.js';
import { Tries } from './tries.js';
import type { Trip, TripFailure, Upstreams } from './upstream.js';

type State = 'sending' | 'moving' | 'checking' | 'passing' | 'ended';

export interface ExchangeContext extends OutgoingContext {
  readonly upstreams: Upstreams;
}

export class Exchange {
  readonly #context: ExchangeContext;
  readonly #policy: Policy;
  /** Until an answer passes: an open stream must not keep its prompt. */
  #passage: Passage | undefined;
  readonly #permit: Permit;
  readonly #response: ServerResponse;
  readonly #record: RequestRecord;
  readonly #timeouts: TimeoutRules;
  readonly #total: Timer;
  readonly #tries: Tries;
  /** Only while the request waits for another backend. */
  #waiting: AbortController | undefined;
  #state: State = 'sending';
  #backend: Backend;
  #trip: Trip | undefined;
  #answer: Answer | undefined;
  /** An answer of 502 or the like, kept in case that no other backend does better. */
  #heldAnswer: Answer | undefined;
  #delivery: Delivery | undefined;
  /** The client has gone, and the backend works on. */
  #isGone = false;
  #tellOver!: () => void;
  /** Resolves once the permit has ended. */
  readonly over = new Promise<void>((resolve) => {
    this.#tellOver = resolve;
  });

  constructor(context: ExchangeContext, passage: Passage, response: ServerResponse, record: RequestRecord) {
    this.#context = context;
    this.#policy = context.limiter.policy;
    this.#passage = passage;
    this.#permit = passage.permit;
    this.#backend = passage.permit.backend!;
    this.#tries = new Tries(this.#policy.pool.retry, passage);
    this.#response = response;
    this.#record = record;
    this.#timeouts = timeoutsFor(this.#policy.pool.timeout, passage.reading?.operation ?? passage.route.operation);
    this.#total = context.limiter.clock.after(this.#timeouts.totalMs, () => this.#break('total'));
  }

  start(): void {
    whenClosed(this.#response.req, this.#response, (delivered) => {
      if (!delivered) this.#onClientGone();
    });
    this.#permit.whenAborted(() => this.#onTold());
    if (this.#permit.abortReason !== undefined) this.#onTold();
    if (this.#state === 'sending') this.#send();
  }

  /** Told to stop: by the limiter that closes, or by a refusal that came up meanwhile, such as a run that is over. */
  #onTold(): void {
    this.#break('closing', refusalIn(this.#permit.abortReason));
  }

  #send(): void {
    const { upstreams } = this.#context;
    this.#state = 'sending';
    this.#backend = this.#permit.backend!;
    this.#tries.backends.add(this.#backend);
    this.#record.backend = this.#backend.name;
    this.#record.tries = this.#tries.backends.size;
    const outgoing = outgoingOf(this.#context, this.#passage!, this.#response.req, this.#backend, (refusal) => {
      if (this.#state === 'sending') this.#refuse(refusal);
      else if (this.#state === 'passing') this.#break('died');
    });
    this.#record.trace?.sent(this.#backend.name, outgoing.headers);
    this.#trip = upstreams.send(this.#backend, outgoing, this.#timeouts, {
      onAnswer: (answer) => this.#onAnswer(answer),
      onFailure: (failure) => this.#onFailure(failure),
    });
  }

  #onFailure({ cause, code }: TripFailure): void {
    if (this.#state !== 'sending') return;
    this.#record.cut = `${cause} ${code}`;
    if (!this.#isGone && this.#tries.mayRepeat(cause)) this.#send();
    else {
      this.#permit.failed(cause === 'stale' ? 'reset' : cause);
      this.#move(cause, () => this.#refuse(refusalFor(cause)));
    }
  }

  /** Goes on with another backend, or calls `otherwise` when it may not, or when there is none. */
  #move(cause: string, otherwise: () => void): void {
    if (this.#isGone || !this.#tries.mayGoOn(cause)) otherwise();
    else void this.#moveOn(otherwise);
  }

  async #moveOn(otherwise: () => void): Promise<void> {
    this.#state = 'moving';
    this.#waiting = new AbortController();
    const { signal } = this.#waiting;
    let refusal: Refusal | undefined;
    try {
      refusal = await this.#context.limiter.moveBackend(this.#permit, this.#tries.backends, { signal });
    } catch {
      // The signal's reason: the exchange ended meanwhile.
      return;
    }
    if (signal.aborted) return;
    if (refusal !== undefined) return otherwise();
    if (this.#heldAnswer !== undefined) this.#trip?.destroy();
    this.#heldAnswer = undefined;
    this.#send();
  }

  #onAnswer(answer: Answer): void {
    if (this.#state !== 'sending') {
      this.#trip?.destroy();
      return;
    }
    const status = String(answer.status);
    if (status === '502' || status === '503') this.#permit.failed(status);
    this.#heldAnswer = answer;
    this.#move(status, () => this.#take(answer));
  }

  #take(answer: Answer): void {
    this.#heldAnswer = undefined;
    this.#answer = answer;
    this.#record.firstByteMs = this.#context.limiter.clock.now() - this.#record.startedMs;
    this.#permit.firstByte({ stream: answer.isStream });
    const { status } = answer;
    const problem = answer.isBroken ? 'reset' : answerProblem(answer, this.#passage!.reading !== undefined);
    if (problem !== undefined) this.#refuse(refusalFor(problem));
    else if (mustCheck(this.#passage!, status)) void this.#check(answer, status);
    else this.#pass(answer, status);
  }

  /** Reads a short answer whole, because the client may not see all of it. */
  async #check(answer: Answer, status: number): Promise<void> {
    this.#state = 'checking';
    const body = await checkedBody(answer, this.#passage!, this.#context.limiter.clock, this.#timeouts.idleMs);
    if (this.#state !== 'checking') return;
    if (body === undefined) {
      this.#refuse(refusalFor('unreadable'));
      return;
    }
    this.#settle(status < 400 ? {} : { inputTokens: 0, outputTokens: 0 });
    if (this.#isGone) return;
    beginAnswer(this.#response, answer, this.#passage!, this.#backend, this.#context.limiter, body.length);
    this.#record.bytes = body.length;
    this.#response.end(body);
  }

  #pass(answer: Answer, status: number): void {
    this.#state = 'passing';
    const { clock } = this.#context.limiter;
    const passage = this.#passage!;
    this.#passage = undefined;
    const meter = passage.meter({ status, contentType: answer.contentType });
    if (!this.#isGone) beginAnswer(this.#response, answer, passage, this.#backend, this.#context.limiter);
    const { idleMs } = this.#timeouts;
    const delivery = new Delivery(
      { answer, response: this.#response, record: this.#record, meter, permit: this.#permit, clock, idleMs },
      {
        onStopped: () => this.#onStopped(delivery),
        onEnd: (whole) => (whole ? this.#endWhole(delivery) : this.#break('incomplete')),
        onDead: () => this.#die('died'),
        onIdle: () => this.#die('idle'),
      },
    );
    this.#delivery = delivery;
    if (this.#isGone) delivery.leave();
    delivery.start();
  }

  /** The meter said stop: the cap is reached, or a budget is spent. */
  #onStopped(delivery: Delivery): void {
    const { stoppedBy = 'cap' } = this.#permit;
    if (stoppedBy === 'budget' && this.#policy.onBudgetSpent === 'error') this.#break('budget');
    else {
      this.#record.cut = stoppedBy;
      this.#settle(delivery.used());
      delivery.finish();
    }
  }

  /** The backend failed once its answer had begun. */
  #die(cut: 'died' | 'idle'): void {
    if (!this.#delivery!.isWhole) this.#permit.failed('died');
    this.#break(cut);
  }

  #endWhole(delivery: Delivery): void {
    this.#settle(delivery.used());
    delivery.end();
  }

  /** Ends the exchange with an error: as an answer where none has begun, else inside the answer. */
  #break(cut: keyof typeof broken, refusal: Refusal = broken[cut]): void {
    if (this.#state === 'ended') return;
    const delivery = this.#delivery;
    const isWhole = delivery?.isWhole === true;
    if (!isWhole) this.#record.cut = refusal === broken[cut] ? cut : refusal.reason;
    if (delivery === undefined) this.#refuse(refusal);
    else if (isWhole) this.#endWhole(delivery);
    else {
      this.#record.refusal = refusal;
      this.#settle(delivery.used());
      delivery.fail(refusal);
    }
  }

  #refuse(refusal: Refusal): void {
    if (!this.#end(() => this.#permit.cancel()) || this.#isGone) return;
    const turned = this.#passage!.turn(refusal);
    this.#record.refusal = refusal;
    const headers = { ...turned.headers, 'x-headgate-backend': this.#backend.name };
    writeRefusal(this.#response, { ...turned, headers }, this.#context.limiter.clock);
  }

  #onClientGone(): void {
    if (this.#state === 'ended') return;
    this.#record.cut = 'client gone';
    // While it moves no backend works on it: the try before has failed.
    const isWorkedOn = this.#state === 'passing' || (this.#state === 'sending' && this.#trip?.connected === true);
    const leave = (): void => {
      if (isWorkedOn || this.#state === 'checking') this.#settle(this.#delivery?.used() ?? { outputTokens: 0 });
      else this.#end(() => this.#permit.cancel());
    };
    const stops = this.#policy.onClientGone === 'cancel';
    this.#isGone = isWorkedOn && (!stops || this.#permit.loadsForOthers);
    if (!this.#isGone) leave();
    else this.#delivery?.leave();
    if (this.#isGone && stops) afterLoad(this.#permit, this.#context.limiter.clock, leave);
  }

  #settle(usage: Usage): void {
    const { reserved } = this.#permit;
    this.#record.usage = { inputTokens: reserved.inputTokens, ...usage };
    if (usage.inputTokens !== undefined) this.#record.reserved = reserved;
    this.#end(() => {
      this.#permit.settle(usage);
      this.#record.charged = this.#permit.charged;
    });
  }

  /** The only way into `ended`, so the only place where a permit ends. False when it was there already. */
  #end(endPermit: () => void): boolean {
    if (this.#state === 'ended') return false;
    this.#state = 'ended';
    this.#total.cancel();
    this.#delivery?.stop();
    // First out of the line for another backend, then the permit: the line gives back what it holds.
    this.#waiting?.abort();
    // A body that was read to its end leaves a connection to be used again. Any other connection is closed before its slot
    // is given away: the backend would see one request more than it has slots.
    const over = (): void => {
      endPermit();
      this.#tellOver();
    };
    if (this.#trip === undefined || this.#answer?.isEnded === true) over();
    else this.#trip.destroy(over);
    return true;
  }
}
