/**
 * Passes the body of a backend's answer on as it comes, past the meter. A client that reads slowly slows the backend: when
 * the client's connection takes no more, the backend's is not read, and no more is held than the two have in their buffers.
 */
import type { ServerResponse } from 'node:http';
import type { AnswerMeter, Clock, Permit, Refusal, Usage } from '@headgate/core';
import type { Answer } from './answer.js';
import type { RequestRecord } from './record.js';
import { IdleTimer } from './timers.js';

/** When all has been said only the end of the transfer is to come, which holds a slot until it does, ms. */
const endMsMax = 1_000;

export interface DeliveryOptions {
  readonly answer: Answer;
  readonly response: ServerResponse;
  readonly meter: AnswerMeter;
  readonly permit: Permit;
  readonly record: RequestRecord;
  readonly clock: Clock;
  /** Longest time the backend may send nothing while the client takes what there is, ms. */
  readonly idleMs: number;
}

/** Each may be called once, and only one of them. */
export interface DeliveryListener {
  /** The output cap or a budget is used up: the answer must end here. */
  onStopped(): void;
  /** The backend's body ended well-formed. `whole`: and it was all there. */
  onEnd(whole: boolean): void;
  onDead(): void;
  onIdle(): void;
}

export class Delivery {
  readonly #options: DeliveryOptions;
  readonly #listener: DeliveryListener;
  readonly #idle: IdleTimer;
  #over = false;
  #meterEnded = false;
  #isPaused = false;
  /** Whether the answer goes on beyond what came with its head, and so may come to a stop. */
  #isWatched = false;
  /** The client has gone. */
  #left = false;

  constructor(options: DeliveryOptions, listener: DeliveryListener) {
    this.#options = options;
    this.#listener = listener;
    this.#idle = new IdleTimer(options.clock, options.idleMs, () => this.#tell(() => listener.onIdle()));
  }

  start(): void {
    const { answer, response } = this.#options;
    response.on('drain', () => {
      if (this.#over) return;
      this.#isPaused = false;
      this.#idle.touch();
      answer.resume();
    });
    answer.read({
      onData: (chunk) => this.#onChunk(chunk),
      onEnd: () => this.#onEnd(),
      onBroken: () => this.#tell(() => this.#listener.onDead()),
    });
    if (!this.#over) process.nextTick(() => this.#goOn());
  }

  /** The client has gone: what the backend still produces is counted, and passed to nobody. */
  leave(): void {
    this.#left = true;
    this.#isPaused = false;
    if (this.#over) return;
    this.#idle.touch();
    this.#options.answer.resume();
  }

  /** Ends the answer as one that reached its length. */
  finish(): void {
    if (this.#left) return;
    const { meter, permit, record, response } = this.#options;
    const bytes = meter.finish({ inputTokens: permit.reserved.inputTokens, ...this.used() });
    record.bytes += bytes.length;
    response.end(bytes);
  }

  end(): void {
    if (!this.#left) this.#options.response.end();
  }

  /** Ends the answer with an error inside it, or where it has no place for one by breaking the connection. */
  fail(refusal: Refusal): void {
    if (this.#left) return;
    const { answer, meter, record, response } = this.#options;
    const bytes = answer.isStream ? meter.fail(refusal) : undefined;
    if (bytes === undefined || bytes.length === 0) {
      response.destroy();
      return;
    }
    record.bytes += bytes.length;
    response.end(bytes);
  }

  /** The last object of the stream went by: what is still to come is the end of the transfer, and no part of the answer. */
  get isWhole(): boolean {
    const { answer, meter } = this.#options;
    return answer.isStream && meter.complete;
  }

  /** Passes nothing more on. */
  stop(): void {
    this.#over = true;
    this.#idle.stop();
  }

  /** What was used: as the backend says, else as we counted. */
  used(): Usage {
    const { answer, meter } = this.#options;
    // A body that is no stream is counted at its end, and one that broke off by what there is of it.
    if (!this.#meterEnded && !answer.isStream) this.#endMeter();
    const { usage } = meter;
    if (usage === undefined && answer.status >= 400) return { inputTokens: 0, outputTokens: 0 };
    if (usage?.outputTokens !== undefined) return usage;
    return { outputTokens: meter.outputTokens, ...usage };
  }

  /** What came with the head leaves with it, in one go, and needs no timer; a head that came alone does not wait. */
  #goOn(): void {
    const { record, response } = this.#options;
    if (this.#over) return;
    this.#isWatched = true;
    if (!this.#isPaused) this.#idle.touch();
    if (record.bytes === 0 && !this.#left && !response.destroyed) response.flushHeaders();
  }

  #onChunk(chunk: Buffer): void {
    if (this.#over) return;
    const { answer, meter } = this.#options;
    if (this.#isWatched) this.#idle.touch();
    const { bytes, stopped } = meter.push(chunk, (count) => this.#count(count));
    if (this.isWhole) this.#idle.shorten(endMsMax);
    if (bytes !== undefined && !this.#write(bytes)) {
      // While the client does not read, the backend is not idle.
      answer.pause();
      this.#isPaused = true;
      this.#idle.stop();
    }
    if (stopped) this.#tell(() => this.#listener.onStopped());
  }

  #count(outputTokens: number): 'continue' | 'stop' {
    const { clock, permit, record } = this.#options;
    if (outputTokens > 0) record.firstTokenMs ??= clock.now() - record.startedMs;
    return permit.meter(outputTokens);
  }

  #onEnd(): void {
    if (this.#over) return;
    const { answer } = this.#options;
    const { bytes, complete } = this.#endMeter();
    if (bytes !== undefined) this.#write(bytes);
    // Only of a stream is it known what its end looks like; an answer of an error is whole as it is.
    const whole = complete || !answer.isStream || answer.status >= 300;
    this.#tell(() => this.#listener.onEnd(whole));
  }

  #endMeter(): ReturnType<AnswerMeter['end']> {
    this.#meterEnded = true;
    return this.#options.meter.end();
  }

  #write(bytes: Uint8Array): boolean {
    if (this.#left) return true;
    const { record, response } = this.#options;
    record.bytes += bytes.length;
    return response.write(bytes);
  }

  #tell(what: () => void): void {
    if (this.#over) return;
    this.stop();
    what();
  }
}
