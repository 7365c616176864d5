/**
 * A server with models and a prompt cache, such as Ollama: it holds so many models, loads one at a time, and takes requests in
 * the order in which they come. A request whose model is not there waits until one that nobody uses can go, and everybody
 * behind it waits too. Each slot reads its prompt and writes its answer at its own pace.
 */
import type { Clock } from '@headgate/core';
import type { Engine, Job } from './engine.js';

export interface GpuOptions {
  /** Requests at once. */
  readonly slots: number;
  /** Models in memory at once. */
  readonly places: number;
  readonly loadMs: number;
  readonly promptTokenMs: number;
  readonly tokenMs: number;
  /** Prefix blocks that each model's prompt cache holds; the least recently used one goes. */
  readonly cacheBlocks: number;
  readonly blockTokens: number;
}

export interface GpuCounts {
  loads: number;
  /** Blocks of prompts, and those of them that were in the cache. */
  blocks: number;
  hits: number;
}

interface Loaded {
  busy: number;
  readonly cache: Set<number>;
}

interface Waiting {
  readonly job: Job;
  over: boolean;
}

export class GpuEngine implements Engine {
  readonly #clock: Clock;
  readonly #options: GpuOptions;
  /** Least recently used first. */
  readonly #loaded = new Map<string, Loaded>();
  readonly #waiting: Waiting[] = [];
  #running = 0;
  #isLoading = false;
  counts: GpuCounts = { loads: 0, blocks: 0, hits: 0 };

  constructor(clock: Clock, options: GpuOptions) {
    this.#clock = clock;
    this.#options = options;
  }

  /** Models in memory. */
  loaded(): readonly string[] {
    return [...this.#loaded.keys()];
  }

  start(job: Job): () => void {
    const waiting = { job, over: false };
    this.#waiting.push(waiting);
    this.#next();
    return () => {
      waiting.over = true;
      this.#next();
    };
  }

  #next(): void {
    while (this.#waiting.length > 0 && !this.#isLoading) {
      const first = this.#waiting[0]!;
      const model = this.#loaded.get(first.job.model);
      if (first.over) this.#waiting.shift();
      else if (model !== undefined) {
        if (this.#running >= this.#options.slots) return;
        this.#waiting.shift();
        this.#run(first, model);
      } else if (!this.#load(first.job.model)) return;
    }
  }

  /** False while no model can go. */
  #load(name: string): boolean {
    if (this.#loaded.size >= this.#options.places) {
      const idle = [...this.#loaded].find(([, { busy }]) => busy === 0);
      if (idle === undefined) return false;
      this.#loaded.delete(idle[0]);
    }
    this.#isLoading = true;
    this.counts.loads++;
    this.#clock.after(this.#options.loadMs, () => {
      this.#isLoading = false;
      this.#loaded.set(name, { busy: 0, cache: new Set() });
      this.#next();
    });
    return true;
  }

  #run(running: Waiting, model: Loaded): void {
    const { promptTokenMs, tokenMs, blockTokens } = this.#options;
    const { job } = running;
    this.#running++;
    model.busy++;
    this.#loaded.delete(job.model);
    this.#loaded.set(job.model, model);
    const known = this.#read(job.prefixBlocks, model.cache) * blockTokens;
    this.#clock.after(promptTokenMs * Math.max(0, job.inputTokens - known), () => {
      if (!running.over) job.written(1);
      this.#clock.after(tokenMs * (job.outputTokens - 1), () => {
        this.#running--;
        model.busy--;
        if (!running.over) {
          job.written(job.outputTokens - 1);
          job.ended();
        }
        this.#next();
      });
    });
  }

  /** Leading blocks that are in the cache; afterwards all of them are. */
  #read(blocks: readonly number[], cache: Set<number>): number {
    let known = 0;
    while (known < blocks.length && cache.has(blocks[known]!)) known++;
    this.counts.blocks += blocks.length;
    this.counts.hits += known;
    // From the end, so that a prefix outlives what follows it.
    for (let i = blocks.length - 1; i >= 0; i--) {
      cache.delete(blocks[i]!);
      cache.add(blocks[i]!);
    }
    for (const oldest of cache) {
      if (cache.size <= this.#options.cacheBlocks) break;
      cache.delete(oldest);
    }
    return known;
  }
}
