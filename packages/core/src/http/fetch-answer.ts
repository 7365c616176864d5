/**
 * Counts the body of a `Response` as it is read, and ends the permit with it: at its end, when whoever reads it cancels it,
 * when it fails, when its budget is spent. An answer that is dropped unread gives its permit back when its memory is
 * reclaimed, which may be late; whoever does not want a body should cancel it.
 */
import { forgetDropped, whenDropped } from '../kernel/dropped.js';
import { Answer, type AnswerOptions, isBodyless, isStream } from './answer.js';
import { ClientGoneError } from './client-gone.js';
import { mergeHeaders } from './headers.js';
import type { Passage, Turned } from './passage.js';

export interface FetchAnswerOptions {
  readonly method: string;
  /** Aborts when nobody wants the answer any more. */
  readonly signal: AbortSignal | undefined;
  readonly policy: AnswerOptions;
  /** Set beside what other limiters have set. */
  readonly headers?: Readonly<Record<string, string>>;
  /** The body is not compressed, whatever its headers say: `fetch` has undone it. */
  readonly decoded?: boolean;
}

type Source = ReadableStreamDefaultReader<Uint8Array>;

/**
 * Runs what answers the request, and returns its answer as one that is counted. What it throws costs no tokens and is passed
 * on; when nobody wants the answer any more before it has begun, this rejects with the signal's reason.
 */
export async function answerThrough(
  passage: Passage,
  respond: () => Response | Promise<Response>,
  options: FetchAnswerOptions,
): Promise<Response> {
  const { signal } = options;
  const answer = new Answer(passage, options.policy);
  const interrupted = new Interruption(passage.permit.signal, signal);
  const responding = Promise.resolve().then(respond);
  try {
    const response = await Promise.race([responding, interrupted.promise]);
    if (response !== undefined) return counted(response, passage, answer, options);
  } catch (error) {
    if (!signal?.aborted) answer.begin({ status: 500, contentType: '', bodyless: true, encoded: false });
    answer.close({ delivered: !signal?.aborted, refused: false });
    discard(responding);
    throw error;
  } finally {
    interrupted.forget();
  }
  discard(responding);
  const turned = passage.turn(answer.whyStopped);
  answer.cut();
  answer.close({ delivered: true, refused: false });
  return refusalResponse(turned, options.method);
}

/** Resolves when the limiter wants the work to end, rejects when nobody wants its answer. */
class Interruption {
  readonly promise: Promise<undefined>;
  readonly forget: () => void;

  constructor(limiter: AbortSignal, client: AbortSignal | undefined) {
    let forget = (): void => {};
    this.promise = new Promise((resolve, reject) => {
      const stop = (): void => resolve(undefined);
      const leave = (): void => reject(client?.reason);
      limiter.addEventListener('abort', stop, { once: true });
      client?.addEventListener('abort', leave, { once: true });
      forget = () => {
        limiter.removeEventListener('abort', stop);
        client?.removeEventListener('abort', leave);
      };
      if (limiter.aborted) stop();
      if (client?.aborted) leave();
    });
    this.forget = forget;
  }
}

/** An answer that comes too late: whoever makes it is told to stop. */
function discard(responding: Promise<Response>): void {
  responding.then((response) => response.body?.cancel()).catch(() => {});
}

function counted(response: Response, passage: Passage, answer: Answer, options: FetchAnswerOptions): Response {
  const { status } = response;
  // An upgrade is no answer that could be made anew, and what follows it is not HTTP.
  if (status < 200) {
    answer.begin({ status, contentType: '', bodyless: true, encoded: false });
    answer.close({ delivered: true, refused: false });
    return response;
  }
  const headers = new Headers(response.headers);
  const refused = status >= 400 && headers.has('x-headgate-reason');
  const ours = mergeHeaders((name) => headers.get(name) ?? undefined, options.headers ?? {});
  for (const [name, value] of Object.entries(ours)) headers.set(name, value);
  const contentType = headers.get('content-type') ?? '';
  const encoded = options.decoded !== true && (headers.get('content-encoding') ?? 'identity') !== 'identity';
  const bodyless = isBodyless(options.method, status) || response.body === null;
  answer.begin({ status, contentType, bodyless, encoded });
  if (answer.metered && isStream(contentType)) headers.delete('content-length');
  const init = { status, statusText: response.statusText, headers };
  if (bodyless) {
    response.body?.cancel().catch(() => {});
    answer.close({ delivered: true, refused });
    return new Response(null, init);
  }
  return new Response(new BodyTap(response.body!.getReader(), passage, answer, refused, options.signal).stream(), init);
}

