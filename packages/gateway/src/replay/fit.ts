/**
 * Which amount of a limit would have let the traffic pass: for each request, how much its identity had used in the period
 * before, itself included; for each identity, the amounts that 95, 99 and 100 % of its requests stayed within; of these,
 * the largest. The window is the limiter's own: sixty parts and the one that is running.
 */

/** Parts of a period, as in the limiter's rolling windows. */
const parts = 60;
/** Neighbouring classes of amounts differ by this factor past the exact ones. */
const step = 1.02;
const exactMax = 128;
const logStep = Math.log(step);

/** How often each amount was seen, small ones exactly and large ones within 2 %. */
export class Amounts {
  readonly #counts: number[] = [];
  #total = 0;
  #max = 0;

  add(amount: number): void {
    const place = placeOf(amount);
    this.#counts[place] = (this.#counts[place] ?? 0) + 1;
    this.#total++;
    if (amount > this.#max) this.#max = amount;
  }

  /** The smallest amount that this share of those seen stayed within. */
  quantile(share: number): number {
    if (share >= 1) return this.#max;
    let left = Math.ceil(this.#total * share);
    for (let place = 0; place < this.#counts.length; place++) {
      left -= this.#counts[place] ?? 0;
      if (left <= 0) return Math.min(this.#max, amountAt(place));
    }
    return this.#max;
  }
}

function placeOf(amount: number): number {
  if (amount <= exactMax) return Math.max(0, Math.ceil(amount));
  return exactMax + Math.ceil(Math.log(amount / exactMax) / logStep);
}

function amountAt(place: number): number {
  return place <= exactMax ? place : Math.ceil(exactMax * step ** (place - exactMax));
}

/** What one identity used in the period that ends now. */
export class Trailing {
  readonly amounts = new Amounts();
  readonly #partMs: number;
  /** `[part, units, part, units, ...]`, oldest first. */
  #held: number[] = [];
  #sum = 0;

  constructor(periodMs: number) {
    this.#partMs = periodMs / parts;
  }

  /** Units in the period that ends with the last use. */
  get sum(): number {
    return this.#sum;
  }

  use(at: number, units: number): void {
    const part = Math.floor(at / this.#partMs);
    let gone = 0;
    while (gone < this.#held.length && this.#held[gone]! < part - parts) {
      this.#sum -= this.#held[gone + 1]!;
      gone += 2;
    }
    if (gone > 0) this.#held = this.#held.slice(gone);
    if (this.#held.at(-2) === part) this.#held[this.#held.length - 1]! += units;
    else this.#held.push(part, units);
    this.#sum += units;
    this.amounts.add(this.#sum);
  }
}
