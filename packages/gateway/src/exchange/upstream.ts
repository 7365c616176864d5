/**
 * Sends requests to backends. Each try of a request is one trip:
 *
 *   connecting --connected--> waiting --response--> onAnswer     the answer's body is the caller's
 *        \________ error or timeout ________/-----> onFailure
 *
 * Exactly one of the two is called, once, unless the trip is ended before.
 */
import { Readable } from 'node:stream';
import type { Backend, Clock, RetryCause, TimeoutRules, Timer } from '@headgate/core';
import type { Dispatcher } from 'undici';
import { Answer, type AnswerHeaders } from './answer.js';
import type { SentHeaders } from './headers.js';
import { type Link, Links } from './link.js';
import { targetOf } from './target.js';

/** `stale` is a kept connection that the backend had closed: the request never reached it. */
export type FailureCause = Extract<RetryCause, 'connect' | 'reset' | 'first-byte'> | 'stale';

export interface TripFailure {
  readonly cause: FailureCause;
  /** For our log, such as `ECONNREFUSED`. */
  readonly code: string;
}

export interface Outgoing {
  readonly method: string;
  /** Decoded; it is encoded anew. */
  readonly path: string;
  /** With its question mark, or empty. */
  readonly query: string;
  readonly headers: SentHeaders;
  readonly body: Buffer | Readable | undefined;
}

export interface TripListener {
  onAnswer(answer: Answer): void;
  onFailure(failure: TripFailure): void;
}

/** What a trip has of those who sent it. */
interface TripPlace {
  readonly backend: string;
  readonly clock: Clock;
  readonly timeouts: TimeoutRules;
  readonly links: Links;
  readonly onOver: (trip: Trip) => void;
}

export class Trip implements Dispatcher.DispatchHandler {
  readonly #place: TripPlace;
  readonly #link: Link;
  /** One that is read while it is sent. */
  readonly #body: Readable | undefined;
  readonly #listener: TripListener;
  #timer: Timer | undefined;
  /** When it began to connect, then to wait. */
  #sinceMs: number;
  #answer: Answer | undefined;
  /** Answered, failed or given up: the listener is not called any more. */
  #over = false;
  /** The connection has gone back to be used again, or is being closed. */
  #isLinkGone = false;
  #bytesBefore = 0;
  /** Whether the backend's connection stood, so that it may have begun to work. */
  connected = false;
  /** Its index among those that wait; -1 once it does not. */
  at = -1;

  constructor(place: TripPlace, link: Link, body: Outgoing['body'], listener: TripListener) {
    this.#place = place;
    this.#link = link;
    this.#body = body instanceof Readable ? body : undefined;
    this.#listener = listener;
    this.#sinceMs = place.clock.now();
    this.#checkTime();
  }

  get backend(): string {
    return this.#place.backend;
  }

