/**
 * What it takes to be told that somebody has left. An `AbortSignal` is one; `Departure` is one that costs next to nothing as long as
 * nobody leaves, which is nearly always: a runtime's own is an event target that its collector has to follow.
 */
export interface Signal {
  readonly aborted: boolean;
  readonly reason: unknown;
  throwIfAborted(): void;
  addEventListener(type: 'abort', listener: () => void, options?: { readonly once?: boolean }): void;
  removeEventListener(type: 'abort', listener: () => void): void;
}

export class Departure implements Signal {
  /** Most have one. A list made for each is a list too many, and the runtime comes to believe that such lists live long. */
  #listener: (() => void) | undefined;
  #others: (() => void)[] | undefined;
  aborted = false;
  reason: unknown;

  abort(reason: unknown): void {
    if (this.aborted) return;
    this.aborted = true;
    this.reason = reason;
    const listeners = [this.#listener, ...(this.#others ?? [])];
    this.#listener = this.#others = undefined;
    for (const listener of listeners) listener?.();
  }

  throwIfAborted(): void {
    if (this.aborted) throw this.reason;
  }

  addEventListener(_type: 'abort', listener: () => void): void {
    if (this.#listener === undefined && this.#others === undefined) this.#listener = listener;
    else {
      this.#others ??= [];
      this.#others.push(listener);
    }
  }

  removeEventListener(_type: 'abort', listener: () => void): void {
    if (this.#listener === listener) {
      this.#listener = this.#others?.shift();
      return;
    }
    const at = this.#others?.indexOf(listener) ?? -1;
    if (at >= 0) this.#others!.splice(at, 1);
  }
}

/** A signal that aborts as soon as one of two does, with its reason. */
export class EitherSignal extends Departure {
  readonly #signals: readonly [Signal, Signal];
  readonly #onAbort = (): void => {
    const aborted = this.#signals.find((signal) => signal.aborted);
    if (aborted !== undefined) this.abort(aborted.reason);
  };

  constructor(first: Signal, second: Signal) {
    super();
    this.#signals = [first, second];
    for (const signal of this.#signals) signal.addEventListener('abort', this.#onAbort, { once: true });
    this.#onAbort();
  }

  /** Listens no longer: what outlives this, such as the signal of a long run, need not remember it. */
  leave(): void {
    for (const signal of this.#signals) signal.removeEventListener('abort', this.#onAbort);
  }
}

/** The same of two that are the runtime's own, for those who take no other; also where there is no `AbortSignal.any`. */
export function eitherAbortSignal(first: AbortSignal, second: AbortSignal): AbortSignal {
  if (typeof AbortSignal.any === 'function') return AbortSignal.any([first, second]);
  const controller = new AbortController();
  const either = new EitherSignal(first, second);
  if (either.aborted) controller.abort(either.reason);
  else either.addEventListener('abort', () => controller.abort(either.reason));
  return controller.signal;
}
