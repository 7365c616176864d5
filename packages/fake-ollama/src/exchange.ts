import type { IncomingMessage, ServerResponse } from 'node:http';
import { Cancellation } from './cancellation.js';
import type { FaultBox } from './faults.js';
import { goJson } from './go-json.js';
import { nowMs, type Recorder, type SeenRequest } from './record.js';

export const JSON_UTF8 = 'application/json; charset=utf-8';

/** One request and its answer on the wire. */
export class Exchange {
  readonly request: IncomingMessage;
  readonly seen: SeenRequest;
  readonly query: string;
  readonly cancellation = new Cancellation();
  /** Arrival, in milliseconds of `performance.now()`, for the durations in answers. */
  readonly arrivedAt = performance.now();
  #inference = false;
  #ended = false;
  #handled = false;
  #outcome: SeenRequest['outcome'];
  readonly #response: ServerResponse;
  readonly #recorder: Recorder;
  readonly #faults: FaultBox;

  constructor(
    request: IncomingMessage,
    response: ServerResponse,
    seen: SeenRequest,
    query: string,
    recorder: Recorder,
    faults: FaultBox,
  ) {
    this.request = request;
    this.#response = response;
    this.seen = seen;
    this.query = query;
    this.#recorder = recorder;
    this.#faults = faults;
    response.once('close', () => {
      if (!response.writableFinished) this.#leave('aborted');
      else this.#close(response.statusCode >= 400 ? 'refused' : 'completed');
    });
    recorder.arrived(seen);
  }

  get begun(): boolean {
    return this.#response.headersSent;
  }

  /** From here on the request counts in the statistics. */
  countAsInference(): void {
    this.#inference = true;
    this.#recorder.inferenceBegan();
  }

  async readBody(): Promise<Buffer> {
    const chunks: Buffer[] = [];
    for await (const chunk of this.request) chunks.push(chunk as Buffer);
    const body = Buffer.concat(chunks);
    this.seen.body = body;
    const text = body.toString('utf8');
    if (/^\s*[[{]/.test(text)) {
      try {
        this.seen.json = JSON.parse(text);
      } catch {
        // Not strict JSON: what Ollama makes of it is another matter, and `body` has the bytes.
      }
    }
    return body;
  }

  setHeaders(headers: Record<string, string>): void {
    for (const [name, value] of Object.entries(headers)) this.#response.setHeader(name, value);
  }

  begin(status: number, headers: Record<string, string>): void {
    this.seen.status = status;
    this.#response.writeHead(status, headers);
  }

  /** One flush. Waits while the reader is slow; throws Cancelled when it is gone. */
  async write(text: string): Promise<void> {
    this.cancellation.check();
    this.#markFirstByte();
    const size = this.#faults.current.fragmentBytes;
    if (size === undefined) return this.#push(text);
    const bytes = Buffer.from(text);
    for (let at = 0; at < bytes.length; at += size) {
      await this.#push(bytes.subarray(at, at + size));
      // Separate writes of one turn would be joined into one packet.
      await this.cancellation.sleep(0);
    }
  }

  end(text = ''): void {
    this.#markFirstByte();
    this.#response.end(text);
  }

  /** A whole answer in one piece. */
  reply(status: number, body: string | Buffer, headers: Record<string, string>): void {
    if (this.#outcome !== undefined) return;
    this.begin(status, { ...headers, 'content-length': String(Buffer.byteLength(body)) });
    this.#markFirstByte();
    this.#response.end(this.request.method === 'HEAD' ? undefined : body);
  }

  json(status: number, value: unknown, type = JSON_UTF8): void {
    this.reply(status, goJson(value), { 'content-type': type });
  }

  text(status: number, body: string, headers: Record<string, string> = {}): void {
    this.reply(status, body, { 'content-type': 'text/plain', ...headers });
  }

  /** Cuts the connection: with a reset, or with a plain close after what was written. */
  die(how: 'reset' | 'close'): void {
    this.#leave('crashed');
    const { socket } = this.request;
    if (how === 'reset') socket.resetAndDestroy();
    else socket.destroy();
  }

  async #push(data: string | Buffer): Promise<void> {
    if (this.#response.write(data)) return;
    await this.cancellation.race<void>((resolve) => {
      this.#response.once('drain', resolve);
      return () => this.#response.removeListener('drain', resolve);
    });
  }

  #markFirstByte(): void {
    if (this.seen.firstByteAt !== undefined) return;
    this.seen.firstByteAt = nowMs();
    this.#recorder.changed();
  }

  /** To be called when nothing more will be done for the request. */
  handled(): void {
    this.#handled = true;
    this.#finish();
  }

  #leave(outcome: 'aborted' | 'crashed'): void {
    this.cancellation.cancel(outcome === 'aborted' ? 'client-gone' : 'server-dead');
    this.#close(outcome);
  }

  #close(outcome: NonNullable<SeenRequest['outcome']>): void {
    this.#outcome ??= outcome;
    this.#finish();
  }

  /** The request ends when the connection is done with it and its slot is given back, whichever comes last. */
  #finish(): void {
    if (this.#ended || !this.#handled || this.#outcome === undefined) return;
    this.#ended = true;
    this.seen.outcome ??= this.#outcome;
    this.#recorder.ended(this.seen, this.#inference);
  }
}
