/** Which headers travel to a backend, and which come back. */
import type { IncomingHttpHeaders, OutgoingHttpHeaders } from 'node:http';
import type { Backend, Passage, Policy } from '@headgate/core';
import { type AnswerHeaders, firstOf } from './answer.js';
import { targetOf } from './target.js';

/** As undici takes them. */
export type SentHeaders = Record<string, string | string[]>;

/** Meant for one connection only (RFC 9110, 7.6.1), with the older names that are still about. */
const hopByHop = new Set([
  ...[
    'connection',
    'keep-alive',
    'proxy-connection',
    'transfer-encoding',
    'te',
    'trailer',
    'upgrade',
    'http2-settings',
  ],
  ...['proxy-authenticate', 'proxy-authentication-info'],
]);

/** Of the client's message or its way here, which ours to the backend replaces. */
const ours = new Set([
  ...['host', 'content-length', 'content-type', 'content-encoding', 'expect', 'accept-encoding', 'x-request-id'],
  ...['origin', 'referer', 'forwarded', 'via', 'x-real-ip', 'x-client-ip', 'true-client-ip', 'cf-connecting-ip'],
  ...['range', 'if-range', 'if-match', 'if-none-match', 'if-modified-since', 'if-unmodified-since'],
  ...['x-http-method-override', 'x-http-method', 'x-method-override', 'x-original-url', 'x-rewrite-url'],
]);

/** Anything by a name like these may be a credential; a backend that forwards to a paid account would pass it on. */
const credential = /auth|cookie|key|token|secret|credential|session|password|jwt|signature/;
const forwarded = /^(x-forwarded-|sec-|proxy-|access-control-)/;

const keyHeadersOf = new WeakMap<Policy, ReadonlySet<string>>();

/** Headers that hold a key or name a user under this policy, whatever their name. */
function keyHeaders(policy: Policy): ReadonlySet<string> {
  const known = keyHeadersOf.get(policy);
  if (known !== undefined) return known;
  const names = new Set<string>();
  keyHeadersOf.set(policy, names);
  for (const source of policy.identity) {
    // Who a user is, is no business of the model's.
    if (source.kind === 'header') names.add(source.name);
    if (source.kind !== 'apiKey') continue;
    for (const place of source.from) {
      if (place.startsWith('header:')) names.add(place.slice('header:'.length).toLowerCase());
    }
  }
  return names;
}

/** Names come from outside; past this many distinct ones the rest is judged anew each time. */
const knownMax = 1_000;

/** What is asked of a name again and again, remembered. */
function remembered(judge: (name: string) => boolean): (name: string) => boolean {
  const known = new Map<string, boolean>();
  return (name) => {
    let verdict = known.get(name);
    if (verdict === undefined) {
      verdict = judge(name);
      if (known.size < knownMax) known.set(name, verdict);
    }
    return verdict;
  };
}

const isForBackend = remembered(
  (name) => !(hopByHop.has(name) || ours.has(name) || credential.test(name) || forwarded.test(name)),
);

/** Of the policy's own headers for a backend, those that undici takes. */
const isFraming = remembered((name) => hopByHop.has(name) || name === 'content-length' || name === 'expect');

const none: ReadonlySet<string> = new Set();

/** Headers that the message calls its connection's own. */
function listedIn(connection: string | string[] | undefined): ReadonlySet<string> {
  if (connection === undefined || connection === 'keep-alive' || connection === 'close') return none;
  return new Set(
    String(connection)
      .split(',')
      .map((name) => name.trim().toLowerCase()),
  );
}

/** The request's headers for the backend, without those of its body. */
export function headersForBackend(
  headers: IncomingHttpHeaders,
  policy: Policy,
  backend: Backend,
  requestId: string,
): SentHeaders {
  const keys = keyHeaders(policy);
  const listed = listedIn(headers.connection);
  const outgoing: SentHeaders = {};
  for (const name in headers) {
    const value = headers[name];
    if (value === undefined || !isForBackend(name) || listed.has(name) || keys.has(name)) continue;
    outgoing[name] = value;
  }
  outgoing['x-request-id'] = requestId;
  // A compressed answer could not be metered.
  outgoing['accept-encoding'] = 'identity';
  for (const name in backend.headers) {
    const known = name.toLowerCase();
    if (!isFraming(known)) outgoing[known] = backend.headers[name]!;
  }
  outgoing.host = targetOf(backend).host;
  return outgoing;
}

/** Set by us or by nobody. */
const notFromBackend = new Set(['set-cookie', 'location', 'x-request-id', 'date', 'alt-svc']);
/** Where a client stands, and what a page may read, is for the gateway to say. */
const ourHeader = /^(ratelimit|x-ratelimit-|x-headgate-|access-control-)/;
const isForClient = remembered((name) => !(hopByHop.has(name) || notFromBackend.has(name) || ourHeader.test(name)));

export interface AnswerShape {
  readonly passage: Passage;
  readonly backend: Backend;
  /** Passes event by event: its length is not known, and a proxy in front should not collect it. */
  readonly stream: boolean;
}

/** The backend's headers for the client, and ours. */
export function headersForClient(headers: AnswerHeaders, shape: AnswerShape): OutgoingHttpHeaders {
  const { passage, backend, stream } = shape;
  const outgoing: OutgoingHttpHeaders = {};
  const listed = listedIn(headers.connection);
  for (const name in headers) {
    if (!isForClient(name) || listed.has(name)) continue;
    if (stream && name === 'content-length') continue;
    outgoing[name] = name === 'content-type' ? firstOf(headers[name]) : headers[name];
  }
  for (const name in passage.headers) outgoing[name] = passage.headers[name];
  outgoing['x-headgate-backend'] = backend.name;
  if (stream) outgoing['x-accel-buffering'] = 'no';
  return outgoing;
}
