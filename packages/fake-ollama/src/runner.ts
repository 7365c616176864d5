import type { Cancellation } from './cancellation.js';
import type { Model } from './models.js';
import { Semaphore } from './semaphore.js';

/** The options a model is loaded with. A request that needs others forces a reload. */
export interface RunnerOptions {
  numCtx: number;
  /** The other load options and `shift`, as one comparable text. */
  rest: string;
}

interface CacheSlot {
  text: string;
  busy: boolean;
  usedAt: number;
}

/** A unit of the runner's parallelism, with the prompt cache that belongs to it. */
export interface RunnerSlot {
  /** Characters at the start of the prompt that need no computing. */
  cachedChars: number;
  /** Gives the slot back; `text` is what its cache holds from now on. */
  release(text: string): void;
}

/** A model in memory. */
export class Runner {
  readonly model: Model;
  readonly options: RunnerOptions;
  readonly semaphore: Semaphore;
  /** Runs elsewhere: holding it does not occupy this server. */
  readonly remote: boolean;
  /** Requests that hold the runner, waiting for a slot or having one. */
  refs = 0;
  /** How long to stay after the last request; 0 also means: marked for eviction. */
  sessionMs: number;
  /** Only renewed when the model goes idle, so it is stale while requests run. */
  expiresAt: number | undefined;
  expireTimer: NodeJS.Timeout | undefined;
  dead = false;
  readonly users = new Set<Cancellation>();
  readonly #cache: CacheSlot[];
  #clock = 0;

  constructor(model: Model, options: RunnerOptions, numParallel: number, sessionMs: number, remote = false) {
    this.model = model;
    this.remote = remote;
    this.options = options;
    this.semaphore = new Semaphore(numParallel);
    this.sessionMs = sessionMs;
    this.#cache = Array.from({ length: numParallel }, () => ({ text: '', busy: false, usedAt: 0 }));
  }

  /** Call with a unit of the semaphore in hand. Picks the free slot whose cache helps most, then the one unused longest. */
  takeSlot(prompt: string): RunnerSlot {
    const free = this.#cache
      .filter((slot) => !slot.busy)
      .map((slot) => ({ slot, common: commonPrefix(slot.text, prompt) }))
      .sort((a, b) => b.common - a.common || a.slot.usedAt - b.slot.usedAt);
    const best = free[0];
    if (best === undefined) throw new Error('no free slot although the semaphore gave one');
    best.slot.busy = true;
    return {
      cachedChars: best.common,
      release: (text) => {
        best.slot.text = text;
        best.slot.busy = false;
        best.slot.usedAt = ++this.#clock;
        this.semaphore.release();
      },
    };
  }

  /** The process dies: whoever uses it, waiting or running, fails. */
  crash(): void {
    this.dead = true;
    for (const user of [...this.users]) user.cancel('runner-crashed');
  }
}

function commonPrefix(a: string, b: string): number {
  const length = Math.min(a.length, b.length);
  let index = 0;
  while (index < length && a.charCodeAt(index) === b.charCodeAt(index)) index++;
  return index;
}
