/** Requests as bytes, for what no client library would send. */
import { connect, type Socket } from 'node:net';
import { expect } from 'vitest';
import { atEnd } from './harness.js';

export interface RawClient {
  readonly socket: Socket;
  /** All that came so far. */
  received(): string;
  send(text: string): void;
  /** Resolves with all that came once the server has closed the connection. */
  readonly closed: Promise<string>;
}

export async function rawClient(port: number): Promise<RawClient> {
  const socket = connect({ port, host: '127.0.0.1' });
  atEnd(async () => socket.destroy());
  let text = '';
  socket.on('data', (chunk: Buffer) => {
    text += chunk.toString('latin1');
  });
  socket.on('error', () => {});
  const closed = new Promise<string>((resolve) => socket.once('close', () => resolve(text)));
  await new Promise<void>((resolve) => socket.once('connect', resolve));
  return { socket, received: () => text, send: (bytes) => void socket.write(bytes, 'utf8'), closed };
}

/** Sends one request and resolves with the whole answer. */
export async function raw(port: number, method: string, target: string, body = '', headers = ''): Promise<string> {
  const client = await rawClient(port);
  const length = body === '' ? '' : `content-length: ${Buffer.byteLength(body)}\r\n`;
  client.send(`${method} ${target} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n${length}${headers}\r\n${body}`);
  return client.closed;
}

export function statusOf(answer: string): number {
  return Number(/^HTTP\/1\.1 (\d{3})/.exec(answer)?.[1]);
}

/** The value of a header that stands once. */
export function headerOf(answer: string, name: string): string | undefined {
  return new RegExp(`\r\n${name}: ([^\r]*)\r\n`, 'i').exec(answer)?.[1];
}

/** What every refusal carries, once it is checked that it names the request. */
export function refusalIn(answer: string): { reason?: string; retryAfter?: string; error: unknown } {
  expect(headerOf(answer, 'x-request-id')).toMatch(/^req_[0-9a-f]{24}$/);
  const { error } = JSON.parse(answer.slice(answer.indexOf('\r\n\r\n') + 4));
  const [reason, retryAfter] = ['x-headgate-reason', 'retry-after'].map((name) => headerOf(answer, name));
  return { reason, retryAfter, error } as ReturnType<typeof refusalIn>;
}
