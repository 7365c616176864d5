/** Requests that say of themselves what no `fetch` would: by which name they ask, and for a page of which origin. */
import { Agent, type IncomingHttpHeaders, request } from 'node:http';
import { atEnd } from './harness.js';

export interface Asked {
  readonly method?: string;
  readonly path?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: unknown;
}

export interface Answered {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
}

/** Asks a server on this machine, over connections that are kept until the end of the test. */
export function asker(port: number): (asked: Asked) => Promise<Answered> {
  const agent = new Agent({ keepAlive: true, maxSockets: 8 });
  atEnd(async () => agent.destroy());
  return ({ method = 'GET', path = '/api/version', headers = {}, body }) => {
    const data = body === undefined ? '' : JSON.stringify(body);
    const length = data === '' ? {} : { 'content-length': String(Buffer.byteLength(data)) };
    return new Promise((resolve, reject) => {
      const options = { agent, host: '127.0.0.1', port, method, path, headers: { ...length, ...headers } };
      const sent = request(options, async (response) => {
        const chunks: Buffer[] = [];
        for await (const chunk of response) chunks.push(chunk as Buffer);
        const text = Buffer.concat(chunks).toString();
        resolve({ status: response.statusCode ?? 0, headers: response.headers, text });
      });
      sent.once('error', reject);
      sent.end(data);
    });
  };
}
