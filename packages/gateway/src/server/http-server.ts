/**
 * The HTTP server towards the clients, and everything that bounds a client before its request is one: how long its
 * headers and its body may take, how large its headers may be, how many connections it may hold.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse, STATUS_CODES } from 'node:http';
import type { Socket } from 'node:net';
import type { Policy, Turned } from '@headgate/core';
import { isTrustedProxy } from '@headgate/core/http';
import { Connections } from './connections.js';

const headerBytesMax = 16 * 1024;
/** How often Node looks for connections whose headers or body are late. */
const checkMsMax = 1_000;

export interface HttpServerOptions {
  /** The one in force, whenever it is asked. */
  readonly policy: () => Policy;
  /** @param expectsContinue the client waits for `100 Continue` before it sends its body */
  readonly onRequest: (request: IncomingMessage, response: ServerResponse, expectsContinue: boolean) => void;
  /**
   * The body of the last request on this connection is not well-formed, so nothing after it can be read.
   * @returns whether the request is answered; the connection is cut when it is not
   */
  readonly onMalformed: (socket: Socket) => boolean;
  /** What came is no request, or none for us; it is answered with what this says, and its connection closed. */
  readonly onUnreadable: (socket: Socket, status: number, message: string) => Promise<Turned>;
}

type TurnAway = (socket: Socket, status: number, message: string) => void;

export interface HttpServer {
  readonly server: Server;
  readonly connections: Connections;
  /** Takes up what the policy in force says of clients. */
  configure(): void;
}

export function createHttpServer({ policy, onRequest, onMalformed, onUnreadable }: HttpServerOptions): HttpServer {
  const server = createServer({
    keepAlive: true,
    noDelay: true,
    maxHeaderSize: headerBytesMax,
    // Missing hosts and odd expectations are refused in the dialect of the path, which Node does not know.
    requireHostHeader: false,
    connectionsCheckingInterval: Math.min(checkMsMax, policy().client.headersMs / 2),
  });
  const configure = (): void => setTimeouts(server, policy());
  configure();
  // All headers or none: Node leaves out what is beyond its count, and what it left out could be the encoding of the body.
  server.maxHeadersCount = 0;
  const connections = new Connections(server);
  const turnAway: TurnAway = (socket, status, message) => {
    onUnreadable(socket, status, message).then(
      (turned) => refuseSocket(socket, turned),
      () => socket.destroy(),
    );
  };
  server.on('request', (request, response) => onRequest(request, response, false));
  server.on('checkContinue', (request, response) => onRequest(request, response, true));
  server.on('checkExpectation', (request, response) => onRequest(request, response, false));
  server.on('connect', (_request, socket: Socket) => {
    // Node has taken its own listener off, and an error that nobody listens for ends the process.
    socket.on('error', () => socket.destroy());
    turnAway(socket, 405, 'CONNECT is not served here');
  });
  server.on('clientError', (error: NodeJS.ErrnoException, socket: Socket) => {
    // In the middle of an answer there is no place for another.
    if (connections.isBusy(socket)) {
      if (!onMalformed(socket)) socket.destroy();
      return;
    }
    // Nor after the answer of a request whose body never came: it would be read as the answer to the next one.
    if (connections.isInRequest(socket)) {
      socket.destroy();
      return;
    }
    const [status, message] = problems[error.code ?? ''] ?? [400, 'this is not a request that can be read'];
    turnAway(socket, status, message);
  });
  boundConnections(server, policy, turnAway);
  return { server, connections, configure };
}

function setTimeouts(server: Server, { client: { headersMs, bodyMs, keepAliveMs }, guard }: Policy): void {
  server.headersTimeout = headersMs;
  // A backstop for bodies that nobody reads. Uploads of models, where they are allowed, take as long as they take.
  server.requestTimeout = guard.admin === 'allow' ? 0 : headersMs + bodyMs;
  server.keepAliveTimeout = keepAliveMs;
}

const problems: Readonly<Record<string, readonly [status: number, message: string]>> = {
  ERR_HTTP_REQUEST_TIMEOUT: [408, 'the request took too long to arrive'],
  HPE_HEADER_OVERFLOW: [431, `the headers are larger than ${headerBytesMax} bytes`],
};

/** An answer to what is no request, or none for us, and the end of its connection. */
function refuseSocket(socket: Socket, { status, headers, body }: Turned): void {
  if (!socket.writable) {
    socket.destroy();
    return;
  }
  const head = Object.entries({ ...headers, 'content-length': Buffer.byteLength(body), connection: 'close' });
  const lines = [`HTTP/1.1 ${status} ${STATUS_CODES[status]}`, ...head.map(([name, value]) => `${name}: ${value}`)];
  // Nothing more is read: `end` alone would wait for a client that never closes.
  socket.end(`${lines.join('\r\n')}\r\n\r\n${body}`, () => socket.destroy());
}

function boundConnections(server: Server, policy: () => Policy, turnAway: TurnAway): void {
  const counts = new Map<string, number>();
  server.on('connection', (socket: Socket) => {
    const { remoteAddress = '' } = socket;
    const address = clientOf(remoteAddress);
    const count = (counts.get(address) ?? 0) + 1;
    const { connectionsPerAddress: connectionsMax } = policy().client;
    // Behind a proxy all clients come from its address, and it is the proxy that has to bound them.
    if (count > connectionsMax && !isTrustedProxy(policy(), remoteAddress)) {
      turnAway(socket, 429, `more than ${connectionsMax} connections from ${address}`);
      return;
    }
    counts.set(address, count);
    socket.once('close', () => {
      const left = counts.get(address)! - 1;
      if (left === 0) counts.delete(address);
      else counts.set(address, left);
    });
  });
}

/** One name for one client: IPv4 inside IPv6 as IPv4, and of IPv6 the half that a client cannot change at will. */
export function clientOf(address: string): string {
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address)?.[1];
  if (mapped !== undefined || !address.includes(':')) return mapped ?? address;
  const [head = '', tail] = address.split('%', 1)[0]!.split('::');
  const groups = head === '' ? [] : head.split(':');
  const rest = tail === undefined || tail === '' ? [] : tail.split(':');
  const missing = tail === undefined ? 0 : 8 - groups.length - rest.length;
  return [...groups, ...new Array<string>(Math.max(0, missing)).fill('0'), ...rest].slice(0, 4).join(':');
}
