/**
 * A server that breaks. Every job has its own pace; a crash ends all of them at once and turns new ones away, a hang keeps
 * connections open and writes nothing.
 */
import type { Clock } from '@headgate/core';
import type { Engine, Job } from '../world/engine.js';

interface Work {
  readonly job: Job;
  written: number;
  over: boolean;
}

export interface Pace {
  readonly tokenMs: number;
  readonly promptTokenMs: number;
}

/** How long a server that is down takes to say so. */
const refusedMs = 1;

export class FragileEngine implements Engine {
  readonly #clock: Clock;
  readonly #pace: Pace;
  readonly #work = new Set<Work>();
  #state: 'up' | 'down' | 'hung' = 'up';
  /** Most jobs it ever had at once. */
  most = 0;

  constructor(clock: Clock, pace: Pace) {
    this.#clock = clock;
    this.#pace = pace;
  }

  /** Jobs it has now. */
  get busy(): number {
    return this.#work.size;
  }

  start(job: Job): () => void {
    const work = { job, written: 0, over: false };
    this.#work.add(work);
    this.most = Math.max(this.most, this.#work.size);
    if (this.#state === 'down') this.#clock.after(refusedMs, () => this.#fail(work));
    else this.#clock.after(this.#pace.tokenMs + this.#pace.promptTokenMs * job.inputTokens, () => this.#write(work));
    return () => this.#finish(work);
  }

  crash(): void {
    this.#state = 'down';
    for (const work of [...this.#work]) this.#fail(work);
  }

  hang(): void {
    if (this.#state === 'up') this.#state = 'hung';
  }

  heal(): void {
    this.#state = 'up';
  }

  #write(work: Work): void {
    if (work.over) return;
    if (this.#state !== 'hung') {
      const goesOn = work.job.written(1) && ++work.written < work.job.outputTokens;
      if (!goesOn && this.#finish(work)) {
        work.job.ended();
        return;
      }
    }
    this.#clock.after(this.#pace.tokenMs, () => this.#write(work));
  }

  #fail(work: Work): void {
    if (this.#finish(work)) work.job.failed();
  }

  #finish(work: Work): boolean {
    work.over = true;
    return this.#work.delete(work);
  }
}
