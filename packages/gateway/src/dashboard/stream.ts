/**
 * Those who watch, over server-sent events. Nothing runs while nobody does. Snapshots are made one after the other, at most
 * one a second, and the same one goes to all. Whoever does not take a snapshot gets no other until it has; whoever does not
 * for long is cut off. So no more is held for a reader than one snapshot.
 */
import type { ServerResponse } from 'node:http';
import type { Clock, Timer } from '@headgate/core';

export const everyMs = 1_000;
/** A reader that takes nothing for so long has gone, or may come again. */
const slowMsMax = 15_000;
export const readersMax = 16;
/** When a browser comes again after the connection was lost, ms. */
const comeAgainMs = 2_000;

/** A snapshot as text: all that is known for who is new, what changed for the others. */
export interface Frames {
  readonly whole: string;
  readonly change: string;
}

export interface StreamOptions {
  readonly clock: Clock;
  readonly snapshot: () => Promise<Frames>;
  /** The last reader has left. */
  readonly onIdle: () => void;
  /** A snapshot could not be made, which is a bug of ours. */
  readonly onError: (error: unknown) => void;
}

interface Reader {
  readonly response: ServerResponse;
  isNew: boolean;
  /** Since when it has taken nothing; undefined while it does. */
  stuckSince: number | undefined;
}

export class SnapshotStream {
  readonly #options: StreamOptions;
  readonly #readers = new Set<Reader>();
  #timer: Timer | undefined;
  #making: Promise<void> | undefined;
  #madeAt = Number.NEGATIVE_INFINITY;
  #closed = false;

  constructor(options: StreamOptions) {
    this.#options = options;
  }

  get readers(): number {
    return this.#readers.size;
  }

  get mayJoin(): boolean {
    return !this.#closed && this.#readers.size < readersMax;
  }

  /** The head of the response is written. */
  join(response: ServerResponse): void {
    const reader: Reader = { response, isNew: true, stuckSince: undefined };
    this.#readers.add(reader);
    response.once('close', () => this.#leave(reader));
    response.write(`retry: ${comeAgainMs}\n\n`);
    this.#next();
  }

  #leave(reader: Reader): void {
    this.#readers.delete(reader);
    if (this.#readers.size > 0) return;
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#options.onIdle();
  }

  #next(): void {
    if (this.#closed || this.#timer !== undefined || this.#making !== undefined || this.#readers.size === 0) return;
    const { clock } = this.#options;
    this.#timer = clock.after(Math.max(0, this.#madeAt + everyMs - clock.now()), () => {
      this.#timer = undefined;
      this.#making = this.#make().finally(() => {
        this.#making = undefined;
        this.#next();
      });
    });
  }

  async #make(): Promise<void> {
    const { clock, snapshot, onError } = this.#options;
    this.#madeAt = clock.now();
    try {
      const frames = await snapshot();
      if (this.#closed) return;
      for (const reader of this.#readers) this.#send(reader, frames, clock.now());
    } catch (error) {
      onError(error);
      this.cut();
    }
  }

  #send(reader: Reader, { whole, change }: Frames, now: number): void {
    const { response } = reader;
    if (!response.writableNeedDrain) {
      reader.stuckSince = undefined;
      // Steps that it missed are in the whole.
      response.write(frame(reader.isNew ? whole : change));
      reader.isNew = false;
      return;
    }
    reader.isNew = true;
    reader.stuckSince ??= now;
    if (now - reader.stuckSince >= slowMsMax) response.destroy();
  }

  /** Cuts all streams. Those who may come again do. */
  cut(): void {
    for (const { response } of [...this.#readers]) response.destroy();
  }

  /** Ends all streams, and begins none again. */
  close(): void {
    this.#closed = true;
    this.#timer?.cancel();
    this.#timer = undefined;
    for (const { response } of this.#readers) response.end();
  }
}

function frame(json: string): string {
  return `event: snapshot\ndata: ${json}\n\n`;
}