  onRequestStart(): void {
    if (this.#over) return;
    this.connected = true;
    this.#bytesBefore = this.#link.bytesRead;
    this.#sinceMs = this.#place.clock.now();
  }

  onResponseStart(controller: Dispatcher.DispatchController, status: number, headers: AnswerHeaders): void {
    // What comes before the answer, such as 103 Early Hints. Less than 100 is no status at all.
    if (this.#over || (status >= 100 && status < 200)) return;
    this.#end();
    const answer = new Answer(status, headers, controller);
    this.#answer = answer;
    this.#listener.onAnswer(answer);
    if (!answer.isRead) controller.pause();
  }

  onResponseData(_controller: Dispatcher.DispatchController, chunk: Buffer): void {
    this.#answer?.push(chunk);
  }

  onResponseEnd(): void {
    if (this.#isLinkGone) return;
    this.#isLinkGone = true;
    // First, because the end of this request may begin the next one.
    this.#place.links.give(this.#link);
    this.#answer?.end();
  }

  onResponseError(_controller: Dispatcher.DispatchController, error: Error): void {
    const { code = error.name } = error as NodeJS.ErrnoException;
    this.#answer?.break();
    if (this.#over) return;
    if (!this.connected) this.#fail('connect', code);
    // Nothing at all came back over a connection that was kept: the backend had closed it before.
    else if (this.#link.isReused && this.#link.bytesRead === this.#bytesBefore) this.#fail('stale', code);
    else this.#fail('reset', code);
  }

  /**
   * Gives the trip up, answered or not; the listener is not called any more.
   * @param done called when the connection is closed, so that the backend can learn of it before it gets another request
   */
  destroy(done: () => void = () => {}): void {
    this.#end();
    if (this.#isLinkGone) {
      done();
      return;
    }
    this.#isLinkGone = true;
    if (this.connected) this.#link.destroy(done);
    else {
      // The backend has nothing of it.
      this.#link.destroy();
      queueMicrotask(done);
    }
    this.#body?.destroy();
  }

  /** The backend will give no first byte. */
  giveUp(): void {
    if (this.connected) this.#fail('first-byte', 'EHUNG');
  }

  /** One timer for both times, which is set anew only when it goes off: most answers begin before. */
  readonly #checkTime = (): void => {
    const { clock, timeouts } = this.#place;
    const allowedMs = this.connected ? timeouts.firstByteMs : timeouts.connectMs;
    const restMs = this.#sinceMs + allowedMs - clock.now();
    if (restMs <= 0) this.#fail(this.connected ? 'first-byte' : 'connect', 'ETIMEDOUT');
    else this.#timer = clock.after(Math.min(restMs, timeouts.firstByteMs), this.#checkTime);
  };

  #fail(cause: FailureCause, code: string): void {
    if (this.#over) return;
    this.destroy(() => this.#listener.onFailure({ cause, code }));
  }

  #end(): void {
    this.#over = true;
    this.#place.onOver(this);
    this.#timer?.cancel();
    this.#timer = undefined;
  }
}

export class Upstreams {
  readonly #clock: Clock;
  readonly #links = new Links();
  /** Those that have neither an answer nor failed, in no order. */
  readonly #waiting: Trip[] = [];
  readonly #onOver = (trip: Trip): void => this.#forget(trip);

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  send(backend: Backend, outgoing: Outgoing, timeouts: TimeoutRules, listener: TripListener): Trip {
    const target = targetOf(backend);
    const link = this.#links.take(target);
    const { method, headers, body } = outgoing;
    const place = { backend: backend.name, clock: this.#clock, timeouts, links: this.#links, onOver: this.#onOver };
    const trip = new Trip(place, link, body, listener);
    trip.at = this.#waiting.push(trip) - 1;
    const path = target.basePath + encodedPath(outgoing.path) + outgoing.query;
    link.send({ method: method as Dispatcher.HttpMethod, path, headers, body: body ?? null }, trip);
    return trip;
  }

  /** Its place goes to the last one. Not a `Set`, whose former tables would keep what they held; see `List` in core. */
  #forget(trip: Trip): void {
    const { at } = trip;
    if (at < 0) return;
    trip.at = -1;
    const last = this.#waiting.pop()!;
    if (last === trip) return;
    this.#waiting[at] = last;
    last.at = at;
  }

  /** Fails all trips that wait for the first byte of a backend, as if their time were over. */
  giveUp(backend: string): void {
    for (const trip of [...this.#waiting]) if (trip.backend === backend) trip.giveUp();
  }

  /** Closes the kept connections. */
  close(): void {
    this.#links.close();
  }
}

const plainPath = /^[\w/.:@-]*$/;

/** Each segment encoded whole, but for the colon and at sign that model names are full of. */
export function encodedPath(path: string): string {
  if (plainPath.test(path)) return path;
  return path
    .split('/')
    .map((segment) => encodeURIComponent(segment).replace(/%3A/g, ':').replace(/%40/g, '@'))
    .join('/');
}
