/**
 * What tokens cost in dollars and in seconds of the accelerator. Dollars follow from the policy's prices. Seconds are
 * learned: backends report them only at the end, and some never, so that a request is reserved and metered by the rate at
 * which its model worked lately, and corrected when the backend reports.
 */
import { LRUCache } from 'lru-cache';
import type { Usage } from '../model.js';
import { matchesModel } from '../model-name.js';
import type { Price } from '../policy/policy.js';

/** Reading a prompt token takes about this share of the time that writing one takes. */
const promptShare = 0.1;
/** Seconds per output token of a model that never reported any: fifty tokens a second. */
const secondsGuess = 0.02;
/** Slower than any: an answer that says it took longer says nothing of the next one, for which that would be set aside. */
const secondsMax = 10;
/** Weight of the newest answer in a model's rate. */
const smoothing = 0.2;
const modelsMax = 1_000;

/** Charges beside the tokens themselves. */
export interface Charges {
  /** Dollars. */
  readonly cost: number;
  readonly gpuSeconds: number;
}

/** Nothing, or what no limit counts. */
export const free: Charges = { cost: 0, gpuSeconds: 0 };

export class Pricing {
  #prices: readonly Price[];
  /** The price by canonical model; null where there is none. */
  readonly #known = new LRUCache<string, { readonly price: Price | null }>({ max: modelsMax });
  readonly #secondsPerToken = new LRUCache<string, { seconds: number }>({ max: modelsMax });

  constructor(prices: readonly Price[]) {
    this.#prices = prices;
  }

  /** Takes up other prices. What was learned of the models' rates stays. */
  configure(prices: readonly Price[]): void {
    this.#prices = prices;
    this.#known.clear();
  }

  #priceOf(model: string): Price | null {
    if (this.#prices.length === 0) return null;
    let known = this.#known.get(model);
    if (known === undefined) {
      known = { price: this.#prices.find((price) => matchesModel(price.model, model)) ?? null };
      this.#known.set(model, known);
    }
    return known.price;
  }

  /**
   * What these tokens cost, or are expected to.
   * @param gpuSeconds as the backend reported them; absent for the learned rate
   */
  charges(model: string, inputTokens: number, outputTokens: number, gpuSeconds?: number): Charges {
    const seconds = gpuSeconds ?? this.#expectedSeconds(model, inputTokens, outputTokens);
    if (inputTokens === 0 && outputTokens === 0 && seconds === 0) return free;
    const price = this.#priceOf(model);
    if (price === null) return { cost: 0, gpuSeconds: seconds };
    const { input = 0, output = 0, gpuSecond = 0 } = price;
    return { cost: (inputTokens * input + outputTokens * output) / 1e6 + seconds * gpuSecond, gpuSeconds: seconds };
  }

  #expectedSeconds(model: string, inputTokens: number, outputTokens: number): number {
    const perToken = this.#secondsPerToken.get(model)?.seconds ?? secondsGuess;
    return perToken * (inputTokens * promptShare + outputTokens);
  }

  /** Learns the model's rate from an answer whose time the backend reported. */
  learn(model: string, { inputTokens = 0, outputTokens = 0, gpuSeconds }: Usage): void {
    const work = inputTokens * promptShare + outputTokens;
    if (gpuSeconds === undefined || gpuSeconds <= 0 || work <= 0) return;
    const seconds = Math.min(gpuSeconds / work, secondsMax);
    const known = this.#secondsPerToken.get(model);
    if (known === undefined) this.#secondsPerToken.set(model, { seconds });
    else known.seconds += smoothing * (seconds - known.seconds);
  }
}
