/** Whether a request brings a body, and whether all of it is here: in HTTP/2 neither a header nor `complete` tells. */
import type { Http2Stream, NodeRequest } from './message.js';

/** What a request of HTTP/2 is read from; undefined for one of HTTP/1. */
export function http2Stream({ httpVersionMajor = 1, stream }: NodeRequest): Http2Stream | undefined {
  return httpVersionMajor >= 2 ? stream : undefined;
}

export function hasBody(req: NodeRequest): boolean {
  const stream = http2Stream(req);
  if (stream !== undefined) return !stream.endAfterHeaders;
  const { 'content-length': length, 'transfer-encoding': encoding } = req.headers;
  return encoding !== undefined || Number(length ?? 0) > 0;
}

/** In HTTP/2 `complete` is true only of what was read to its end, and also of what broke off. */
export function hasArrived(req: NodeRequest): boolean {
  const stream = http2Stream(req);
  // What only stands for a message is a stream that somebody has filled.
  if (stream === undefined) return req.complete ?? req._readableState?.ended === true;
  return stream.endAfterHeaders || (stream.readableEnded && (stream.rstCode ?? 0) === 0);
}
