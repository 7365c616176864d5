/**
 * A receiver of callbacks that knows nothing of our code: it checks signatures with Node's own HMAC, by the documented
 * scheme, and keeps what it got.
 */
import { createHmac, timingSafeEqual } from 'node:crypto';
import { createServer, type IncomingHttpHeaders } from 'node:http';
import type { AddressInfo } from 'node:net';
import { atEnd } from './harness.js';

export interface Received {
  readonly headers: IncomingHttpHeaders;
  readonly body: { readonly id: string; readonly state: string; readonly [key: string]: unknown };
  /** Signed with the secret, less than five minutes ago. */
  readonly genuine: boolean;
  readonly path: string;
}

export interface Receiver {
  readonly url: string;
  readonly port: number;
  readonly received: Received[];
  /** Statuses to answer with, first to last; 204 when there are none left. */
  readonly statuses: number[];
  /** Sent with every answer. */
  readonly headers: Record<string, string>;
}

export async function receiver(secret: string): Promise<Receiver> {
  const received: Received[] = [];
  const statuses: number[] = [];
  const own: Record<string, string> = {};
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const text = Buffer.concat(chunks).toString('utf8');
    const { headers, url = '' } = request;
    received.push({ headers, body: JSON.parse(text), genuine: isGenuine(secret, headers, text), path: url });
    response.writeHead(statuses.shift() ?? 204, own);
    response.end();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  atEnd(async () => {
    server.closeAllConnections();
    server.close();
  });
  const { port } = server.address() as AddressInfo;
  return { url: `http://127.0.0.1:${port}`, port, received, statuses, headers: own };
}

function isGenuine(secret: string, headers: IncomingHttpHeaders, body: string): boolean {
  const [, time = '', given = ''] = /^t=(\d+),v1=([0-9a-f]{64})$/.exec(String(headers['x-headgate-signature'])) ?? [];
  if (Math.abs(Date.now() / 1000 - Number(time)) > 300) return false;
  const expected = createHmac('sha256', secret).update(`${time}.${body}`).digest();
  return timingSafeEqual(Buffer.from(given, 'hex'), expected);
}
