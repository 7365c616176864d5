/** Counts over time in a few bars, without knowing beforehand how long it takes: when they do not suffice, two become one. */
const barsMax = 48;

export class Histogram {
  readonly #from: number;
  #barMs = 1_000;
  #bars: number[] = [];

  constructor(from: number) {
    this.#from = from;
  }

  add(at: number): void {
    let bar = this.#barAt(at);
    while (bar >= barsMax) {
      this.#halve();
      bar = this.#barAt(at);
    }
    this.#bars[bar] = (this.#bars[bar] ?? 0) + 1;
  }

  #barAt(at: number): number {
    return Math.max(0, Math.floor((at - this.#from) / this.#barMs));
  }

  #halve(): void {
    const halved: number[] = [];
    this.#bars.forEach((count, bar) => {
      const to = bar >> 1;
      halved[to] = (halved[to] ?? 0) + count;
    });
    this.#bars = halved;
    this.#barMs *= 2;
  }

  /** The whole stretch in so many bars. */
  bars(to: number, count: number): number[] {
    const bars = Array<number>(count).fill(0);
    const spanMs = Math.max(1, to - this.#from);
    this.#bars.forEach((hits, bar) => {
      const at = Math.min(count - 1, Math.floor(((bar + 0.5) * this.#barMs * count) / spanMs));
      bars[at]! += hits;
    });
    return bars;
  }
}
