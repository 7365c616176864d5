/**
 * An LLM server that batches: all requests it runs get one token a step, and a step takes longer by the prompts that are read
 * in it. With 20 slots, 42 ms a step and 0.21 ms a prompt token it makes 866 tokens a second of requests with 256 tokens in
 * and 256 out, as the server does on which the virtual token counter was published.
 */
import type { Clock } from '@headgate/core';

export interface Job {
  readonly inputTokens: number;
  readonly outputTokens: number;
  readonly model: string;
  readonly prefixBlocks: readonly number[];
  /** So many tokens have been written; false stops the job. */
  written(tokens: number): boolean;
  /** Its last token is written, or it was stopped. Not told of a job that was aborted. */
  ended(): void;
  /** The server broke; nothing more comes of this job. */
  failed(): void;
}

/** Anything that works on jobs; whoever starts one holds a slot for it. */
export interface Engine {
  /** Returns a function that aborts the job. */
  start(job: Job): () => void;
  /** Models in memory; absent where there is no such thing. */
  loaded?(): readonly string[];
}

export interface Speed {
  readonly stepMs: number;
  readonly promptTokenMs: number;
}

export const publishedSpeed: Speed = { stepMs: 42, promptTokenMs: 0.21 };
/** Between the end of a step and the next one, so that whoever is let through by that end is in the next. */
const turnMs = 1e-6;

interface Running {
  readonly job: Job;
  written: number;
  isOver: boolean;
}

export class BatchEngine implements Engine {
  readonly #clock: Clock;
  readonly #speed: Speed;
  #running: Running[] = [];
  #joining: Running[] = [];
  #stepping = false;

  constructor(clock: Clock, speed = publishedSpeed) {
    this.#clock = clock;
    this.#speed = speed;
  }

  start(job: Job): () => void {
    const running = { job, written: 0, isOver: false };
    this.#joining.push(running);
    if (!this.#stepping) this.#turn();
    return () => {
      running.isOver = true;
    };
  }

  readonly #turn = (): void => {
    this.#stepping = true;
    this.#clock.after(turnMs, this.#step);
  };

  readonly #step = (): void => {
    let promptTokens = 0;
    for (const joining of this.#joining) {
      if (joining.isOver) continue;
      promptTokens += joining.job.inputTokens;
      this.#running.push(joining);
    }
    this.#joining.length = 0;
    if (this.#running.length === 0) {
      this.#stepping = false;
      return;
    }
    this.#clock.after(this.#speed.stepMs + this.#speed.promptTokenMs * promptTokens - turnMs, this.#write);
  };

  readonly #write = (): void => {
    let kept = 0;
    // Whoever joins meanwhile is among the joining, and whoever is aborted stays until its turn.
    for (const running of this.#running) {
      if (running.isOver) continue;
      const { job } = running;
      if (job.written(1) && ++running.written < job.outputTokens) this.#running[kept++] = running;
      else {
        running.isOver = true;
        job.ended();
      }
    }
    this.#running.length = kept;
    this.#turn();
  };
}
