/**
 * Node's request and response as far as this folder needs them, as shapes: whatever looks like them will do, and no type
 * of Node or of a framework is dragged into core.
 */

type Listener = (value?: unknown) => void;

interface Emitter {
  on(event: string, listener: Listener): unknown;
  once(event: string, listener: Listener): unknown;
  removeListener(event: string, listener: Listener): unknown;
}

export interface NodeSocket extends Emitter {
  readonly remoteAddress?: string | undefined;
  readonly destroyed: boolean;
}

export interface Http2Stream {
  /** The client has sent no body. */
  readonly endAfterHeaders: boolean;
  /** All that came was read, which a client that breaks off ends too. */
  readonly readableEnded: boolean;
  /** Why the stream was closed; 0 while it is open, and where all is well. */
  readonly rstCode?: number | undefined;
  close(code?: number): unknown;
}

export interface NodeRequest extends Emitter {
  readonly method?: string | undefined;
  readonly url?: string | undefined;
  /** The URL before a router cut its mount path off. */
  readonly originalUrl?: string | undefined;
  readonly headers: { [name: string]: string | string[] | undefined };
  readonly rawHeaders: string[];
  readonly socket: NodeSocket;
  readonly httpVersionMajor?: number | undefined;
  /** In HTTP/2, what the request is read from. */
  readonly stream?: Http2Stream | undefined;
  /** The whole message has arrived; undefined where there is none, as of `app.inject` in Fastify. */
  readonly complete?: boolean | undefined;
  /** Node's own; there is no other way to know whether all of a stream is here without reading it to its end. */
  readonly _readableState?: { readonly ended: boolean } | undefined;
  readonly destroyed: boolean;
  /** Somebody has read the stream to its end. */
  readonly readableEnded: boolean;
  readonly readableLength: number;
  read(size?: number): unknown;
  unshift(chunk: Uint8Array): unknown;
  resume(): unknown;
  /** What a body parser made of the body, and its own mark that it did. */
  body?: unknown;
  readonly _body?: boolean | undefined;
}

export interface NodeResponse extends Emitter {
  statusCode: number;
  readonly headersSent: boolean;
  readonly destroyed: boolean;
  readonly writableEnded: boolean;
  readonly writableFinished: boolean;
  readonly writableNeedDrain: boolean;
  readonly req: NodeRequest;
  emit(event: string): unknown;
  getHeader(name: string): number | string | string[] | undefined;
  setHeader(name: string, value: number | string | readonly string[]): unknown;
  removeHeader(name: string): void;
  destroy(): unknown;
}
