/**
 * What is wrong with the head of a request beyond what Node's own parser refuses: heads that two readers could read differently,
 * and what they ask for that is not done here.
 */
import type { IncomingMessage } from 'node:http';
import { type Refusal, refuse } from '@headgate/core';

/** @returns why the request is not served, or undefined when its head is in order */
export function headProblem(request: IncomingMessage): Refusal | undefined {
  const { httpVersion, headers } = request;
  const hosts = countOf(request.rawHeaders, 'host');
  if (hosts > 1) return bad('the request names two hosts.');
  if (hosts === 0 && httpVersion !== '1.0') return bad('the request has no Host header.');
  const coding = headers['transfer-encoding'];
  // Of a body in HTTP/1.0 a server in front may see the end elsewhere, and other codings would have to be undone.
  if (coding !== undefined && (httpVersion === '1.0' || coding.trim().toLowerCase() !== 'chunked')) {
    return bad('the only transfer encoding served here is chunked, of HTTP/1.1.');
  }
  const { expect } = headers;
  if (expect !== undefined && expect.trim().toLowerCase() !== '100-continue') {
    return refuse('bad-request', 'the only expectation met here is 100-continue.', { status: 417 });
  }
  if (asksForWebSocket(headers.upgrade)) {
    return refuse('bad-request', 'WebSocket is not spoken here.', { status: 501 });
  }
  return undefined;
}

/**
 * Other offers, such as of TLS or HTTP/2, may be passed over, and some clients make them with every request. Whoever asks for
 * WebSocket and nothing else could do nothing with an answer in HTTP.
 */
function asksForWebSocket(upgrade: string | undefined): boolean {
  if (upgrade === undefined) return false;
  const offers = upgrade.split(',').map((offer) => offer.trim().toLowerCase().split('/', 1)[0]!);
  const named = offers.filter((offer) => offer !== '');
  return named.length > 0 && named.every((offer) => offer === 'websocket');
}

function bad(message: string): Refusal {
  return refuse('bad-request', message);
}

/** Node keeps the first of some headers that stand twice and says nothing. */
function countOf(rawHeaders: readonly string[], name: string): number {
  let count = 0;
  for (let i = 0; i < rawHeaders.length; i += 2) if (rawHeaders[i]!.toLowerCase() === name) count++;
  return count;
}
