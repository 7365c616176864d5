/** Writes a refusal as the answer of a Node request. */

import { type Headers, mergeHeaders } from '../http/headers.js';
import type { Turned } from '../http/passage.js';
import { type Clock, systemClock } from '../kernel/clock.js';
import { hasArrived, http2Stream } from './arrival.js';
import { bufferOf } from './body.js';
import type { NodeRequest, NodeResponse } from './message.js';

/** Unread bodies up to this size are read and dropped, so that the connection can be used again. */
const dropBytesMax = 256 * 1024;
/** How long, and how far, an upload is read on after it was refused: closing at once would lose the answer on its way. */
const lingerMs = 2_000;
const lingerBytesMax = 4 * 1024 * 1024;

interface Writable extends NodeResponse {
  write(chunk: Uint8Array): unknown;
  end(chunk?: Uint8Array, callback?: () => void): unknown;
}

/** Headers beside those that other limiters around this one have set. */
export function mergedHeaders(res: NodeResponse, headers: Headers): Headers {
  const present = (name: string): string | undefined => {
    const value = res.getHeader(name);
    return value === undefined ? undefined : String(value);
  };
  return mergeHeaders(present, headers);
}

export function setHeaders(res: NodeResponse, headers: Headers): void {
  const merged = mergedHeaders(res, headers);
  for (const name in merged) res.setHeader(name, merged[name]!);
}

/** Answers with the refusal, unless an answer has begun. */
export function writeRefusal(res: Writable, turned: Turned, clock?: Clock): void {
  writeRefusalHead(res, turned);
  writeRefusalBody(res, turned, clock);
}

/** Sets the refusal's status and headers, for an adapter that lets somebody else add to them before the body is written. */
export function writeRefusalHead(res: NodeResponse, turned: Turned): void {
  if (res.headersSent) return;
  res.statusCode = turned.status;
  setHeaders(res, turned.headers);
}

/**
 * Ends a refusal whose head is set. A body that nobody has read does not keep the connection busy: a small one is dropped,
 * of a large one or one of unknown length a bounded part is, and then the connection closes.
 */
export function writeRefusalBody(res: Writable, turned: Turned, clock: Clock = systemClock()): void {
  if (res.headersSent || res.destroyed) return;
  const { req } = res;
  const body = bufferOf(turned.body);
  res.setHeader('content-length', body.length);
  const stream = http2Stream(req);
  if (stream !== undefined) {
    // What the client still sends is of this stream alone, and its connection serves others. Unread, it would keep the stream.
    res.end(body, () => hasArrived(req) || stream.close(0));
    if (!hasArrived(req)) req.resume();
    return;
  }
  if (req.method === 'HEAD' || !isLargeUpload(req)) {
    res.end(body);
    return;
  }
  res.setHeader('connection', 'close');
  res.write(body);
  linger(req, clock, () => res.end());
}

function isLargeUpload(req: NodeRequest): boolean {
  if (hasArrived(req)) return false;
  const declared = req.headers['content-length'];
  if (declared === undefined) return req.headers['transfer-encoding'] !== undefined;
  return Number(declared) > dropBytesMax;
}

/** Drops what still comes, until it ends, is too much or takes too long. */
function linger(req: NodeRequest, clock: Clock, done: () => void): void {
  let bytes = 0;
  let over = false;
  const end = (): void => {
    if (over) return;
    over = true;
    timer.cancel();
    req.removeListener('data', onData);
    req.removeListener('end', end);
    req.removeListener('close', end);
    done();
  };
  const onData = (chunk: unknown): void => {
    bytes += (chunk as Uint8Array).length;
    if (bytes > lingerBytesMax) end();
  };
  const timer = clock.after(lingerMs, end);
  req.on('error', end);
  req.on('data', onData);
  req.on('end', end);
  req.on('close', end);
  req.resume();
}
