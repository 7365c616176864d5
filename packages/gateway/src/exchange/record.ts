/** What is known of one request for the log and the metrics; filled in on its way. */
import type { IncomingMessage, OutgoingHttpHeaders } from 'node:http';
import type { Charged, Passage, Permit, Refusal, Usage } from '@headgate/core';

/** The request as a trace tells it. */
export interface RequestTrace {
  /** Of the whole trace. */
  readonly id: string;
  /** A try goes to this backend, with these headers, which are to carry the trace on. */
  sent(backend: string, headers: OutgoingHttpHeaders): void;
  end(record: RequestRecord): void;
}

export interface RequestRecord {
  /** Epoch ms, for the log. */
  readonly startedAt: number;
  /** On the limiter's clock, for durations. */
  readonly startedMs: number;
  readonly method: string;
  readonly httpVersion: string;
  /** As in the request line; may hold a key, so it is never logged as it is. */
  readonly target: string;
  readonly referer: string;
  readonly userAgent: string;
  /** Of the connection; the client's own is in `about` once it is known. */
  readonly peer: string;
  /** Where somebody has set up tracing. */
  trace?: RequestTrace;
  about?: Passage['about'];
  /** How it was decided: `gone` is a client that left before. Undefined for what never came to a decision. */
  decision?: 'admitted' | 'refused' | 'gone';
  refusal?: Refusal;
  /** Sent to the client; undefined when nothing was. */
  status?: number;
  backend?: string;
  /** Backends tried. */
  tries: number;
  /** When the body was here, on the limiter's clock. */
  bodyReadMs?: number;
  /** In the queue, ms. */
  waitedMs?: number;
  /** From the request's arrival to the first byte of the answer, ms. */
  firstByteMs?: number;
  /** The same to the first token of an answer that is streamed. */
  firstTokenMs?: number;
  totalMs?: number;
  usage?: Usage;
  /** Set aside before, where the backend told how much the prompt was. */
  reserved?: Permit['reserved'];
  charged?: Charged | undefined;
  /** Why an answer ended before its end, such as a backend that died or a client that left. */
  cut?: string;
  /** Bytes of body sent to the client. */
  bytes: number;
}

export type Began = Pick<RequestRecord, 'startedAt' | 'startedMs' | 'peer'>;

/** Of a request of which no more is known yet. */
export function recordOf(request: IncomingMessage, { startedAt, startedMs, peer }: Began): RequestRecord {
  const { method, httpVersion, url, headers } = request;
  return {
    startedAt,
    startedMs,
    peer,
    method: method ?? '',
    httpVersion,
    target: url ?? '',
    referer: headers.referer ?? '',
    userAgent: headers['user-agent'] ?? '',
    tries: 0,
    bytes: 0,
  };
}
