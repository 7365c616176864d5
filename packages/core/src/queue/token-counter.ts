/**
 * How much one identity (or one band of priorities) was served so far, in virtual tokens: tokens by their price, divided by
 * its weight. Whoever has the smallest counter is next, so counters of those who wait stay close together.
 *
 * Beside the value that decides, which holds what is only predicted of running requests, it keeps what was really served.
 * A prediction that was too large is given back, but never further than that: an identity that was lifted while a
 * reservation was out would otherwise get the lift back with it.
 */
export class TokenCounter {
  /** Divides what is charged. */
  weight: number;
  /** Requests waiting on this counter. */
  waiting = 0;
  /** Charges that have not ended. */
  running = 0;
  /** Virtual tokens, before the weight, that those hold. */
  held = 0;
  /** Told when the value has fallen; rises are not told. */
  readonly onFall = new Set<() => void>();
  #value = 0;
  #served = 0;

  /** @param value where it begins */
  constructor(weight: number, value = 0) {
    this.weight = weight;
    this.#value = this.#served = value;
  }

  get value(): number {
    return this.#value;
  }

  get served(): number {
    return this.#served;
  }

  /** Nothing waits and nothing runs. */
  get idle(): boolean {
    return this.waiting === 0 && this.running === 0;
  }

  /** Brings whoever was idle up to those who were not: time without asking earns nothing. */
  lift(level: number): void {
    if (level > this.#value) this.#value = level;
    if (level > this.#served) this.#served = level;
  }

  /**
   * Changes both by virtual tokens before the weight.
   * @param value to what decides: served or predicted
   * @param served to what was really served
   */
  add(value: number, served: number, weight: number): void {
    const before = this.#value;
    this.#served += served / weight;
    this.#value = Math.max(before + value / weight, this.#served);
    if (this.#value >= before) return;
    for (const tell of this.onFall) tell();
  }
}
