/** A `Request` in the words of the gate, and with the checked body in place of the one that was sent. */
import type { Clock } from '../kernel/clock.js';
import type { Dialect } from './dialect.js';
import { meaningOf, type Place } from './meaning.js';
import type { BodyOutcome, GateRequest } from './passage.js';

export interface FetchGateOptions extends Place {
  readonly clock: Clock;
  /** Longest time the whole body may take, ms. */
  readonly bodyTimeoutMs: number;
  readonly dialects: readonly Dialect[];
  /** The peer's address, which a `Request` does not know. */
  readonly address?: string | undefined;
}

/** Headers that describe the bytes that were sent and not ours. */
const describesBytes = ['content-length', 'transfer-encoding', 'content-md5', 'content-digest', 'digest'];

export function fetchGateRequest(request: Request, options: FetchGateOptions): GateRequest {
  const { dialects, address = '' } = options;
  const sent = { method: request.method, target: targetOf(request.url) };
  const hasBody = request.method !== 'GET' && request.method !== 'HEAD' && (request.bodyUsed || request.body !== null);
  return {
    ...meaningOf(sent, hasBody, options, dialects),
    headers: Object.fromEntries(request.headers),
    remoteAddress: address,
    signal: request.signal,
    readBody: (bytesMax) => readBody(request, bytesMax, options),
  };
}

/** Path and query of an absolute URL, as they stand in it. */
export function targetOf(url: string): string {
  const path = url.indexOf('/', url.indexOf('//') + 2);
  return path < 0 ? '/' : url.slice(path);
}

/** Reads the whole body, unless it is too long or takes too long. */
async function readBody(
  request: Request,
  bytesMax: number,
  { clock, bodyTimeoutMs }: FetchGateOptions,
): Promise<BodyOutcome> {
  if (Number(request.headers.get('content-length') ?? 0) > bytesMax) return { ok: false, reason: 'too-large' };
  if (request.body === null || request.bodyUsed) return { ok: true, bytes: new Uint8Array() };
  const reader = request.body.getReader();
  let late = false;
  const timer = clock.after(bodyTimeoutMs, () => {
    late = true;
    reader.cancel().catch(() => {});
  });
  const chunks: Uint8Array[] = [];
  let length = 0;
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (late) return { ok: false, reason: 'timeout' };
      if (done) return { ok: true, bytes: concat(chunks, length) };
      length += value.length;
      if (length > bytesMax) {
        reader.cancel().catch(() => {});
        return { ok: false, reason: 'too-large' };
      }
      chunks.push(value);
    }
  } catch {
    return { ok: false, reason: late ? 'timeout' : 'aborted' };
  } finally {
    timer.cancel();
  }
}

function concat(chunks: readonly Uint8Array[], length: number): Uint8Array {
  if (chunks.length === 1) return chunks[0]!;
  const whole = new Uint8Array(length);
  let at = 0;
  for (const chunk of chunks) {
    whole.set(chunk, at);
    at += chunk.length;
  }
  return whole;
}

/** The same request with this text for its body. */
export function withBody(request: Request, text: string): Request {
  return new Request(request, { body: text, headers: headersFor(request.headers) });
}

/** Headers of a request whose body is our own JSON, whatever the client called its own. */
export function headersFor(sent: Headers): Headers {
  const headers = new Headers(sent);
  for (const name of describesBytes) headers.delete(name);
  headers.set('content-type', 'application/json');
  return headers;
}
