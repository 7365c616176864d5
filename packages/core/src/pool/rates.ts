/**
 * What requests on a backend have taken so far, and so what the next one will take: how long a slot is held, how long a
 * model loads, how fast a prompt is read, when a first byte may be expected. Everything is learned from our own times with
 * weights that fade; a backend that has shown nothing yet is taken to be like the others, and those like a modest GPU.
 */
import { LRUCache } from 'lru-cache';

/** Weight of the newest sample, once there are enough of them: before, all weigh the same. */
const smoothing = 0.05;
const holdMsGuess = 5_000;
/** Short, so that a model whose load was never seen is tried where there is room rather than waited for. */
const loadMsGuess = 2_000;
/** 2,000 tokens a second. */
const msPerTokenGuess = 0.5;
/** So much spread in prompt sizes, in tokens, weighs as much as the guess. */
const spreadForTrust = 256;
/** Each sample of the prompt's speed fades by this when another comes. */
const fading = 0.98;
const modelsMax = 256;
/** A first byte is late past the mean and so many deviations, and then so many times over. */
const deviations = 4;
const times = 4;

class Mean {
  value: number | undefined;
  #samples = 0;

  learn(sample: number): void {
    const { value = 0 } = this;
    this.value = value + Math.max(smoothing, 1 / ++this.#samples) * (sample - value);
  }
}

/** Mean and mean deviation, as TCP keeps them of round trips (RFC 6298). */
class Spread {
  readonly #mean = new Mean();
  #deviation = 0;

  learn(sample: number): void {
    const { value = sample } = this.#mean;
    this.#deviation += smoothing * (Math.abs(sample - value) - this.#deviation);
    this.#mean.learn(sample);
  }

  /** What hardly any sample exceeds; undefined before the first one. */
  get most(): number | undefined {
    return this.#mean.value === undefined ? undefined : this.#mean.value + deviations * this.#deviation;
  }
}

/**
 * Milliseconds a prompt token takes until the first token of the answer: the slope of a line through (tokens, ms), by least
 * squares whose samples fade. What every request takes alike is the line's height and none of the slope. The guess stands
 * in for as long as prompts are too much alike to tell the two apart.
 */
class Slope {
  #weight = 0;
  #tokens = 0;
  #ms = 0;
  #square = 0;
  #product = 0;

  learn(tokens: number, ms: number): void {
    this.#weight = this.#weight * fading + 1;
    this.#tokens = this.#tokens * fading + tokens;
    this.#ms = this.#ms * fading + ms;
    this.#square = this.#square * fading + tokens * tokens;
    this.#product = this.#product * fading + tokens * ms;
  }

  get known(): boolean {
    return this.#weight > 0;
  }

  get value(): number {
    const trust = spreadForTrust * spreadForTrust;
    if (this.#weight === 0) return msPerTokenGuess;
    const variance = this.#square - (this.#tokens * this.#tokens) / this.#weight;
    const covariance = this.#product - (this.#tokens * this.#ms) / this.#weight;
    return Math.max(0, (covariance + trust * msPerTokenGuess) / (Math.max(0, variance) + trust));
  }
}

export class Rates {
  readonly #fleet: Rates | undefined;
  readonly #hold = new Mean();
  readonly #loads = new LRUCache<string, Mean>({ max: modelsMax });
  readonly #slope = new Slope();
  readonly #streams = new Spread();
  readonly #wholes = new Spread();

  /** @param fleet of all backends together; what is learned here is learned there too */
  constructor(fleet?: Rates) {
    this.#fleet = fleet;
  }

  held(ms: number): void {
    this.#hold.learn(ms);
    this.#fleet?.held(ms);
  }

  loaded(model: string, ms: number): void {
    let known = this.#loads.get(model);
    if (known === undefined) {
      known = new Mean();
      this.#loads.set(model, known);
    }
    known.learn(ms);
    this.#fleet?.loaded(model, ms);
  }

  /** A stream began `ms` after its request was sent, of whose prompt so many tokens were new to the backend. */
  read(tokens: number, ms: number): void {
    this.#slope.learn(tokens, ms);
    this.#fleet?.read(tokens, ms);
  }

  /** The first byte of any answer; that of a stream is its first token, that of a whole one its last. */
  firstByte(ms: number, stream: boolean): void {
    (stream ? this.#streams : this.#wholes).learn(ms);
    this.#fleet?.firstByte(ms, stream);
  }

  get holdMs(): number {
    return this.#hold.value ?? this.#fleet?.holdMs ?? holdMsGuess;
  }

  get msPerToken(): number {
    return this.#slope.known || this.#fleet === undefined ? this.#slope.value : this.#fleet.msPerToken;
  }

  loadMs(model: string): number {
    return this.loadMsKnown(model) ?? loadMsGuess;
  }

  /** Undefined while nobody has been seen to load it. */
  loadMsKnown(model: string): number | undefined {
    return this.#loads.get(model)?.value ?? this.#fleet?.loadMsKnown(model);
  }

  /**
   * When a first byte that has not come is so late that something is wrong, ms after its request was sent; undefined while
   * too little is known to say.
   * @param loading the model that has to be loaded first
   */
  patienceMs(stream: boolean, loading: string | undefined): number | undefined {
    const most = (stream ? this.#streams : this.#wholes).most;
    if (most === undefined) return this.#fleet?.patienceMs(stream, loading);
    const loadMs = loading === undefined ? 0 : this.loadMsKnown(loading);
    return loadMs === undefined ? undefined : times * (most + loadMs);
  }
}
