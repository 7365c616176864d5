import type { IncomingHttpHeaders } from 'node:http';

/** One request as the server saw it. */
export interface SeenRequest {
  /** 1, 2, 3 … in order of arrival. */
  readonly id: number;
  readonly method: string;
  /** Percent-decoded, without the query. */
  readonly path: string;
  readonly rawUrl: string;
  /** Names in lower case; repeated headers joined by a comma. */
  readonly headers: Record<string, string>;
  body: Buffer;
  /** The body as strict JSON, when it is. What Ollama itself makes of the body may differ: its reader is laxer. */
  json?: unknown;
  /** Milliseconds since the epoch, with fractions. */
  readonly startedAt: number;
  firstByteAt?: number;
  endedAt?: number;
  /** `refused`: answered with a status of 400 or more. `crashed`: the fault was the server's. `aborted`: the client left. */
  outcome?: 'completed' | 'aborted' | 'crashed' | 'refused';
  status?: number;
  /** Tokens generated for this request so far; for a stream, the tokens written. */
  tokensSent: number;
}

/** Counters of inference requests; requests to cheap endpoints only appear in `seen`. */
export interface Stats {
  /** Received and not yet ended, in whatever state. */
  inFlight: number;
  inFlightMax: number;
  /** Holding a runner slot. */
  running: number;
  runningMax: number;
  /** Waiting for a model to load or for a runner slot. */
  waiting: number;
  aborted: number;
  completed: number;
  /** Loads begun, and runners closed (unloaded, crashed, or thrown away half loaded). */
  loads: number;
  unloads: number;
  /** Names of the models in memory. */
  loaded: string[];
}

export function nowMs(): number {
  return performance.timeOrigin + performance.now();
}

export function flatHeaders(headers: IncomingHttpHeaders): Record<string, string> {
  const flat: Record<string, string> = {};
  for (const [name, value] of Object.entries(headers)) {
    if (value !== undefined) flat[name] = Array.isArray(value) ? value.join(', ') : value;
  }
  return flat;
}

interface Watch {
  check(): boolean;
}

/** What happened, and who waits for something to happen. */
export class Recorder {
  readonly seen: SeenRequest[] = [];
  readonly cloud: SeenRequest[] = [];
  /** Requests of every kind without an end. */
  open = 0;
  inFlight = 0;
  inFlightMax = 0;
  running = 0;
  runningMax = 0;
  waiting = 0;
  aborted = 0;
  completed = 0;
  loads = 0;
  unloads = 0;
  #lastId = 0;
  #lastCloudId = 0;
  readonly #remember: number;
  readonly #watches = new Set<Watch>();

  constructor(remember: number) {
    this.#remember = remember;
  }

  nextId(): number {
    return ++this.#lastId;
  }

  nextCloudId(): number {
    return ++this.#lastCloudId;
  }

  arrived(request: SeenRequest): void {
    this.seen.push(request);
    if (this.seen.length > this.#remember) this.seen.shift();
    this.open++;
    this.changed();
  }

  reachedCloud(request: SeenRequest): void {
    this.cloud.push(request);
    if (this.cloud.length > this.#remember) this.cloud.shift();
    this.changed();
  }

  inferenceBegan(): void {
    this.inFlight++;
    this.inFlightMax = Math.max(this.inFlightMax, this.inFlight);
    this.changed();
  }

  slotTaken(): void {
    this.running++;
    this.runningMax = Math.max(this.runningMax, this.running);
    this.changed();
  }

  slotFreed(): void {
    this.running--;
    this.changed();
  }

  ended(request: SeenRequest, inference: boolean): void {
    request.endedAt = nowMs();
    this.open--;
    if (inference) {
      this.inFlight--;
      if (request.outcome === 'aborted') this.aborted++;
      if (request.outcome === 'completed') this.completed++;
    }
    this.changed();
  }

  async whileWaiting<T>(outcome: Promise<T>): Promise<T> {
    this.waiting++;
    this.changed();
    try {
      return await outcome;
    } finally {
      this.waiting--;
      this.changed();
    }
  }

  /** Forgets the past; what is in flight now stays counted. */
  reset(): void {
    this.seen.length = 0;
    this.cloud.length = 0;
    this.inFlightMax = this.inFlight;
    this.runningMax = this.running;
    this.aborted = 0;
    this.completed = 0;
    this.loads = 0;
    this.unloads = 0;
  }

  changed(): void {
    if (this.#watches.size === 0) return;
    for (const watch of [...this.#watches]) if (watch.check()) this.#watches.delete(watch);
  }

  /** Resolves as soon as `predicate` holds, looking again whenever something changes; rejects after `timeoutMs`. */
  waitFor(predicate: () => boolean, timeoutMs: number, describe: () => string): Promise<void> {
    return new Promise((resolve, reject) => {
      let timer: NodeJS.Timeout | undefined;
      const check = (): boolean => {
        try {
          if (!predicate()) return false;
          resolve();
        } catch (error) {
          reject(error);
        }
        clearTimeout(timer);
        return true;
      };
      if (check()) return;
      const watch = { check };
      this.#watches.add(watch);
      if (timeoutMs === Number.POSITIVE_INFINITY) return;
      timer = setTimeout(() => {
        this.#watches.delete(watch);
        reject(new Error(`waited ${timeoutMs} ms in vain; ${describe()}`));
      }, timeoutMs);
    });
  }
}
