/** How fast something grows, from readings of how much there is: over the last seconds, so that it neither jumps nor lags. */

const overMs = 5_000;

interface Reading {
  readonly at: number;
  readonly input: number;
  readonly output: number;
}

export class TokenRate {
  #readings: Reading[] = [];

  read(at: number, { input, output }: { readonly input: number; readonly output: number }): void {
    this.#readings = [...this.#readings.filter((reading) => at - reading.at <= overMs), { at, input, output }];
  }

  /** Undefined until there are two readings. */
  get perSecond(): { readonly input: number; readonly output: number } | undefined {
    const [first, last] = [this.#readings[0], this.#readings.at(-1)];
    if (first === undefined || last === undefined || last.at === first.at) return undefined;
    const seconds = (last.at - first.at) / 1000;
    // What was counted too much is taken back at the end of an answer, and is no negative rate.
    const rate = (was: number, is: number): number => Math.max(0, Math.round((10 * (is - was)) / seconds) / 10);
    return { input: rate(first.input, last.input), output: rate(first.output, last.output) };
  }

  /** Nobody reads for a while. */
  forget(): void {
    this.#readings = [];
  }
}