class BodyTap {
  readonly #source: Source;
  readonly #answer: Answer;
  readonly #passage: Passage;
  readonly #refused: boolean;
  readonly #signal: AbortSignal | undefined;
  readonly #onLeave = (): void => this.leave();
  readonly #onStop = (): void => this.#stop();
  /** How the stream is to end instead of with its source: with these bytes, or broken off. */
  #ending: { readonly bytes: Uint8Array | undefined; readonly reason: unknown } | undefined;

  constructor(source: Source, passage: Passage, answer: Answer, refused: boolean, signal: AbortSignal | undefined) {
    this.#source = source;
    this.#passage = passage;
    this.#answer = answer;
    this.#refused = refused;
    this.#signal = signal;
  }

  /** Nothing that lives longer than the stream may hold on to it, or it would never count as dropped. */
  stream(): ReadableStream<Uint8Array> {
    const stream = new ReadableStream<Uint8Array>(
      {
        pull: (controller) => this.#pull(controller),
        cancel: (reason) => this.leave(reason),
      },
      { highWaterMark: 0 },
    );
    whenDropped(stream, () => this.leave(), this);
    this.#passage.permit.signal.addEventListener('abort', this.#onStop, { once: true });
    this.#signal?.addEventListener('abort', this.#onLeave, { once: true });
    if (this.#signal?.aborted) this.leave();
    return stream;
  }

  async #pull(controller: ReadableStreamDefaultController<Uint8Array>): Promise<void> {
    const answer = this.#answer;
    try {
      for (;;) {
        const { done, value } = await this.#source.read();
        if (this.#ending !== undefined) return this.#finish(controller);
        if (done) {
          const last = answer.metered ? answer.end() : undefined;
          if (last !== undefined && last.length > 0) controller.enqueue(last);
          controller.close();
          return this.#close(true);
        }
        const bytes = answer.metered ? answer.push(value) : value;
        if (bytes !== undefined && bytes.length > 0) controller.enqueue(bytes);
        if (answer.isCut) {
          controller.close();
          answer.tellSpent();
          this.#cancelSource(this.#passage.permit.signal.reason);
          return this.#close(true);
        }
        // Clients that know the last object when they see it read no further, so that the rest is read for them.
        if (bytes !== undefined && bytes.length > 0 && !answer.complete) return;
      }
    } catch (error) {
      this.#close(false);
      controller.error(error);
    }
  }

  #finish(controller: ReadableStreamDefaultController<Uint8Array>): void {
    const { bytes, reason } = this.#ending!;
    if (bytes === undefined) controller.error(reason);
    else {
      controller.enqueue(bytes);
      controller.close();
    }
    this.#close(bytes !== undefined);
  }

  /** The limiter wants the work to end. */
  #stop(): void {
    if (this.#answer.closed || this.#answer.isCut) return;
    const { reason } = this.#passage.permit.signal;
    this.#ending = { bytes: this.#answer.fail(), reason };
    this.#cancelSource(reason);
    // Nobody may ever read on; what was delivered is known now.
    this.#close(false);
  }

  /** Nobody wants the rest. */
  leave(reason: unknown = new ClientGoneError()): void {
    if (this.#answer.closed) return;
    this.#ending ??= { bytes: undefined, reason: this.#signal?.aborted ? this.#signal.reason : reason };
    this.#close(false);
    this.#cancelSource(reason);
  }

  #cancelSource(reason: unknown): void {
    this.#source.cancel(reason).catch(() => {});
  }

  #close(delivered: boolean): void {
    forgetDropped(this);
    this.#passage.permit.signal.removeEventListener('abort', this.#onStop);
    this.#signal?.removeEventListener('abort', this.#onLeave);
    this.#answer.close({ delivered, refused: this.#refused });
  }
}

/** A refusal as a `Response`. */
export function refusalResponse({ status, headers, body }: Turned, method: string): Response {
  return new Response(method === 'HEAD' ? null : body, { status, headers });
}
