/**
 * Meters a stream event by event. Bytes pass as they came, and by reference, wherever they can; an event is held back
 * until it is whole only when something is to be decided about it first: whether it may still be passed on (`onTokens`),
 * or whether it must be changed (`StreamFormat.rewrites`).
 */
import type { AnswerMeter, Metered, Refusal, Usage } from '@headgate/core';
import { concat, encode } from './bytes.js';
import { sizeTokens } from './delta.js';
import type { Framing } from './framing.js';

/** What a format makes of one event. */
export interface SeenEvent {
  readonly tokens: number;
  /** The bytes for the client, where they are not the event's own; empty drops the event. */
  readonly instead?: Uint8Array;
  /** Called when the event is passed on, never for one that was stopped. */
  readonly delivered?: () => void;
}

/** One kind of stream: what its events mean and how it ends. One format for one stream. */
export interface StreamFormat {
  readonly framing: Framing;
  /** Some events may have to be changed on their way. */
  readonly rewrites: boolean;
  readonly usage: Usage | undefined;
  readonly complete: boolean;
  see(event: Uint8Array): SeenEvent;
  /** Whether an event too large to hold is content, judged by its first bytes. */
  isContent(head: Uint8Array): boolean;
  /** The first and last bytes of an event that was too large to hold, at its end. */
  seeLarge(head: Uint8Array, tail: Uint8Array): void;
  finish(usage: Usage): string;
  fail(refusal: Refusal): string;
}

/** Largest event that is held whole; a larger one passes through and is counted by its size. */
const eventBytesMax = 1024 * 1024;
const headBytes = 4 * 1024;
const tailBytes = 16 * 1024;

type OnTokens = NonNullable<Parameters<AnswerMeter['push']>[1]>;

/** An event too large to hold, as it goes by. */
interface LargeEvent {
  readonly head: Uint8Array;
  readonly content: boolean;
  tail: Uint8Array;
  bytes: number;
  tokens: number;
}

export class StreamMeter implements AnswerMeter {
  readonly #format: StreamFormat;
  /** The event that has not ended yet: its bytes, and how many of them the client already has. */
  #parts: Uint8Array[] = [];
  #partsBytes = 0;
  #sentBytes = 0;
  #large: LargeEvent | undefined;
  #stopped = false;
  outputTokens = 0;

  constructor(format: StreamFormat) {
    this.#format = format;
  }

  get usage(): Usage | undefined {
    return this.#format.usage;
  }

  get complete(): boolean {
    return this.#format.complete;
  }

