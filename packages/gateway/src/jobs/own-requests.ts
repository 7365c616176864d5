/**
 * Requests that the gateway makes of itself: the same server code, the same limits, queue and exchange as for anyone's, over
 * a pair of streams in memory instead of a connection. No port is opened for it, so nobody else can come in that way.
 */
import { createServer, request as httpRequest, type IncomingMessage, type ServerResponse } from 'node:http';
import { type Duplex, duplexPair } from 'node:stream';
import type { RequestRecord } from '../exchange/record.js';
import type { Caller } from '../server/caller.js';
import type { JobAnswer } from './outcome.js';

export type HandleOwn = (request: IncomingMessage, response: ServerResponse, caller: Caller) => void;

export interface OwnRequest {
  readonly path: string;
  readonly body: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly caller: Omit<Caller, 'onDone'>;
  /** Largest body of the answer; what is longer rejects with `AnswerTooLargeError`. */
  readonly answerBytesMax: number;
  /** Ends the request as a client that leaves would. */
  readonly signal: AbortSignal;
}

export interface OwnAnswer {
  readonly answer: JobAnswer;
  readonly record: RequestRecord;
}

export class AnswerTooLargeError extends Error {
  override readonly name = 'AnswerTooLargeError';
}

export class OwnRequests {
  readonly #callers = new WeakMap<Duplex, Caller>();
  readonly #server;

  constructor(handle: HandleOwn) {
    this.#server = createServer({ keepAlive: false }, (request, response) => {
      handle(request, response, this.#callers.get(request.socket)!);
    });
  }

  /** @throws AnswerTooLargeError, and the signal's reason */
  async send(asked: OwnRequest): Promise<OwnAnswer> {
    const { signal, caller } = asked;
    signal.throwIfAborted();
    const [near, far] = duplexPair();
    const record = new Promise<RequestRecord>((onDone) => this.#callers.set(far, { ...caller, onDone }));
    // One side alone would not see the other one go.
    near.once('close', () => far.destroy());
    far.once('close', () => near.destroy());
    const leave = (): void => void near.destroy();
    signal.addEventListener('abort', leave, { once: true });
    try {
      this.#server.emit('connection', far);
      const answer = await exchange(asked, near);
      return { answer, record: await record };
    } finally {
      signal.removeEventListener('abort', leave);
      near.destroy();
      // The slot is given back before whoever asked goes on.
      await record;
      signal.throwIfAborted();
    }
  }
}

/** Resolves also for an answer that breaks off, or that never comes. */
function exchange({ path, body, headers, answerBytesMax }: OwnRequest, near: Duplex): Promise<JobAnswer> {
  return new Promise((resolve, reject) => {
    let status = 0;
    let contentType = '';
    const chunks: Buffer[] = [];
    let bytes = 0;
    const end = (whole: boolean): void =>
      resolve({ status, contentType, body: Buffer.concat(chunks).toString('utf8'), whole });
    const own = { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body), host: 'jobs' };
    const options = { method: 'POST', path, headers: { ...headers, ...own }, createConnection: () => near };
    const request = httpRequest(options, (answer) => {
      status = answer.statusCode ?? 0;
      contentType = String(answer.headers['content-type'] ?? '');
      answer.on('data', (chunk: Buffer) => {
        bytes += chunk.length;
        if (bytes <= answerBytesMax) chunks.push(chunk);
        else {
          reject(new AnswerTooLargeError());
          near.destroy();
        }
      });
      answer.once('end', () => end(true));
      answer.once('close', () => end(false));
      answer.on('error', () => end(false));
    });
    request.on('error', () => end(false));
    request.end(body);
  });
}
