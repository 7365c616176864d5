/**
 * Charges an answer as it streams, to a store that answers later: the stream goes on while it is asked, so that what it may
 * have used too much is what comes in one answer's time. Some more than is needed is asked for, so that it is not asked for
 * every token; what is left of it goes back when the request is settled.
 */

/** Output tokens asked for beyond those that were there. */
const aheadTokens = 64;

export class StreamCharge {
  readonly #ask: (outputTokens: number) => Promise<boolean>;
  #granted = 0;
  #used = 0;
  #isAsking = false;
  #isSpent = false;

  /** @param ask charges more; false, and nothing charged, when a limit has no room for it */
  constructor(ask: (outputTokens: number) => Promise<boolean>) {
    this.#ask = ask;
  }

  /** Counts more output; false, and not counted, once a budget is known to be spent. */
  use(outputTokens: number): boolean {
    if (this.#isSpent) return false;
    this.#used += outputTokens;
    if (this.#used > this.#granted && !this.#isAsking) void this.#askFor(aheadTokens);
    return true;
  }

  async #askFor(ahead: number): Promise<void> {
    this.#isAsking = true;
    const outputTokens = this.#used - this.#granted + ahead;
    const isGranted = await this.#ask(outputTokens);
    this.#isAsking = false;
    if (isGranted) this.#granted += outputTokens;
    // The budget may still hold what is needed, though no more than that.
    else if (ahead > 0) await this.#askFor(0);
    else this.#isSpent = true;
  }
}
