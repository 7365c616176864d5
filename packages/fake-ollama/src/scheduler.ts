import { ApiError } from './api-error.js';
import { Cancellation } from './cancellation.js';
import type { FaultBox, Faults } from './faults.js';
import type { Model } from './models.js';
import type { Settings } from './options.js';
import { nowMs, type Recorder } from './record.js';
import { Runner, type RunnerOptions } from './runner.js';

const BUSY = 'server busy, please try again.  maximum pending requests exceeded';
const OOM = 'llama-server process has terminated: exit status 1: cudaMalloc failed: out of memory';
/** Longest delay a Node timer takes. */
const TIMER_MAX_MS = 2 ** 31 - 1;

export interface RunnerWish {
  model: Model;
  options: RunnerOptions;
  keepAliveMs: number | undefined;
  cancellation: Cancellation;
  faults: () => Faults;
}

interface PendingWish extends RunnerWish {
  resolve(runner: Runner): void;
  reject(error: unknown): void;
}

/**
 * Ollama's scheduler, with its known weaknesses. A request for a loaded model is placed at once, whatever the load.
 * All others wait in one bounded line, and one of them at a time is worked on: evicting and loading for it blocks the rest.
 * Nothing stops new requests from keeping busy the model that is to be evicted.
 */
export class Scheduler {
  readonly #settings: Settings;
  readonly #faults: FaultBox;
  readonly #recorder: Recorder;
  readonly #loaded = new Map<string, Runner>();
  readonly #pending: PendingWish[] = [];
  #working = false;
  #closed = false;
  readonly #shutdown = new Cancellation();
  #unloadListeners: (() => void)[] = [];

  constructor(settings: Settings, faults: FaultBox, recorder: Recorder) {
    this.#settings = settings;
    this.#faults = faults;
    this.#recorder = recorder;
  }