  push(chunk: Uint8Array, onTokens?: OnTokens): Metered {
    if (this.#stopped) return { bytes: undefined, stopped: true };
    const out = new Passage(chunk);
    let from = 0;
    while (from < chunk.length) {
      const end = this.#format.framing.next(chunk, from);
      let passed: number;
      if (end < 0) passed = this.#keep(chunk, from, onTokens, out);
      else if (this.#large !== undefined)
        passed = this.#endLarge(this.#large, chunk.subarray(from, end), onTokens, end);
      else passed = this.#event(chunk, from, end, onTokens, out);
      if (this.#stopped) return { bytes: out.take(passed), stopped: true };
      from = end < 0 ? chunk.length : end;
    }
    return { bytes: out.take(chunk.length), stopped: false };
  }

  end(): { readonly bytes: Uint8Array | undefined; readonly complete: boolean } {
    let bytes: Uint8Array | undefined;
    if (this.#large !== undefined) this.#format.seeLarge(this.#large.head, this.#large.tail);
    else if (this.#partsBytes > 0 && !this.#stopped) {
      // The last event of a well-formed body may lack its end.
      const event = concat(this.#parts)!;
      const seen = this.#format.see(event);
      bytes = this.#sentBytes > 0 ? event.subarray(this.#sentBytes) : (seen.instead ?? event);
      this.#deliver(seen);
      this.#parts = [];
      this.#partsBytes = 0;
      this.#sentBytes += bytes.length;
    }
    return { bytes: bytes?.length ? bytes : undefined, complete: this.complete };
  }

  finish(usage: Usage): Uint8Array {
    return encode(this.#separator() + this.#format.finish(usage));
  }

  fail(refusal: Refusal): Uint8Array {
    return encode(this.#separator() + this.#format.fail(refusal));
  }

  #separator(): string {
    return this.#sentBytes > 0 ? this.#format.framing.separator : '';
  }

  /** A whole event: what was kept of it, and the chunk from `from` to `end`. Returns where the client's part of the chunk ends. */
  #event(chunk: Uint8Array, from: number, end: number, onTokens: OnTokens | undefined, out: Passage): number {
    const part = chunk.subarray(from, end);
    const event = this.#parts.length === 0 ? part : concat([...this.#parts, part])!;
    const keptBytes = this.#partsBytes;
    const sentBytes = this.#sentBytes;
    this.#parts = [];
    this.#partsBytes = 0;
    this.#sentBytes = 0;
    const seen = this.#format.see(event);
    this.#stopped = seen.tokens > 0 && onTokens?.(seen.tokens) === 'stop';
    if (this.#stopped && sentBytes === 0) return from;
    // Where the client has the beginning, neither stopping nor rewriting can take it back: the event passes whole.
    if (sentBytes === 0 && seen.instead !== undefined) out.replace(from, end, seen.instead);
    else out.replace(from, from, event.subarray(sentBytes, keptBytes));
    this.#deliver(seen);
    return end;
  }

  #deliver(seen: SeenEvent): void {
    this.outputTokens += seen.tokens;
    seen.delivered?.();
  }

  /** The chunk from `from` on belongs to an event that has not ended. Returns where the client's part of the chunk ends. */
  #keep(chunk: Uint8Array, from: number, onTokens: OnTokens | undefined, out: Passage): number {
    // A copy: the caller may use its buffer again.
    const part = new Uint8Array(chunk.subarray(from));
    if (this.#large !== undefined) {
      this.#grow(this.#large, part, onTokens);
      return chunk.length;
    }
    const keptBytes = this.#partsBytes;
    this.#parts.push(part);
    this.#partsBytes += part.length;
    const tooLarge = this.#partsBytes > eventBytesMax;
    if ((onTokens !== undefined || this.#format.rewrites) && !tooLarge) {
      out.replace(from, chunk.length);
      return chunk.length;
    }
    if (keptBytes > this.#sentBytes) out.replace(from, from, concat(this.#parts)!.subarray(this.#sentBytes, keptBytes));
    this.#sentBytes = this.#partsBytes;
    if (tooLarge) this.#startLarge(concat(this.#parts)!, onTokens);
    return chunk.length;
  }

  #startLarge(kept: Uint8Array, onTokens: OnTokens | undefined): void {
    const head = kept.slice(0, headBytes);
    this.#large = { head, content: this.#format.isContent(head), tail: new Uint8Array(0), bytes: 0, tokens: 0 };
    this.#parts = [];
    this.#partsBytes = 0;
    this.#grow(this.#large, kept, onTokens);
  }

  #grow(large: LargeEvent, part: Uint8Array, onTokens: OnTokens | undefined): void {
    large.bytes += part.length;
    large.tail = concat([large.tail, part.subarray(-tailBytes)])?.slice(-tailBytes) ?? large.tail;
    if (!large.content) return;
    const tokens = sizeTokens(large.bytes) - large.tokens;
    large.tokens += tokens;
    this.outputTokens += tokens;
    if (tokens > 0 && onTokens?.(tokens) === 'stop') this.#stopped = true;
  }

  #endLarge(large: LargeEvent, part: Uint8Array, onTokens: OnTokens | undefined, end: number): number {
    this.#grow(large, part, onTokens);
    this.#format.seeLarge(large.head, large.tail);
    this.#large = undefined;
    this.#sentBytes = 0;
    return end;
  }
}

/** What becomes of one chunk: the chunk itself, as long as nothing in it is replaced. */
class Passage {
  readonly #chunk: Uint8Array;
  readonly #parts: Uint8Array[] = [];
  /** Start of the run of bytes that passes unchanged. */
  #run = 0;
  #changed = false;

  constructor(chunk: Uint8Array) {
    this.#chunk = chunk;
  }

  /** Leaves out the bytes of the chunk in between and puts others there. */
  replace(from: number, to: number, bytes?: Uint8Array): void {
    if (from === to && !bytes?.length) return;
    if (from > this.#run) this.#parts.push(this.#chunk.subarray(this.#run, from));
    if (bytes?.length) this.#parts.push(bytes);
    this.#run = to;
    this.#changed = true;
  }

  take(to: number): Uint8Array | undefined {
    if (!this.#changed && to === this.#chunk.length) return to === 0 ? undefined : this.#chunk;
    if (to > this.#run) this.#parts.push(this.#chunk.subarray(this.#run, to));
    return concat(this.#parts);
  }
}
