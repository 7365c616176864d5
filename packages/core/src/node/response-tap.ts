/**
 * Reads an answer as a handler writes it, and ends the permit when the answer is closed. Bytes pass unchanged and in order;
 * what a handler gets back (backpressure, callbacks) is what the response itself says.
 *
 * With `onClientGone: finish` an answer whose client has left goes on until the handler ends it, or writes nothing for as
 * long as a backend may be silent: what is written is counted and dropped. What was piped ends with the pipe, which ends with
 * the response, and is charged what was expected of it.
 */
import { Answer, isBodyless, isStream, joined } from '../http/answer.js';
import type { Passage } from '../http/passage.js';
import type { Clock, Timer } from '../kernel/clock.js';
import type { Policy } from '../policy/policy.js';
import { bufferOf } from './body.js';
import { breakOff, whenClosed } from './departure.js';
import type { NodeResponse } from './message.js';
import { writeRefusal } from './refusal.js';

/** What of a limiter counts for an answer. */
export interface TapOptions {
  readonly policy: Policy;
  readonly clock: Clock;
}

type Method = (...args: never[]) => unknown;

interface Methods {
  writeHead: Method;
  write: Method;
  end: Method;
}

export interface TappedResponse extends NodeResponse, Methods {}

/** From now on the answer is counted, and the passage's permit ends with it. Call once, before the handler runs. */
export function tapResponse(res: TappedResponse, passage: Passage, options: TapOptions): void {
  new ResponseTap(res, passage, options);
}

class ResponseTap {
  readonly #res: TappedResponse;
  readonly #passage: Passage;
  readonly #answer: Answer;
  readonly #original: Readonly<Methods>;
  readonly #options: TapOptions;
  /** The client has left, and the handler goes on. */
  #left = false;
  #takenOver = false;
  /** What HTTP/2 ends an answer with it writes as a handler would, and it has been here already. */
  #isEnding = false;
  #idle: Timer | undefined;
  #draining: Timer | undefined;

  constructor(res: TappedResponse, passage: Passage, options: TapOptions) {
    this.#res = res;
    this.#passage = passage;
    this.#options = options;
    this.#answer = new Answer(passage, options.policy);
    this.#original = { writeHead: res.writeHead, write: res.write, end: res.end };
    // A page of the application has nothing to count and costs as little as it can; only its end matters.
    if (passage.route.body !== 'opaque' || options.policy.onClientGone === 'finish') this.#takeOver();
    passage.permit.whenAborted(() => this.#aborted());
    whenClosed(res.req, res, (delivered) => {
      if (!delivered && this.#goesOn()) this.#leave();
      else this.#close(delivered);
      // Whoever was held up by the cut goes on, and learns from `close` that nobody listens.
      if (this.#answer.isCut) res.emit('drain');
    });
  }

  /** From now on everything that is written comes by here. */
  #takeOver(): void {
    const res = this.#res;
    this.#takenOver = true;
    const writeHead = (...args: unknown[]): unknown => this.#writeHead(args);
    const write = (chunk: unknown, ...rest: unknown[]): unknown => this.#write(chunk, rest);
    const end = (...args: unknown[]): unknown => this.#end(args);
    res.writeHead = writeHead;
    res.write = write;
    res.end = end;
  }

  #close(delivered: boolean): void {
    this.#idle?.cancel();
    this.#draining?.cancel();
    this.#answer.close({ delivered, refused: this.#wasRefused() });
  }

  #goesOn(): boolean {
    const { unknown, metered } = this.#answer;
    return this.#options.policy.onClientGone === 'finish' && !this.#passage.permit.ended && (unknown || metered);
  }

