/**
 * A connection to a backend, which carries one request at a time, on undici's `Client`. Undici connects when there is something
 * to send, looks before each request whether the backend has closed a kept connection, and connects anew if so.
 */
import { isIP, type Socket, connect as tcpConnect } from 'node:net';
import { connect as tlsConnect } from 'node:tls';
import { Client, type Dispatcher } from 'undici';
import type { Target } from './target.js';

/** Kept this long without a request, ms, unless the backend says less. */
const keptMs = 60_000;
/** As long as Node's own client accepts. */
const headerBytesMax = 16 * 1024;

const nothing = (): void => {};

export class Link {
  readonly target: Target;
  readonly #client: Client;
  #socket: Socket | undefined;
  /** Whether a request was answered whole over the present connection, which the backend may be closing by now. */
  isReused = false;

  /** @param onClosed called when its connection is closed, by whomever */
  constructor(target: Target, onClosed: (link: Link) => void) {
    this.target = target;
    this.#client = new Client(target.origin, {
      connect: (_options, callback) => this.#connect(callback),
      // How long a backend may take is told by the policy, on the limiter's clock.
      headersTimeout: 0,
      bodyTimeout: 0,
      keepAliveTimeout: keptMs,
      maxHeaderSize: headerBytesMax,
    });
    this.#client.on('disconnect', () => onClosed(this));
  }

  send(request: Dispatcher.DispatchOptions, handler: Dispatcher.DispatchHandler): void {
    this.#client.dispatch(request, handler);
  }

  /** Bytes received over the present connection. */
  get bytesRead(): number {
    return this.#socket?.bytesRead ?? 0;
  }

  /**
   * Closes the connection, whatever it carries.
   * @param done called when it is closed, so that the backend can learn of it before it gets another request
   */
  destroy(done: () => void = nothing): void {
    const socket = this.#socket;
    const isOpen = socket !== undefined && !socket.closed;
    // A turn of the event loop later, in which a backend on this machine can notice.
    if (isOpen) socket.once('close', () => setImmediate(done));
    // A reset says at once what a plain close leaves open: that nobody reads the rest.
    if (isOpen && !socket.connecting && !this.target.secure) socket.resetAndDestroy();
    else socket?.destroy();
    this.#client.destroy(null, nothing);
    if (!isOpen) done();
  }

  #connect(callback: (...outcome: [error: null, socket: Socket] | [error: Error, socket: null]) => void): void {
    const socket = opened(this.target);
    this.#socket = socket;
    this.isReused = false;
    const onError = (error: Error): void => callback(error, null);
    socket.once('error', onError);
    socket.once(this.target.secure ? 'secureConnect' : 'connect', () => {
      socket.removeListener('error', onError);
      callback(null, socket);
    });
  }
}

function opened({ hostname: host, port, secure }: Target): Socket {
  const options = { host, port, noDelay: true, keepAlive: true };
  if (!secure) return tcpConnect(options);
  // An address is no name that a certificate could be asked for by.
  return tlsConnect({ ...options, ALPNProtocols: ['http/1.1'], ...(isIP(host) === 0 ? { servername: host } : {}) });
}

/** Connections that carry nothing now. The one used last goes first, so that those too many are let go. */
export class Links {
  readonly #idle = new Map<string, Link[]>();
  #isClosed = false;

  take(target: Target): Link {
    return this.#idle.get(target.origin)?.pop() ?? new Link(target, (link) => this.#forget(link));
  }

  /** Back from a request that was answered whole. */
  give(link: Link): void {
    link.isReused = true;
    if (this.#isClosed) {
      link.destroy();
      return;
    }
    const { origin } = link.target;
    const kept = this.#idle.get(origin);
    if (kept === undefined) this.#idle.set(origin, [link]);
    else kept.push(link);
  }

  close(): void {
    this.#isClosed = true;
    for (const kept of this.#idle.values()) for (const link of kept.splice(0)) link.destroy();
    this.#idle.clear();
  }

  #forget(link: Link): void {
    const kept = this.#idle.get(link.target.origin);
    // Those that were not used for long are the first to be closed, and stand at the front.
    const at = kept?.indexOf(link) ?? -1;
    if (at >= 0) kept!.splice(at, 1);
  }
}
