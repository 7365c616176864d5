/**
 * Bare proxies, as short as each library allows: no limits, no metering, no log, no retries. What a gateway adds is what it
 * costs more than these.
 */
import { Agent, request as httpRequest, type IncomingMessage, type RequestListener } from 'node:http';
import { pipeline, Readable } from 'node:stream';
import { createProxyServer } from 'http-proxy-3';
import { Pool } from 'undici';

export const proxyNames = ['undici dispatch', 'node:http', 'http-proxy-3', 'fetch'] as const;
export type ProxyName = (typeof proxyNames)[number];

const connectionHeaders = new Set(['connection', 'keep-alive', 'transfer-encoding', 'host', 'content-length']);

export function bareProxy(name: ProxyName, target: string): RequestListener {
  switch (name) {
    case 'undici dispatch':
      return dispatching(target);
    case 'node:http':
      return piping(target);
    case 'http-proxy-3':
      return proxying(target);
    case 'fetch':
      return fetching(target);
  }
}

function proxying(target: string): RequestListener {
  const proxy = createProxyServer({ target, agent: new Agent({ keepAlive: true }) });
  return (request, response) => proxy.web(request, response, {}, () => response.destroy());
}

function piping(target: string): RequestListener {
  const agent = new Agent({ keepAlive: true });
  const { hostname: host, port } = new URL(target);
  return ({ method, url: path, headers }, response) => {
    const forwarded = httpRequest({ agent, host, port, method, path, headers }, (answer) => {
      response.writeHead(answer.statusCode!, answer.headers);
      answer.pipe(response);
      response.on('close', () => answer.destroy());
    });
    forwarded.on('error', () => response.destroy());
    response.req.pipe(forwarded);
  };
}

function dispatching(target: string): RequestListener {
  const pool = new Pool(target, { headersTimeout: 0, bodyTimeout: 0 });
  return async (request, response) => {
    const { method, url: path } = request as { method: string; url: string };
    const body = await bodyOf(request);
    pool.dispatch(
      { method: method as 'POST', path, headers: forwardedHeaders(request), body },
      {
        onRequestStart: (controller) => {
          response.on('close', () => controller.abort(new Error('gone')));
          response.on('drain', () => controller.resume());
        },
        onResponseStart: (_controller, status, headers) => {
          const kept = Object.entries(headers).filter(([header]) => header !== 'connection' && header !== 'keep-alive');
          response.writeHead(status, Object.fromEntries(kept));
        },
        onResponseData: (controller, chunk) => {
          if (!response.write(chunk)) controller.pause();
        },
        onResponseEnd: () => response.end(),
        onResponseError: () => response.destroy(),
      },
    );
  };
}

function fetching(target: string): RequestListener {
  return async (request, response) => {
    try {
      const gone = new AbortController();
      response.on('close', () => gone.abort());
      const { method, url } = request as { method: string; url: string };
      const body = await bodyOf(request);
      const answer = await fetch(target + url, {
        method,
        headers: forwardedHeaders(request),
        body,
        signal: gone.signal,
      });
      response.writeHead(answer.status, Object.fromEntries(answer.headers));
      const forwarded = Readable.fromWeb(answer.body! as Parameters<typeof Readable.fromWeb>[0]);
      pipeline(forwarded, response, () => {});
    } catch {
      response.destroy();
    }
  };
}

function forwardedHeaders(request: IncomingMessage): Record<string, string> {
  const kept = Object.entries(request.headers).filter(([name]) => !connectionHeaders.has(name));
  return Object.fromEntries(kept) as Record<string, string>;
}

async function bodyOf(request: IncomingMessage): Promise<Buffer<ArrayBuffer>> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}
