/**
 * Fairness between identities by virtual token counters (Sheng et al., "Fairness in Serving Large Language Models", OSDI
 * 2024): whoever waits and was served least, in tokens by price and weight, is next. Served while two identities both wait,
 * they differ by at most what may run at once; a request count says nothing of the kind, since requests differ in size by
 * orders of magnitude.
 *
 *   begin       counter += input, and the predicted output        charge.ts
 *   stream      counter += output beyond the prediction
 *   settle      counter corrected to what was used
 *   arrive      an identity with nothing waiting is lifted to what the next of those who wait for the same slots was served;
 *               where nobody does, to the counter of whoever was let through last, less what is running
 *   forget      an idle counter goes when the lift would give back at least as much; a debt is kept, however long idle
 *
 * What it does not do: it never interrupts a running request, and several processes keep a counter each.
 */
import type { Identity, Priority } from '../model.js';
import { Charge } from './charge.js';
import { OutputPrediction } from './prediction.js';
import { type Band, makeBands } from './priority.js';
import { TokenCounter } from './token-counter.js';

export interface FairnessOptions {
  /** `none`: within a band all share one counter that nothing is charged on, so they go in order of arrival. */
  readonly fairness: 'tokens' | 'none';
  /** Most counters kept in a band; past that, newcomers share one. */
  readonly countersMax: number;
}

/** The counter of one identity among the requests of its priority. */
export class IdentityCounter extends TokenCounter {
  readonly band: Band;
  readonly prediction = new OutputPrediction();
  /** When it was last let through, among all; of equals the one that had to wait longer for its turn goes first. */
  turn = -1;

  constructor(band: Band, weight: number, value = 0) {
    super(weight, value);
    this.band = band;
  }
}

/** A request's size, as far as it is known when it begins. */
export interface Size {
  readonly inputTokens: number;
  readonly outputTokensMax: number;
  /** Whether an answer is written at all. */
  readonly generates: boolean;
}

const sweepAtLeast = 1_000;
/** Charged where nobody looks: without fairness only bands are counted. */
const uncounted = new TokenCounter(1);

/** The identities of one band. */
interface Members {
  readonly band: Band;
  readonly counters: Map<string, IdentityCounter>;
  /** Of all that share one: of everybody where there is no fairness, of newcomers where there is no room. */
  readonly common: IdentityCounter;
  /** Let through last. */
  last: IdentityCounter | undefined;
  /** The largest counter that was forgotten: where newcomers begin, since one of them may be its owner. */
  forgotten: number;
}

export class Fairness {
  #options: FairnessOptions;
  /** Highest first. */
  readonly bands: readonly Band[];
  readonly #members: Readonly<Record<Priority, Members>>;
  #lastBand: Band | undefined;
  #turns = 0;
  #size = 0;
  /** Newcomers until the next sweep. */
  #sweepIn: number;

  constructor(options: FairnessOptions) {
    this.#options = options;
    this.#sweepIn = Math.min(sweepAtLeast, options.countersMax);
    const bands = makeBands();
    this.bands = Object.values(bands);
    const members = (band: Band): Members => {
      return { band, counters: new Map(), common: new IdentityCounter(band, 1), last: undefined, forgotten: 0 };
    };
    this.#members = { high: members(bands.high), normal: members(bands.normal), low: members(bands.low) };
  }

  /** Takes up other rules; nobody may be waiting. */
  configure(options: FairnessOptions): void {
    this.#options = options;
    this.#sweepIn = Math.min(this.#sweepIn, options.countersMax);
  }

  /** Counters kept. */
  get size(): number {
    return this.#size;
  }

  /** The counter of an identity in the band of its priority, made when there is none. */
  counterOf(identity: Identity): IdentityCounter {
    const { band, counters, common, forgotten } = this.#members[identity.priority];
    if (this.#options.fairness === 'none') return common;
    const known = counters.get(identity.id);
    if (known !== undefined) {
      known.weight = identity.weight;
      return known;
    }
    if (--this.#sweepIn <= 0) this.#sweep();
    if (counters.size >= this.#options.countersMax) return common;
    const counter = new IdentityCounter(band, identity.weight, forgotten);
    counters.set(identity.id, counter);
    this.#size++;
    return counter;
  }

  /** The same, without keeping one. */
  peek(identity: Identity): IdentityCounter {
    const { band, counters, common, forgotten } = this.#members[identity.priority];
    if (this.#options.fairness === 'none') return common;
    return counters.get(identity.id) ?? new IdentityCounter(band, identity.weight, forgotten);
  }

  /**
   * One more request waits on the counter.
   * @param level what the next of its band who wait for the same slots has really been served; undefined when nobody does
   */
  joined(counter: IdentityCounter, level: number | undefined): void {
    this.#arrive(counter, level);
    counter.waiting++;
    counter.band.counter.waiting++;
  }

  left(counter: IdentityCounter): void {
    counter.waiting--;
    counter.band.counter.waiting--;
  }

  /** Charges a request that has been let through, whether or not it had to wait. */
  begin(identity: Identity, size: Size): Charge {
    const counter = this.counterOf(identity);
    const { band } = counter;
    this.#arrive(counter, undefined);
    this.#members[band.priority].last = counter;
    this.#lastBand = band;
    const isFair = this.#options.fairness === 'tokens';
    if (isFair) counter.turn = this.#turns++;
    const prediction = isFair && size.generates ? counter.prediction : undefined;
    return new Charge(isFair ? counter : uncounted, band.counter, size.inputTokens, prediction, size.outputTokensMax);
  }

  /** Whoever waits is not idle: only an identity, or a band, of which nobody waits is lifted. */
  #arrive(counter: IdentityCounter, level: number | undefined): void {
    const { band } = counter;
    if (counter.waiting === 0) counter.lift(level ?? this.#idleLevel(band));
    if (band.counter.waiting > 0) return;
    let least = Number.POSITIVE_INFINITY;
    for (const { counter: other } of this.bands) if (other.waiting > 0) least = Math.min(least, other.value);
    band.counter.lift(Number.isFinite(least) ? least : this.#idleBandLevel());
  }

  /**
   * Where nobody waits there is no least of those who do. Whoever went last stands for them, less what is running now: that
   * was let through before there was anything to share, and is what the one who has more of it is ahead by.
   */
  #idleLevel(band: Band): number {
    const { last } = this.#members[band.priority];
    return last === undefined ? 0 : last.value - band.counter.held / last.weight;
  }

  #idleBandLevel(): number {
    const held = this.bands.reduce((sum, { counter }) => sum + counter.held, 0);
    return this.#lastBand === undefined ? 0 : this.#lastBand.counter.value - held / this.#lastBand.counter.weight;
  }

  /** Forgets idle counters that the lift would give back at least as much. Next when as many newcomers came as were kept. */
  #sweep(): void {
    this.#size = 0;
    for (const members of Object.values(this.#members)) {
      const { band, counters } = members;
      let level = this.#idleLevel(band);
      for (const { waiting, value } of counters.values()) if (waiting > 0) level = Math.min(level, value);
      for (const [id, { idle, value }] of counters) {
        if (!idle || value > level) continue;
        counters.delete(id);
        members.forgotten = Math.max(members.forgotten, value);
      }
      this.#size += counters.size;
    }
    this.#sweepIn = Math.max(Math.min(sweepAtLeast, this.#options.countersMax), this.#size);
  }
}
