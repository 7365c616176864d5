/** Request bodies that are not JSON, such as audio: they pass unread, but neither without end nor without haste. */
import type { IncomingMessage } from 'node:http';
import { type Readable, Transform } from 'node:stream';
import { type Clock, type Refusal, refuse } from '@headgate/core';
import { bodyTooLarge } from '@headgate/core/http';
import type { SentHeaders } from './headers.js';
import { IdleTimer } from './timers.js';

const tooSlow = refuse('bad-request', 'the request body took too long to arrive.');

export interface BodyBounds {
  readonly bytesMax: number;
  /** Longest time without a byte, ms. */
  readonly idleMs: number;
  readonly clock: Clock;
}

/**
 * The body as a stream for the backend; undefined when there is none. Sets the headers that describe it.
 * @param onProblem the body is too long, or stopped coming
 */
export function opaqueBody(
  request: IncomingMessage,
  headers: SentHeaders,
  bounds: BodyBounds,
  onProblem: (refusal: Refusal) => void,
): Readable | undefined {
  const length = request.headers['content-length'];
  const chunked = request.headers['transfer-encoding'] !== undefined;
  if (!chunked && (length === undefined || length === '0')) return undefined;
  for (const name of ['content-type', 'content-encoding'] as const) {
    const value = request.headers[name];
    if (value !== undefined) headers[name] = value;
  }
  // Of unknown length it is sent in chunks.
  if (length !== undefined) headers['content-length'] = length;
  const tooLarge = bodyTooLarge(bounds.bytesMax);
  const idle = new IdleTimer(bounds.clock, bounds.idleMs, () => {
    // When the backend does not take what is there, it is not the client that is slow.
    if (passing.readableLength > 0) idle.touch();
    else onProblem(tooSlow);
  });
  let bytes = 0;
  const passing = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      bytes += chunk.length;
      idle.touch();
      if (bytes > bounds.bytesMax) {
        idle.stop();
        onProblem(tooLarge);
      } else done(null, chunk);
    },
    flush(done) {
      idle.stop();
      done();
    },
  });
  request.once('close', () => idle.stop());
  if (Number(length ?? 0) > bounds.bytesMax) queueMicrotask(() => onProblem(tooLarge));
  else {
    idle.touch();
    request.pipe(passing);
  }
  return passing;
}
