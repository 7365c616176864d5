/** Whether a request that comes now could be served: asked of the backends when somebody wants to know. */
import type { BackendState, Limiter } from '@headgate/core';
import { isUp, urlUnder } from '../backends/probe.js';

export interface Ready {
  readonly ready: boolean;
  /** Which backends are used and answer, by name. */
  readonly backends: Readonly<Record<string, boolean>>;
  /** What the pool thinks of each. */
  readonly states: Readonly<Record<string, BackendState>>;
}

/** Asked again within this time, the last answer counts. */
const freshMs = 1_000;

export class Readiness {
  readonly #limiter: Limiter;
  #asked: { readonly at: number; readonly answers: Promise<ReadonlySet<string>> } | undefined;

  constructor(limiter: Limiter) {
    this.#limiter = limiter;
  }

  async now(): Promise<Ready> {
    const answers = await this.#answers();
    const { backends } = this.#limiter.stats();
    const used = backends.map(({ name, usable }): [string, boolean] => [name, usable && answers.has(name)]);
    return {
      ready: !this.#limiter.closing && used.some(([, isUsed]) => isUsed),
      backends: Object.fromEntries(used),
      states: Object.fromEntries(backends.map(({ name, state }) => [name, state])),
    };
  }

  /** Names of those that answer their health path. */
  #answers(): Promise<ReadonlySet<string>> {
    const now = this.#limiter.clock.now();
    if (this.#asked === undefined || now - this.#asked.at > freshMs) this.#asked = { at: now, answers: this.#ask() };
    return this.#asked.answers;
  }

  async #ask(): Promise<ReadonlySet<string>> {
    const { path, timeoutMs } = this.#limiter.policy.pool.health;
    const { backends } = this.#limiter.stats();
    const up = await Promise.all(backends.map(({ url, headers }) => isUp(urlUnder(url, path), timeoutMs, headers)));
    return new Set(backends.filter((_, index) => up[index]).map(({ name }) => name));
  }
}
