/**
 * What a backend answers. Its body comes only once somebody reads it, and no faster than it is read: until then, and while it
 * is paused, nothing is taken from the backend's connection.
 */
import type { Dispatcher } from 'undici';

export type AnswerHeaders = Readonly<Record<string, string | string[] | undefined>>;

/** `onEnd` or `onBroken` comes last, and only one of them. */
export interface AnswerReader {
  onData(chunk: Buffer): void;
  /** The body ended as HTTP says that it should. */
  onEnd(): void;
  onBroken(): void;
}

export class Answer {
  readonly status: number;
  /** Lower case; what stood twice is a list. */
  readonly headers: AnswerHeaders;
  readonly contentType: string;
  /** It comes event by event. */
  readonly isStream: boolean;
  readonly #controller: Dispatcher.DispatchController;
  #reader: AnswerReader | undefined;
  #state: 'open' | 'ended' | 'broken' = 'open';
  #paused = false;

  constructor(status: number, headers: AnswerHeaders, controller: Dispatcher.DispatchController) {
    this.status = status;
    this.headers = headers;
    this.#controller = controller;
    this.contentType = firstOf(headers['content-type']);
    const type = this.contentType.toLowerCase();
    this.isStream = type.includes('event-stream') || type.includes('ndjson');
  }

  get isRead(): boolean {
    return this.#reader !== undefined;
  }

  /** Whether the whole body has been here. */
  get isEnded(): boolean {
    return this.#state === 'ended';
  }

  get isBroken(): boolean {
    return this.#state === 'broken';
  }

  /** Once. Where the end is here already, the reader is told of it at once. */
  read(reader: AnswerReader): void {
    this.#reader = reader;
    if (this.#state === 'ended') reader.onEnd();
    else if (this.#state === 'broken') reader.onBroken();
    else this.#controller.resume();
  }

  pause(): void {
    if (this.#paused || this.#state !== 'open') return;
    this.#paused = true;
    this.#controller.pause();
  }

  resume(): void {
    // Of a body that has ended the connection may carry the next answer already.
    if (!this.#paused || this.#state !== 'open') return;
    this.#paused = false;
    this.#controller.resume();
  }

  /** For whoever brings it; a chunk comes only when it is read. */
  push(chunk: Buffer): void {
    this.#reader?.onData(chunk);
  }

  end(): void {
    this.#state = 'ended';
    this.#reader?.onEnd();
  }

  break(): void {
    if (this.#state !== 'open') return;
    this.#state = 'broken';
    this.#reader?.onBroken();
  }
}

export function firstOf(value: string | readonly string[] | undefined): string {
  return (typeof value === 'string' ? value : value?.[0]) ?? '';
}
