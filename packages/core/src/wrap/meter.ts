/** Counts what a wrapped function yields, and ends its permit once, however that ends. */
import { forgetDropped, whenDropped } from '../kernel/dropped.js';
import type { Refusal, Usage } from '../model.js';
import { refuse } from '../refusal.js';
import { RefusedError } from '../refused-error.js';
import type { Permit } from '../settlement/permit.js';
import { reportedNumber, reportedUsage } from '../settlement/usage.js';

export interface MeterOptions<Item> {
  readonly usage?: ((item: Item) => Usage | null | undefined) | undefined;
  readonly tokens?: ((item: Item) => number) | undefined;
  readonly onBudgetSpent: 'finish-cleanly' | 'error';
}

/** Longest text that counts as one token; models yield about one a piece. */
const pieceLengthMax = 24;
const spent: Refusal = refuse('limit', 'the token budget was spent in the middle of this answer.');

export class Meter<Item> {
  readonly permit: Permit;
  readonly #options: MeterOptions<Item>;
  /** Rejects when the limiter wants the work to end. */
  readonly stopped: Promise<never>;
  readonly #forget: () => void;
  #usage: Usage | undefined;

  constructor(permit: Permit, options: MeterOptions<Item>) {
    this.permit = permit;
    this.#options = options;
    const { signal } = permit;
    let forget = (): void => {};
    this.stopped = new Promise((_, reject) => {
      const stop = (): void => reject(signal.reason);
      signal.addEventListener('abort', stop, { once: true });
      forget = () => signal.removeEventListener('abort', stop);
    });
    this.#forget = forget;
    // Whoever is not waiting just now learns of it when it comes back.
    this.stopped.catch(() => {});
  }

  /** Gives the permit back when nobody holds `result` any more and it was never read to its end. */
  watch(result: object): void {
    whenDropped(result, () => this.leave(), this);
  }

  /**
   * Whether the item may be passed on; it was counted then.
   * @throws what `usage` or `tokens` throws; then it is as if the reader had stopped before this item
   */
  admits(item: Item): boolean {
    const { usage, tokens } = this.#options;
    try {
      const reported = usage?.(item);
      if (reported !== undefined && reported !== null) this.#usage = { ...this.#usage, ...reportedUsage(reported) };
      return this.permit.meter(reportedNumber(tokens?.(item)) ?? tokensIn(item)) === 'continue';
    } catch (error) {
      this.leave();
      throw error;
    }
  }

  /**
   * It was no stream: the result says what it cost, or it costs what was reserved.
   * @throws what `usage` throws
   */
  whole(result: Item): void {
    let reported: Usage | null | undefined;
    try {
      reported = this.#options.usage?.(result);
    } finally {
      this.#settle(reported);
    }
  }

  /** All of it was yielded. */
  end(): void {
    this.#settle({ outputTokens: this.permit.metered, ...this.#usage });
  }

  /** Whoever reads has stopped early, or was stopped: what was passed on is charged. */
  leave(): void {
    const { inputTokens, outputTokens = 0 } = this.#usage ?? {};
    const known = inputTokens === undefined ? {} : { inputTokens };
    this.#settle({ ...known, outputTokens: Math.max(outputTokens, this.permit.metered) });
  }

  /** It threw. Before the first item that costs no tokens. */
  fail(): void {
    if (this.permit.metered > 0) this.leave();
    else this.#settle({ inputTokens: 0, ...this.#usage, outputTokens: 0 });
  }

  /** Ends what had no room in its budget; throws where the policy wants that told. */
  cut(): void {
    this.leave();
    if (this.#options.onBudgetSpent === 'error') throw new RefusedError(spent);
  }

  #settle(usage: Usage | null | undefined): void {
    forgetDropped(this);
    this.#forget();
    if (!this.permit.ended) this.permit.settle(usage);
  }
}

/** A text by its length, anything else as one token. */
function tokensIn(item: unknown): number {
  const length = typeof item === 'string' || item instanceof Uint8Array ? item.length : 1;
  if (length <= pieceLengthMax) return Math.min(1, length);
  return Math.ceil(length / 4);
}
