/** A backend that says what the test tells it to say, when it tells it. */
import { once } from 'node:events';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { atEnd, isProbe } from './harness.js';

export interface ScriptedAnswer {
  /** The body that was asked with. */
  readonly asked: unknown;
  /** Resolves when the bytes have been handed to the network. */
  write(bytes: string | Uint8Array): Promise<void>;
  end(): void;
  /** Cuts the connection. */
  die(): void;
  /** Resolves when the connection is closed before the answer has ended. */
  readonly aborted: Promise<void>;
}

export interface ScriptedBackend {
  readonly url: string;
  /** The next request, answered with status 200 and this type. */
  next(contentType: string): Promise<ScriptedAnswer>;
}

export async function scriptedBackend(): Promise<ScriptedBackend> {
  const arrived: { response: ServerResponse; asked: unknown }[] = [];
  const waiting: (() => void)[] = [];
  const server = createServer(async (request, response) => {
    if (isProbe(request)) {
      response.end();
      return;
    }
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    arrived.push({ response, asked: JSON.parse(Buffer.concat(chunks).toString()) });
    waiting.shift()?.();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  atEnd(async () => {
    server.closeAllConnections();
    server.close();
  });
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    async next(contentType) {
      if (arrived.length === 0) await new Promise<void>((resolve) => waiting.push(resolve));
      const { response, asked } = arrived.shift()!;
      response.writeHead(200, { 'content-type': contentType });
      response.socket?.setNoDelay(true);
      const aborted = once(response, 'close').then(() => {});
      const write = (bytes: string | Uint8Array): Promise<void> =>
        new Promise((resolve) => void response.write(bytes, () => resolve()));
      return { asked, write, end: () => void response.end(), die: () => void response.destroy(), aborted };
    },
  };
}
