/** The clients' connections, and which of them have a request under way. */
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';

export class Connections {
  /** Requests under way, by connection. */
  readonly #open = new Map<Socket, number>();
  readonly #latest = new WeakMap<Socket, IncomingMessage>();
  #draining = false;

  constructor(server: Server) {
    server.on('connection', (socket: Socket) => {
      this.#open.set(socket, 0);
      socket.once('close', () => this.#open.delete(socket));
    });
    const onRequest = (request: IncomingMessage, response: ServerResponse): void => {
      const { socket } = request;
      this.#latest.set(socket, request);
      this.#count(socket, 1);
      response.once('close', () => this.#count(socket, -1));
    };
    server.prependListener('request', onRequest);
    server.prependListener('checkContinue', onRequest);
    server.prependListener('checkExpectation', onRequest);
  }

  /**
   * Closes every connection that has no request under way, now or once its last answer is delivered. Node's own way leaves
   * out connections that never had a request, such as clients open ahead of need.
   */
  drain(): void {
    this.#draining = true;
    for (const [socket, requests] of this.#open) if (requests === 0) socket.destroySoon();
  }

  /** Whether a request on the connection is under way. */
  isBusy(socket: Socket): boolean {
    return (this.#open.get(socket) ?? 0) > 0;
  }

  /** Whether what comes on the connection is still of a request that has begun, answered or not. */
  isInRequest(socket: Socket): boolean {
    return this.#latest.get(socket)?.complete === false;
  }

  /** Closes all that are left. */
  cut(): void {
    for (const socket of this.#open.keys()) socket.destroy();
  }

  #count(socket: Socket, by: 1 | -1): void {
    const requests = this.#open.get(socket);
    if (requests === undefined) return;
    this.#open.set(socket, requests + by);
    if (this.#draining && requests + by === 0) socket.destroySoon();
  }
}
