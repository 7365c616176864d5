/** The head of an answer on its way to the client. */
import type { ServerResponse } from 'node:http';
import type { Backend, Limiter, Passage } from '@headgate/core';
import type { Answer } from './answer.js';
import { headersForClient } from './headers.js';
import { dropSlowReader } from './timers.js';

/**
 * Sends the backend's status and what of its headers is for the client; from now on a client that does not read is dropped.
 * @param length of the body, where it is not the backend's own
 */
export function beginAnswer(
  response: ServerResponse,
  answer: Answer,
  passage: Passage,
  backend: Backend,
  limiter: Limiter,
  length?: number,
): void {
  const headers = headersForClient(answer.headers, { passage, backend, stream: answer.isStream });
  if (length !== undefined) headers['content-length'] = length;
  // What the gateway's answers depend on is set already, and would be replaced.
  const own = response.getHeader('vary');
  if (own !== undefined && headers.vary !== undefined) headers.vary = `${own}, ${headers.vary}`;
  response.writeHead(answer.status, headers);
  dropSlowReader(response, limiter.clock, limiter.policy.client.idleReadMs);
}
