/**
 * How many requests may be tried again: a share of the requests of the last ten seconds, never fewer than three, nor than the
 * backend that failed has slots, so that its death loses nothing that had not begun. When every backend fails, each retry is
 * one more failing request; without this bound they would double the load just then.
 * Counted in whole seconds, so the window is between nine and ten seconds long.
 */
const windowSeconds = 10;
const retriesMin = 3;

export class RetryBudget {
  readonly #seconds = new Float64Array(windowSeconds).fill(-1);
  readonly #requests = new Float64Array(windowSeconds);
  readonly #retries = new Float64Array(windowSeconds);

  /** A request that came; a retry is none. */
  request(now: number): void {
    const at = this.#at(now);
    this.#requests[at] = this.#requests[at]! + 1;
  }

  /**
   * Counts a retry if there is room for one.
   * @param slots of the backend that failed
   */
  retry(now: number, share: number, slots: number): boolean {
    const at = this.#at(now);
    const since = this.#seconds[at]! - windowSeconds;
    let [requests, retries] = [0, 0];
    for (let i = 0; i < windowSeconds; i++) {
      if (this.#seconds[i]! <= since) continue;
      requests += this.#requests[i]!;
      retries += this.#retries[i]!;
    }
    if (retries >= Math.max(retriesMin, slots, Math.floor(requests * share))) return false;
    this.#retries[at] = this.#retries[at]! + 1;
    return true;
  }

  #at(now: number): number {
    const second = Math.floor(now / 1_000);
    const at = ((second % windowSeconds) + windowSeconds) % windowSeconds;
    if (this.#seconds[at] !== second) {
      this.#seconds[at] = second;
      this.#requests[at] = this.#retries[at] = 0;
    }
    return at;
  }
}
