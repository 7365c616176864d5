import http from 'node:http';
import { afterEach } from 'vitest';
import { patienceMs } from '../../../../test/support/patience.js';
import { type FakeOllama, type FakeOllamaOptions, startFakeOllama } from '../../src/index.js';

const started: FakeOllama[] = [];

afterEach(async () => {
  await Promise.all(started.splice(0).map((server) => server.close()));
});

/** A server that is closed after the test. */
export async function fake(options: FakeOllamaOptions = {}): Promise<FakeOllama> {
  const server = await startFakeOllama(options);
  started.push(server);
  const waitFor: FakeOllama['waitFor'] = (predicate, timeoutMs = patienceMs) => server.waitFor(predicate, timeoutMs);
  return { ...server, waitFor };
}

export interface Reply {
  status: number;
  headers: http.IncomingHttpHeaders;
  text: string;
}

export interface Call {
  reply: Promise<Reply>;
  /** Closes the connection, as a client that leaves does. */
  leave(): void;
}

export interface CallOptions {
  method?: string;
  headers?: Record<string, string>;
}

/** A request with `node:http`, which sends path and headers exactly as given. A reply cut short rejects. */
export function call(server: FakeOllama, path: string, body?: unknown, options: CallOptions = {}): Call {
  const data = body === undefined || typeof body === 'string' || Buffer.isBuffer(body) ? body : JSON.stringify(body);
  const request = http.request({
    host: new URL(server.url).hostname,
    port: server.port,
    path,
    method: options.method ?? (body === undefined ? 'GET' : 'POST'),
    // Without a length Node would send the body of a DELETE unframed.
    headers: { ...(data !== undefined && { 'content-length': Buffer.byteLength(data) }), ...options.headers },
    agent: false,
  });
  const reply = new Promise<Reply>((resolve, reject) => {
    request.once('error', reject);
    request.once('response', (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.once('error', reject);
      response.once('end', () => {
        const text = Buffer.concat(chunks).toString('utf8');
        resolve({ status: response.statusCode ?? 0, headers: response.headers, text });
      });
    });
  });
  // Who leaves need not look at what became of the reply.
  reply.catch(() => {});
  request.end(data);
  return { reply, leave: () => request.destroy() };
}

export function ask(server: FakeOllama, path: string, body?: unknown, options: CallOptions = {}): Promise<Reply> {
  return call(server, path, body, options).reply;
}

export const user = (content: string) => [{ role: 'user', content }];

export function lines(text: string): Record<string, unknown>[] {
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Record<string, unknown>);
}

/** The data of server-sent events; `[DONE]` stays a string. */
export function events(text: string): unknown[] {
  return text
    .split('\n')
    .filter((line) => line.startsWith('data: '))
    .map((line) => (line === 'data: [DONE]' ? '[DONE]' : JSON.parse(line.slice(6))));
}