  #leave(): void {
    this.#left = true;
    this.#res.once('unpipe', () => this.#close(false));
    this.#wait();
    // Whoever was held up by a slow reader goes on.
    this.#drain();
  }

  /** Until the handler writes again, for as long as it may be silent. */
  #wait(): void {
    const { clock, policy } = this.#options;
    this.#idle?.cancel();
    this.#idle = clock.after(policy.pool.timeout.idleMs, () => this.#close(false));
  }

  /** Tells that there is room, a turn of the event loop later, so that no source that never waits keeps others from theirs. */
  #drain(): void {
    this.#draining ??= this.#options.clock.after(0, () => {
      this.#draining = undefined;
      this.#res.emit('drain');
    });
  }

  /** Counts what the handler writes to nobody. */
  #drop(chunk: unknown, encoding: unknown): void {
    const answer = this.#answer;
    if (answer.closed) return;
    this.#wait();
    if (answer.unknown) this.#begin(this.#res.statusCode);
    const bytes = answer.metered ? bytesOf(chunk, encoding) : undefined;
    if (bytes === undefined) return;
    answer.push(bytes);
    if (!answer.isCut) return;
    answer.tellSpent();
    this.#close(false);
  }

  #call(name: keyof Methods, ...args: unknown[]): unknown {
    if (name !== 'end') return Reflect.apply(this.#original[name], this.#res, args);
    this.#isEnding = true;
    try {
      return Reflect.apply(this.#original.end, this.#res, args);
    } finally {
      this.#isEnding = false;
    }
  }

  /** Headers given along with the head are set one by one, so that `#begin` sees them whichever way they came. */
  #writeHead(args: unknown[]): unknown {
    const [status, second, third] = args;
    if (this.#left && this.#answer.unknown && typeof status === 'number') {
      setAll(this.#res, typeof second === 'string' ? third : (third ?? second));
      this.#begin(status);
    }
    if (this.#answer.isCut || this.#left) return this.#res;
    if (this.#res.headersSent || typeof status !== 'number') return this.#call('writeHead', ...args);
    const message = typeof second === 'string' ? [second] : [];
    setAll(this.#res, typeof second === 'string' ? third : (third ?? second));
    if (this.#answer.unknown) this.#begin(status);
    return this.#call('writeHead', status, ...message);
  }

  #begin(status: number): void {
    const res = this.#res;
    const contentType = String(res.getHeader('content-type') ?? '');
    const encoded = (res.getHeader('content-encoding') ?? 'identity') !== 'identity';
    this.#answer.begin({ status, contentType, encoded, bodyless: isBodyless(res.req.method, status) });
    if (this.#answer.metered && isStream(contentType)) res.removeHeader('content-length');
  }

  #write(chunk: unknown, rest: unknown[]): unknown {
    const answer = this.#answer;
    if (this.#isEnding) return this.#call('write', chunk, ...rest);
    if (this.#left) {
      this.#drop(chunk, rest[0]);
      later(rest.find((arg) => typeof arg === 'function'));
      this.#drain();
      return false;
    }
    if (answer.unknown && !this.#res.headersSent) {
      // As Node itself does at the first write; through the response, so that others who watch the head see it too.
      Reflect.apply(this.#res.writeHead, this.#res, [this.#res.statusCode]);
    }
    const bytes = answer.metered ? bytesOf(chunk, rest[0]) : undefined;
    const callback = rest.find((arg) => typeof arg === 'function');
    if (!answer.isCut) {
      if (bytes === undefined || bytes.length === 0) return this.#call('write', chunk, ...rest);
      const out = this.#push(bytes);
      if (out === bytes) return this.#call('write', chunk, ...rest);
      if (out !== undefined) return this.#call('write', out, callback);
    }
    later(callback);
    // A source that never waits would keep the event loop from ever closing what was cut.
    return answer.isCut ? answer.closed : !this.#res.writableNeedDrain;
  }

  #end(args: unknown[]): unknown {
    const [res, answer] = [this.#res, this.#answer];
    const callback = args.find((arg) => typeof arg === 'function');
    if (this.#left) {
      this.#drop(typeof args[0] === 'function' ? undefined : args[0], args[1]);
      if (answer.metered) answer.end();
      this.#close(true);
      later(callback);
      return res;
    }
    if (answer.isCut) {
      // A refusal that took the answer's place is ended later where an upload has to be read on before.
      if (!res.writableEnded) this.#call('end');
      later(callback);
      return res;
    }
    if (answer.unknown) this.#begin(res.statusCode);
    if (!answer.metered || res.writableEnded) return this.#call('end', ...args);
    const bytes = typeof args[0] === 'function' ? undefined : bytesOf(args[0], args[1]);
    const out = bytes === undefined ? undefined : this.#push(bytes);
    if (answer.isCut) {
      later(callback);
      return res;
    }
    const last = answer.end();
    // As it was given, Node sends a text together with its head.
    if (out === bytes && last === undefined) return this.#call('end', ...args);
    const all = joined(out, last);
    return all === undefined ? this.#call('end', callback) : this.#call('end', all, callback);
  }

  /** What of these bytes is for the client now; undefined also when the answer was cut by them. */
  #push(bytes: Uint8Array): Uint8Array | undefined {
    const out = this.#answer.push(bytes);
    if (!this.#answer.isCut) return out;
    this.#call('end', out);
    this.#answer.tellSpent();
    return undefined;
  }

  /** By another limiter further in, or behind a proxy. */
  #wasRefused(): boolean {
    const { headersSent, statusCode } = this.#res;
    return headersSent && statusCode >= 400 && this.#res.getHeader('x-headgate-reason') !== undefined;
  }

  /** The limiter wants the work to end: its time to drain is over. */
  #aborted(): void {
    const [res, answer] = [this.#res, this.#answer];
    if (!this.#takenOver) this.#takeOver();
    if (answer.closed || answer.isCut || res.writableEnded) return;
    if (this.#left) {
      this.#close(false);
      return;
    }
    if (!res.headersSent) {
      writeRefusal(res as Parameters<typeof writeRefusal>[0], this.#passage.turn(answer.whyStopped));
      answer.cut();
      return;
    }
    const ending = answer.fail();
    if (ending === undefined) breakOff(res);
    else this.#call('end', ending);
  }
}

function later(callback: unknown): void {
  if (typeof callback === 'function') queueMicrotask(() => callback());
}

/** The chunk as bytes; undefined for what Node would not take either, so that Node can say so. */
function bytesOf(chunk: unknown, encoding: unknown): Uint8Array | undefined {
  if (typeof chunk === 'string') return bufferOf(chunk, typeof encoding === 'string' ? encoding : undefined);
  return chunk instanceof Uint8Array ? chunk : undefined;
}

/** Headers as `writeHead` takes them: an object, a flat list of names and values, or a list of pairs. */
function setAll(res: NodeResponse, headers: unknown): void {
  if (typeof headers !== 'object' || headers === null) return;
  if (!Array.isArray(headers)) {
    for (const [name, value] of Object.entries(headers)) if (value !== undefined) res.setHeader(name, value);
    return;
  }
  const values = new Map<string, (number | string | readonly string[])[]>();
  for (const [name, value] of pairsOf(headers)) values.set(name, [...(values.get(name) ?? []), value]);
  for (const [name, given] of values) {
    res.setHeader(name, given.length === 1 ? given[0]! : given.flat().map(String));
  }
}

type Pair = readonly [string, number | string | readonly string[]];

function pairsOf(headers: readonly unknown[]): readonly Pair[] {
  if (Array.isArray(headers[0])) return headers as Pair[];
  return headers.flatMap((name, i) => (i % 2 === 0 ? [[name, headers[i + 1]] as unknown as Pair] : []));
}
