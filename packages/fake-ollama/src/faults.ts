import type { Cancellation } from './cancellation.js';

/** What can go wrong. Every fault is off by default except `abortLoadOnDisconnect`, which is how Ollama behaves. */
export interface Faults {
  /** Answer every inference with this status (and an error body in its dialect) before the first byte. */
  status: number | undefined;
  /** Text of the `status` error. */
  statusMessage: string | undefined;
  /** Extra response headers of the `status` error, e.g. `{ 'retry-after': '5' }`. */
  statusHeaders: Record<string, string> | undefined;
  /** Reset the connection before the first byte. */
  resetBeforeFirstByte: boolean;
  /** The runner dies after this many tokens: in-band error on the native API, swallowed on `/v1/*`. 0 = before the answer. */
  crashAfterTokens: number | undefined;
  /** The connection is cut after this many tokens, without a proper end. */
  dieAfterTokens: number | undefined;
  /** The stream ends well-formed after this many tokens, without a final object (Ollama's token-repeat stop). */
  silentEndAfterTokens: number | undefined;
  /** No inference ever produces a first byte, while `/api/tags` and `/api/ps` stay fast. The slot is held. */
  hang: boolean;
  /** The stream stands still after this many tokens, the connection stays open. */
  stallAfterTokens: number | undefined;
  /** An eviction never completes: loaded models keep answering, every other model waits for ever. */
  evictionHang: boolean;
  /** Loading a model fails with 500 and an out-of-memory text. */
  loadOom: boolean;
  /** A load is thrown away when the client that triggered it disconnects. True, like the real thing. */
  abortLoadOnDisconnect: boolean;
  /** Extra wait before the first byte, while holding the slot. */
  firstByteDelayMs: number;
  /** Output limits of requests are not honoured. */
  ignoreNumPredict: boolean;
  /** No token counts and no durations in any answer. */
  noUsage: boolean;
  /** Write each flush in pieces of this many bytes, to cut lines and characters in the middle. */
  fragmentBytes: number | undefined;
  /** Status of the cheap endpoints (`/`, `/api/version`, `/api/tags`, `/api/ps`, `/v1/models`). */
  healthStatus: number | undefined;
  /** Extra wait of the cheap endpoints. */
  healthDelayMs: number;
  /** State of the cloud account. */
  cloud: 'ok' | 'disabled' | 'signed-out' | 'unreachable';
  /** Only requests for this model (normalised name) suffer. */
  onlyModel: string | undefined;
  /** Only the next so many inference requests suffer. */
  times: number | undefined;
}

export const NO_FAULTS: Faults = {
  status: undefined,
  statusMessage: undefined,
  statusHeaders: undefined,
  resetBeforeFirstByte: false,
  crashAfterTokens: undefined,
  dieAfterTokens: undefined,
  silentEndAfterTokens: undefined,
  hang: false,
  stallAfterTokens: undefined,
  evictionHang: false,
  loadOom: false,
  abortLoadOnDisconnect: true,
  firstByteDelayMs: 0,
  ignoreNumPredict: false,
  noUsage: false,
  fragmentBytes: undefined,
  healthStatus: undefined,
  healthDelayMs: 0,
  cloud: 'ok',
  onlyModel: undefined,
  times: undefined,
};

/** The faults in force. They may change while requests run; a request that hangs or stalls notices. */
export class FaultBox {
  #current: Faults;
  readonly #listeners = new Set<() => void>();

  constructor(initial: Partial<Faults> = {}) {
    this.#current = { ...NO_FAULTS, ...initial };
  }

  get current(): Faults {
    return this.#current;
  }

  set(changes: Partial<Faults>): void {
    this.#current = { ...this.#current, ...changes };
    for (const listener of [...this.#listeners]) listener();
  }

  subscribe(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** The faults one inference request suffers; decides once whether it suffers any (`onlyModel`, `times`). */
  forRequest(modelName: string): () => Faults {
    const { onlyModel, times } = this.#current;
    if (onlyModel !== undefined && onlyModel !== modelName) return () => NO_FAULTS;
    if (times === undefined) return () => this.#current;
    if (times <= 0) return () => NO_FAULTS;
    this.#current = { ...this.#current, times: times - 1 };
    return () => this.#current;
  }

  /** Waits until `over` holds; throws Cancelled when the request ends first. */
  async waitUntil(over: () => boolean, cancellation: Cancellation): Promise<void> {
    while (!over()) {
      await cancellation.race<void>((resolve) => {
        const unsubscribe = this.subscribe(() => {
          unsubscribe();
          resolve();
        });
        return unsubscribe;
      });
    }
  }
}
