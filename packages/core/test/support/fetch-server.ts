/** Puts a `(Request) => Response` on a free port, as a runtime of the fetch kind does: nothing of Node is left to see. */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Readable } from 'node:stream';

export interface FetchServer {
  readonly url: string;
  close(): Promise<void>;
}

/** @param handler told the client's address and the port of its connection, too */
export async function serveFetch(
  handler: (
    request: Request,
    peer: { readonly address: string; readonly port: number },
  ) => Response | Promise<Response>,
): Promise<FetchServer> {
  const server = createServer((req, res) => {
    const { remoteAddress = '', remotePort = 0 } = req.socket;
    const left = new AbortController();
    res.once('close', () => {
      if (!res.writableFinished) left.abort(new Error('the client has left'));
    });
    const answered = Promise.resolve(
      handler(requestOf(req, left.signal), { address: remoteAddress, port: remotePort }),
    );
    answered.then((response) => send(response, res, left.signal)).catch(() => fail(res));
  });
  server.listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

function requestOf(req: IncomingMessage, signal: AbortSignal): Request {
  const { method = 'GET', url = '/', headers } = req;
  const bodyless = method === 'GET' || method === 'HEAD' || headers['content-length'] === '0';
  const init = {
    method,
    headers: Object.entries(headers).flatMap(([name, value]) => [value ?? []].flat().map((one) => [name, one])),
    signal,
    ...(bodyless ? {} : { body: Readable.toWeb(req), duplex: 'half' }),
  };
  return new Request(`http://127.0.0.1${url}`, init as RequestInit);
}

async function send(response: Response, res: ServerResponse, left: AbortSignal): Promise<void> {
  res.writeHead(response.status, Object.fromEntries(response.headers));
  res.flushHeaders();
  if (response.body === null) {
    res.end();
    return;
  }
  const reader = response.body.getReader();
  left.addEventListener('abort', () => void reader.cancel(left.reason).catch(() => {}), { once: true });
  if (left.aborted) await reader.cancel(left.reason);
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    if (!res.write(value)) await new Promise((resolve) => res.once('drain', resolve));
  }
  res.end();
}

function fail(res: ServerResponse): void {
  if (res.headersSent) res.destroy();
  else res.writeHead(500).end();
}