  loadedNames(): string[] {
    return [...this.#loaded.keys()];
  }

  /** The latest expiry first, as `/api/ps` lists them. */
  runners(): Runner[] {
    return [...this.#loaded.values()].sort((a, b) => expiry(b) - expiry(a));
  }

  /** A runner for the request, which must give it back with `release`. */
  async acquire(wish: RunnerWish): Promise<Runner> {
    const runner = this.#loaded.get(wish.model.name);
    if (runner !== undefined && !needsReload(runner, wish)) return this.#use(runner, wish);
    if (this.#working && this.#pending.length >= this.#settings.maxQueue) throw new ApiError(503, BUSY);
    return this.#recorder.whileWaiting(
      wish.cancellation.race<Runner>((resolve, reject) => {
        // A request whose client leaves stays in the line, and counts, until the scheduler comes to it.
        this.#pending.push({ ...wish, resolve, reject });
        void this.#work();
        return () => {};
      }),
    );
  }

  release(runner: Runner, cancellation: Cancellation): void {
    runner.users.delete(cancellation);
    runner.refs--;
    if (runner.refs > 0 || this.#closed) return;
    if (runner.dead || runner.sessionMs <= 0) {
      this.#unload(runner);
      return;
    }
    runner.expiresAt = nowMs() + runner.sessionMs;
    if (runner.sessionMs < TIMER_MAX_MS) {
      runner.expireTimer = setTimeout(() => this.#unload(runner), runner.sessionMs);
      runner.expireTimer.unref();
    }
  }

  /** Unloads the model now, or as soon as its last request ends. */
  expire(model: Model): void {
    const runner = this.#loaded.get(model.name);
    if (runner !== undefined) this.#mark(runner);
  }

  close(): void {
    this.#closed = true;
    this.#shutdown.cancel('server-dead');
    for (const runner of this.#loaded.values()) clearTimeout(runner.expireTimer);
    this.#loaded.clear();
    this.#pending.length = 0;
  }

  #use(runner: Runner, wish: RunnerWish): Runner {
    clearTimeout(runner.expireTimer);
    runner.expireTimer = undefined;
    runner.refs++;
    runner.users.add(wish.cancellation);
    // This also takes an eviction mark away, as in Ollama.
    if (wish.keepAliveMs !== undefined) runner.sessionMs = wish.keepAliveMs;
    return runner;
  }

  async #work(): Promise<void> {
    if (this.#working) return;
    this.#working = true;
    try {
      for (let wish = this.#pending.shift(); wish !== undefined; wish = this.#pending.shift()) {
        if (wish.cancellation.reason !== undefined) continue;
        try {
          const runner = await this.#place(wish);
          // The client left while the model was made ready: nobody else would give the runner back.
          if (wish.cancellation.reason !== undefined) this.release(runner, wish.cancellation);
          else wish.resolve(runner);
        } catch (error) {
          if (this.#closed) return;
          wish.reject(error);
        }
      }
    } finally {
      this.#working = false;
    }
  }

  async #place(wish: PendingWish): Promise<Runner> {
    for (;;) {
      const runner = this.#loaded.get(wish.model.name);
      if (runner !== undefined && !needsReload(runner, wish)) return this.#use(runner, wish);
      const victim = runner ?? (this.#fits(wish.model) ? undefined : this.#victim());
      if (victim === undefined) return this.#load(wish);
      if (this.#faults.current.evictionHang) {
        await this.#faults.waitUntil(() => !this.#faults.current.evictionHang, this.#shutdown);
        continue;
      }
      const unloaded = this.#nextUnload();
      this.#mark(victim);
      await unloaded;
      await this.#shutdown.sleep(this.#settings.unloadMs);
    }
  }

  async #load(wish: PendingWish): Promise<Runner> {
    const { model } = wish;
    const parallel = model.capabilities.includes('embedding') ? 1 : (model.numParallel ?? this.#settings.numParallel);
    const runner = new Runner(model, wish.options, parallel, wish.keepAliveMs ?? this.#settings.keepAliveMs);
    this.#recorder.loads++;
    this.#recorder.changed();
    try {
      wish.cancellation.check();
      const bound = this.#faults.current.abortLoadOnDisconnect ? wish.cancellation : this.#shutdown;
      const loadMs = model.loadMs ?? this.#settings.loadMs;
      if (loadMs > 0) await bound.sleep(loadMs);
      if (wish.faults().loadOom) throw new ApiError(500, OOM);
    } catch (error) {
      this.#recorder.unloads++;
      this.#recorder.changed();
      throw error;
    }
    this.#loaded.set(model.name, runner);
    this.#use(runner, { ...wish, keepAliveMs: undefined });
    this.#recorder.changed();
    return runner;
  }

  #fits(model: Model): boolean {
    if (this.#loaded.size >= this.#settings.maxLoadedModels) return false;
    let used = 0;
    for (const runner of this.#loaded.values()) used += runner.model.size;
    // A model larger than the whole memory still loads, partly on the CPU, once it is alone.
    return this.#loaded.size === 0 || used + model.size <= this.#settings.vramBytes;
  }

  /** An idle runner first, then the shortest keep-alive, then by name. */
  #victim(): Runner | undefined {
    return [...this.#loaded.values()].sort(
      (a, b) =>
        Number(a.refs > 0) - Number(b.refs > 0) ||
        (a.sessionMs === b.sessionMs ? 0 : a.sessionMs - b.sessionMs) ||
        (a.model.name < b.model.name ? -1 : 1),
    )[0];
  }

  #mark(runner: Runner): void {
    runner.sessionMs = 0;
    if (runner.refs <= 0) this.#unload(runner);
  }

  #unload(runner: Runner): void {
    clearTimeout(runner.expireTimer);
    if (this.#loaded.get(runner.model.name) !== runner) return;
    this.#loaded.delete(runner.model.name);
    this.#recorder.unloads++;
    const listeners = this.#unloadListeners;
    this.#unloadListeners = [];
    for (const listener of listeners) listener();
    this.#recorder.changed();
  }

  #nextUnload(): Promise<void> {
    return this.#shutdown.race<void>((resolve) => {
      this.#unloadListeners.push(resolve);
      return () => {};
    });
  }
}

function needsReload(runner: Runner, wish: RunnerWish): boolean {
  return runner.dead || runner.options.numCtx !== wish.options.numCtx || runner.options.rest !== wish.options.rest;
}

export function expiry(runner: Runner): number {
  return runner.expiresAt ?? nowMs() + runner.sessionMs;
}
