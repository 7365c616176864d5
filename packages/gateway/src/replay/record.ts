/** One request of the past, as far as a log tells. */
export interface PastRequest {
  /** Epoch ms, or ms from the start where the log has no dates. */
  readonly at: number;
  /** Who asked, where the log says so; otherwise the address stands for it. */
  readonly identity?: string;
  readonly tier?: string;
  readonly address: string;
  readonly method: string;
  readonly path: string;
  readonly operation?: string;
  readonly model?: string;
  readonly inputTokens?: number;
  readonly outputTokens?: number;
  /** How long it was held, ms. */
  readonly tookMs?: number;
}

/** A line into a request; undefined for one that is none. */
export type ReadLine = (line: string) => PastRequest | undefined;
