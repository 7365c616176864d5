/** The request for a backend: everything in it is ours, or was chosen. */
import type { IncomingMessage } from 'node:http';
import type { Backend, Limiter, Passage, Refusal } from '@headgate/core';
import { headersForBackend } from './headers.js';
import { opaqueBody } from './request-body.js';
import type { Outgoing } from './upstream.js';

export interface OutgoingContext {
  readonly limiter: Limiter;
}

/** Whether the body passes unread, and so only once. */
export function isOpaque({ body, route }: Passage): boolean {
  return body === undefined && route.body === 'opaque';
}

/** @param onProblem the client's body turned out not to be one that may be passed on */
export function outgoingOf(
  { limiter }: OutgoingContext,
  passage: Passage,
  request: IncomingMessage,
  backend: Backend,
  onProblem: (refusal: Refusal) => void,
): Outgoing {
  const { policy, clock } = limiter;
  const { route, about } = passage;
  const headers = headersForBackend(request.headers, policy, backend, about.requestId);
  // Of the paths we know none has a query, and what we do not know of one we do not pass on.
  const query = route.operation === 'other' ? queryOf(request.url ?? '') : '';
  const { method, path } = route;
  if (passage.body !== undefined) {
    const body = Buffer.from(passage.body);
    headers['content-type'] = 'application/json';
    headers['content-length'] = String(body.length);
    return { method, path, query, headers, body };
  }
  if (!isOpaque(passage)) return { method, path, query, headers, body: undefined };
  const bytesMax = route.operation === 'admin' ? Number.POSITIVE_INFINITY : policy.guard.bodyBytesMax;
  const bounds = { bytesMax, idleMs: policy.client.bodyMs, clock };
  return { method, path, query, headers, body: opaqueBody(request, headers, bounds, onProblem) };
}

function queryOf(target: string): string {
  const at = target.indexOf('?');
  return at < 0 ? '' : target.slice(at).split('#', 1)[0]!;
}
