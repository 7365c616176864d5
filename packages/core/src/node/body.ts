/**
 * Reads the body of a Node request and puts another in its place, so that whoever comes after (a body parser, a proxy that
 * pipes the request, a handler that iterates over it) reads what was checked and not what the client sent.
 *
 * The trick is never to reach the stream's end: only bytes that are there are read, `hasArrived` says when there are no
 * more, and then the new body is unshifted. A read of nothing at the end of a stream would end it for good.
 */
import type { BodyOutcome } from '../http/passage.js';
import type { Clock } from '../kernel/clock.js';
import { hasArrived } from './arrival.js';
import type { NodeRequest } from './message.js';

export interface BodyTime {
  readonly clock: Clock;
  /** Longest time the whole body may take, ms. */
  readonly bodyTimeoutMs: number;
}

/** Requests whose stream was read here, as opposed to parsed before. */
const readHere = Symbol('headgate: read here');

interface ReadRequest extends NodeRequest {
  [readHere]?: true;
}
/** Headers that describe the client's bytes and not ours. */
const describesBytes = new Set([
  ...['content-type', 'content-length', 'transfer-encoding', 'content-md5', 'content-digest', 'digest'],
]);

/**
 * The body, as bytes, or as the value that a body parser made of it before.
 * @param bytesMax a longer body is refused: by its declared length where it has one, else at the first byte too many
 */
export async function readBody(req: NodeRequest, bytesMax: number, time: BodyTime): Promise<BodyOutcome> {
  if (Number(req.headers['content-length'] ?? 0) > bytesMax) return { ok: false, reason: 'too-large' };
  if (req._body === true || req.readableEnded) return parsedBefore(req.body);
  const outcome = await new StreamRead(req, bytesMax, time).outcome;
  if (outcome.ok) (req as ReadRequest)[readHere] = true;
  return outcome;
}

function parsedBefore(body: unknown): BodyOutcome {
  if (body instanceof Uint8Array) return { ok: true, bytes: body };
  if (typeof body === 'string') return { ok: true, bytes: new TextEncoder().encode(body) };
  return { ok: true, value: body };
}

const nothing = (): void => {};

class StreamRead {
  readonly outcome: Promise<BodyOutcome>;
  readonly #req: NodeRequest;
  readonly #bytesMax: number;
  readonly #chunks: Uint8Array[] = [];
  #bytes = 0;

  constructor(req: NodeRequest, bytesMax: number, { clock, bodyTimeoutMs }: BodyTime) {
    this.#req = req;
    this.#bytesMax = bytesMax;
    const atOnce = this.#take();
    if (atOnce !== undefined) {
      this.outcome = Promise.resolve(atOnce);
      return;
    }
    this.outcome = new Promise((resolve) => {
      const end = (outcome: BodyOutcome): void => {
        timer.cancel();
        req.removeListener('readable', onReadable);
        req.removeListener('close', onGone);
        // One listener for errors stays, because without it an abort of the request would be thrown; this one would keep the body.
        req.on('error', nothing);
        req.removeListener('error', onGone);
        resolve(outcome);
      };
      const onReadable = (): void => {
        const outcome = this.#take();
        if (outcome !== undefined) end(outcome);
      };
      const onGone = (): void => end({ ok: false, reason: 'aborted' });
      const timer = clock.after(bodyTimeoutMs, () => end({ ok: false, reason: 'timeout' }));
      if (req.destroyed) onGone();
      else {
        req.on('error', onGone);
        req.on('close', onGone);
        req.on('readable', onReadable);
      }
    });
  }

  /** Takes what has arrived; the outcome once it is known. */
  #take(): BodyOutcome | undefined {
    const req = this.#req;
    while (req.readableLength > 0) {
      const read = req.read(req.readableLength);
      if (read === null) break;
      const chunk = typeof read === 'string' ? new TextEncoder().encode(read) : (read as Uint8Array);
      this.#bytes += chunk.length;
      if (this.#bytes > this.#bytesMax) return { ok: false, reason: 'too-large' };
      this.#chunks.push(chunk);
    }
    return hasArrived(req) ? { ok: true, bytes: concat(this.#chunks, this.#bytes) } : undefined;
  }
}

function concat(chunks: readonly Uint8Array[], bytes: number): Uint8Array {
  if (chunks.length === 1) return chunks[0]!;
  const whole = new Uint8Array(bytes);
  let at = 0;
  for (const chunk of chunks) {
    whole.set(chunk, at);
    at += chunk.length;
  }
  return whole;
}

/**
 * Puts `text` in place of the body that `readBody` has read: in the stream, or in `req.body` where a parser ran before.
 * The headers that describe the body follow: it is JSON whatever the client called it (curl says that it is a form), and a
 * body parser behind the limiter goes by what it is called.
 * @param text JSON
 */
export function restoreBody(req: NodeRequest, text: string): void {
  const bytes = bufferOf(text);
  if ((req as ReadRequest)[readHere] === true) {
    // Whoever puts a body in twice means the second.
    if (req.readableLength > 0) req.read(req.readableLength);
    req.unshift(bytes);
  } else if (req.body instanceof Uint8Array) req.body = bytes;
  else req.body = typeof req.body === 'string' ? text : JSON.parse(text);
  describe(req, bytes.length);
}

/** Puts a body back as it was read; where a parser ran before, it is still where that left it. */
export function returnBody(req: NodeRequest, bytes: Uint8Array): void {
  if ((req as ReadRequest)[readHere] === true && bytes.length > 0) req.unshift(bytes);
}

const described = new Set(['content-type', 'content-length']);

function describe({ headers, rawHeaders }: NodeRequest, length: number): void {
  // Only what is there and is not set anew: an object that something was taken from is a slow one from then on.
  for (const name of describesBytes) if (headers[name] !== undefined && !described.has(name)) delete headers[name];
  headers['content-type'] = 'application/json';
  headers['content-length'] = String(length);
  for (let i = rawHeaders.length - 2; i >= 0; i -= 2) {
    if (describesBytes.has(rawHeaders[i]!.toLowerCase())) rawHeaders.splice(i, 2);
  }
  rawHeaders.push('Content-Type', 'application/json', 'Content-Length', String(length));
}

interface BufferMaker {
  from(text: string, encoding?: string): Uint8Array;
}

/** Node's own kind of bytes, which body parsers and proxies expect to find in a stream. */
export function bufferOf(text: string, encoding?: string): Uint8Array {
  return (globalThis as unknown as { readonly Buffer: BufferMaker }).Buffer.from(text, encoding);
}
