/**
 * Meters an answer that is one JSON object. It passes unchanged and at once: the answer has been made, so there is nothing
 * to cut. A copy is kept to be read at the end, up to a bound; of a longer answer only the last bytes, where every server
 * puts its usage.
 */
import type { AnswerMeter, JsonObject, Metered, Usage } from '@headgate/core';
import { concat, decode } from './bytes.js';
import { parseObject } from './counts.js';
import { sizeTokens } from './delta.js';

export interface JsonAnswer {
  readonly usage: Usage | undefined;
  /** By our own count. */
  readonly outputTokens: number;
  readonly complete: boolean;
}

export interface JsonFormat {
  read(answer: JsonObject): JsonAnswer;
  /** Usage out of the last bytes of an answer too long to be parsed. */
  readTail(tail: string): Usage | undefined;
  /** Whether the length of an answer that could not be parsed stands for tokens; embeddings are long and hold none. */
  readonly isText: boolean;
}

const keptBytesMax = 4 * 1024 * 1024;
const tailBytes = 64 * 1024;
const closeBrace = 0x7d;
const space = 0x20;

export class JsonMeter implements AnswerMeter {
  readonly #format: JsonFormat;
  #parts: Uint8Array[] = [];
  #partsBytes = 0;
  #bytes = 0;
  usage: Usage | undefined;
  outputTokens = 0;
  complete = false;

  constructor(format: JsonFormat) {
    this.#format = format;
  }

  push(chunk: Uint8Array): Metered {
    if (chunk.length === 0) return { bytes: undefined, stopped: false };
    this.#bytes += chunk.length;
    this.#parts.push(new Uint8Array(chunk));
    this.#partsBytes += chunk.length;
    if (this.#bytes > keptBytesMax && this.#partsBytes > 2 * tailBytes) {
      const tail = concat(this.#parts)!.slice(-tailBytes);
      this.#parts = [tail];
      this.#partsBytes = tail.length;
    }
    return { bytes: chunk, stopped: false };
  }

  end(): { readonly bytes: undefined; readonly complete: boolean } {
    const kept = concat(this.#parts) ?? new Uint8Array(0);
    this.#parts = [];
    const answer = this.#bytes > keptBytesMax ? this.#readLong(kept) : this.#read(kept);
    this.usage = answer.usage;
    this.outputTokens = answer.outputTokens;
    this.complete = answer.complete;
    return { bytes: undefined, complete: answer.complete };
  }

  /** An answer that is one JSON object cannot be ended early: nothing could be added that would leave it one. */
  finish(): Uint8Array {
    return new Uint8Array(0);
  }

  /** As `finish`: before the first byte the gate answers with a refusal, after it only closing the connection tells the truth. */
  fail(): Uint8Array {
    return new Uint8Array(0);
  }

  #read(kept: Uint8Array): JsonAnswer {
    const answer = parseObject(decode(kept));
    if (answer !== undefined) return this.#format.read(answer);
    return { usage: undefined, outputTokens: this.#format.isText ? sizeTokens(kept.length) : 0, complete: false };
  }

  #readLong(tail: Uint8Array): JsonAnswer {
    const usage = this.#format.readTail(decode(tail));
    const outputTokens = usage?.outputTokens ?? (this.#format.isText ? sizeTokens(this.#bytes) : 0);
    return { usage, outputTokens, complete: tail.findLast((code) => code > space) === closeBrace };
  }
}

/** The last `"usage":{...}` of a text that may begin in the middle of an object. */
export function lastUsage(tail: string): JsonObject | undefined {
  const at = tail.lastIndexOf('"usage":');
  if (at < 0) return undefined;
  const open = tail.indexOf('{', at);
  let depth = 0;
  for (let index = open; index >= 0 && index < tail.length; index += 1) {
    if (tail[index] === '{') depth += 1;
    else if (tail[index] === '}') depth -= 1;
    if (depth === 0) return parseObject(tail.slice(open, index + 1));
  }
  return undefined;
}
