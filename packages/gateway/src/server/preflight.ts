/** What a browser is told before it sends a page's request, and of the answer shows to the page. */
import type { IncomingMessage } from 'node:http';
import type { Policy } from '@headgate/core';

/** How long a browser may remember it, as long as Ollama says; browsers have bounds of their own. */
const maxAgeSeconds = 12 * 60 * 60;

/** Ollama's, and what clients of the other dialects and of runs send. */
const requestHeaders = [
  ...['authorization', 'content-type', 'user-agent', 'accept', 'x-requested-with', 'x-api-key'],
  ...['openai-beta', 'openai-organization', 'openai-project', 'idempotency-key'],
  ...['anthropic-version', 'anthropic-beta', 'anthropic-dangerous-direct-browser-access'],
  ...['x-stainless-arch', 'x-stainless-async', 'x-stainless-custom-poll-interval', 'x-stainless-helper-method'],
  ...['x-stainless-lang', 'x-stainless-os', 'x-stainless-package-version', 'x-stainless-poll-helper'],
  ...['x-stainless-retry-count', 'x-stainless-runtime', 'x-stainless-runtime-version', 'x-stainless-timeout'],
  ...['x-run-id', 'x-run-depth', 'traceparent', 'tracestate'],
];
/** Makers of clients add to these without a word. */
const alsoAllowed = /^(x-stainless|anthropic|openai)-[a-z0-9-]+$/;

/** Of ours, those that tell a client where it stands. A page sees few headers that are not named here. */
export const exposedHeaders = [
  ...['retry-after', 'retry-after-ms', 'x-should-retry', 'ratelimit', 'ratelimit-policy'],
  ...['', '-requests', '-tokens'].flatMap((of) =>
    ['limit', 'remaining', 'reset'].map((name) => `x-ratelimit-${name}${of}`),
  ),
  ...['x-request-id', 'request-id', 'x-headgate-reason', 'x-headgate-backend'],
  ...[
    'x-headgate-queue-position',
    'x-headgate-queue-wait-ms',
    'location',
    'idempotent-replayed',
    'allow',
    'www-authenticate',
  ],
].join(',');

/** The headers of the answer to a preflight from an allowed origin. */
export function preflightHeaders({ headers }: IncomingMessage, { identity }: Policy): Record<string, string> {
  const asked = String(headers['access-control-request-headers'] ?? '')
    .split(',')
    .map((name) => name.trim().toLowerCase())
    .filter((name) => alsoAllowed.test(name));
  // Those that name a user or a proxy's client are for servers in front, whose word is believed: no page may send them.
  const keys = identity
    .flatMap((source) => (source.kind === 'apiKey' ? source.from : []))
    .flatMap((place) => (place.startsWith('header:') ? [place.slice('header:'.length).toLowerCase()] : []));
  return {
    'access-control-allow-methods': 'GET,POST,PUT,PATCH,DELETE,HEAD',
    'access-control-allow-headers': [...new Set([...requestHeaders, ...keys, ...asked])].join(','),
    'access-control-max-age': String(maxAgeSeconds),
    vary: 'origin, access-control-request-method, access-control-request-headers',
  };
}
