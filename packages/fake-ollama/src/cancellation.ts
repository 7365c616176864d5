/** Why a request stopped before its natural end. */
export type CancelReason = 'client-gone' | 'runner-crashed' | 'server-dead';

export class Cancelled extends Error {
  readonly reason: CancelReason;

  constructor(reason: CancelReason) {
    super(`request cancelled: ${reason}`);
    this.name = 'Cancelled';
    this.reason = reason;
  }
}

/**
 * A one-shot signal that a request is over. Lighter than AbortSignal, which costs an event target per request,
 * and it carries a typed reason. The first reason wins.
 */
export class Cancellation {
  reason: CancelReason | undefined;
  readonly #listeners = new Set<() => void>();

  cancel(reason: CancelReason): void {
    if (this.reason !== undefined) return;
    this.reason = reason;
    for (const listener of [...this.#listeners]) listener();
    this.#listeners.clear();
  }

  /** Runs `listener` once when cancelled; the caller must have checked `reason` first. */
  subscribe(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  check(): void {
    if (this.reason !== undefined) throw new Cancelled(this.reason);
  }

  /** Waits for what `start` begins, or throws Cancelled. `start` returns how to undo it. */
  race<T>(start: (resolve: (value: T) => void, reject: (error: unknown) => void) => () => void): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      if (this.reason !== undefined) {
        reject(new Cancelled(this.reason));
        return;
      }
      let undo: (() => void) | undefined;
      const unsubscribe = this.subscribe(() => {
        undo?.();
        reject(new Cancelled(this.reason ?? 'client-gone'));
      });
      undo = start(
        (value) => {
          unsubscribe();
          resolve(value);
        },
        (error) => {
          unsubscribe();
          reject(error);
        },
      );
    });
  }

  /** Zero and negative times still give other requests a turn. */
  sleep(ms: number): Promise<void> {
    return this.race<void>((resolve) => {
      if (ms <= 0) {
        const immediate = setImmediate(resolve);
        return () => clearImmediate(immediate);
      }
      const timer = setTimeout(resolve, ms);
      return () => clearTimeout(timer);
    });
  }
}
