/**
 * What one running request is charged on the counters that decide who is next: its input when it begins, its output as it
 * streams, and what it really was in the end. Where its identity's answers can be predicted, the prediction is charged when
 * it begins, so that several requests of one identity do not all start before the first has shown its size.
 */
import type { OutputPrediction, Predicted } from './prediction.js';
import type { TokenCounter } from './token-counter.js';

/** Virtual tokens of a token read and of one written; the weights that the algorithm's paper takes from prices of APIs. */
export const inputPrice = 1;
export const outputPrice = 2;
/** No request is larger; a size that is no size at all would drown every other in the sum. */
const tokensMax = 1e9;

export class Charge implements Predicted {
  readonly #counter: TokenCounter;
  readonly #band: TokenCounter;
  /** Weights as they were when the charge began: what is given back is given back at the price that was paid. */
  readonly #weight: number;
  readonly #prediction: OutputPrediction | undefined;
  readonly #inputTokens: number;
  /** Output that the counters' values hold: the prediction, or what was streamed beyond it. */
  #outputTokens = 0;
  readonly #outputTokensMax: number;
  #streamed = 0;
  /** Virtual tokens that the counters' values hold. */
  #held = 0;
  #ended = false;

  /** @param prediction learns from the answer; undefined for requests that write nothing, or where nobody shares */
  constructor(
    counter: TokenCounter,
    band: TokenCounter,
    inputTokens: number,
    prediction: OutputPrediction | undefined,
    outputTokensMax: number,
  ) {
    this.#counter = counter;
    this.#band = band;
    this.#weight = counter.weight;
    this.#prediction = prediction;
    this.#inputTokens = Math.min(inputTokens, tokensMax);
    this.#outputTokensMax = outputTokensMax;
    counter.running++;
    const input = inputPrice * this.#inputTokens;
    this.#add(input, input);
    prediction?.tell(this);
  }

  /** Charges the whole answer ahead, as far as it was not charged yet. */
  predict(outputTokens: number): void {
    const more = Math.min(outputTokens, this.#outputTokensMax) - this.#outputTokens;
    if (more <= 0) return;
    this.#outputTokens += more;
    this.#add(outputPrice * more, 0);
  }

  /** So many output tokens have been streamed in all. */
  stream(total: number): void {
    const outputTokens = Math.min(total, tokensMax);
    const more = outputTokens - this.#streamed;
    if (this.#ended || more <= 0) return;
    const beyond = Math.max(0, outputTokens - this.#outputTokens);
    this.#streamed = outputTokens;
    this.#outputTokens += beyond;
    this.#add(outputPrice * beyond, outputPrice * more);
  }

  /** Corrects the charge to what was used. A second ending changes nothing. */
  settle(inputTokens: number, outputTokens: number): void {
    const output = Math.min(outputTokens, tokensMax);
    if (this.#end(Math.min(inputTokens, tokensMax), output)) this.#prediction?.learn(output, this);
  }

  /** Takes the charge back whole. */
  cancel(): void {
    if (this.#end(0, 0)) this.#prediction?.forget(this);
  }

  #end(inputTokens: number, outputTokens: number): boolean {
    if (this.#ended) return false;
    this.#ended = true;
    const input = inputPrice * (inputTokens - this.#inputTokens);
    this.#add(
      input + outputPrice * (outputTokens - this.#outputTokens),
      input + outputPrice * (outputTokens - this.#streamed),
    );
    this.#counter.running--;
    this.#band.held -= this.#held;
    return true;
  }

  #add(value: number, served: number): void {
    this.#held += value;
    this.#band.held += value;
    this.#counter.add(value, served, this.#weight);
    this.#band.add(value, served, this.#band.weight);
  }
}
