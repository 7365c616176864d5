/**
 * Corrects the estimate of a prompt by what backends counted: each vocabulary, language and chat template has its own ratio.
 *
 *   tokens = weight x characters, for each class of them (or factor x tokens, by a counter that was given)
 *          + perMessage x messages + perRequest + perImage x images + what was counted before
 *
 * After each answer every term takes its share of the error, in proportion to its part of the estimate:
 *
 *   term *= exp(alpha x share x ln(actual / estimate))
 *
 * which is a step down the gradient of the squared logarithmic error, and where there is but one term the exponentially
 * weighted mean of the ratio's logarithm. With a weight for each class what Russian teaches does not spoil what JSON has taught.
 * The first answers weigh more (alpha 1/2, 1/3, 1/4 ...: the plain mean, in which the estimate as it was counts as one), so
 * that ten of them nearly suffice. Constant time and memory a prompt.
 *
 * A count far below the estimate is not learned from: several backends leave cached tokens out of it, and Ollama cuts a
 * prompt down to its context without a word.
 */
import type { PromptSize } from '../reservation.js';
import { classWeights, weigh } from './estimate.js';
import { LessonBook } from './lessons.js';

/** Least weight of the newest answer. */
const alphaMin = 0.15;
/** Answers after which a model, or an identity on it, is calibrated by its own. */
const enough = 8;
/** The most that one answer can claim to differ from its estimate; what it differs by more is as likely a mistake. */
const errorMax = Math.log(4);
/** Below this share of the uncalibrated estimate a count is taken for one that leaves something out. */
const plausibleMin = 0.25;

/** What a term begins with and how far it may go, tokens; for counted text a factor. */
interface Range {
  readonly first: number;
  readonly min: number;
  readonly max: number;
}
const fourfold = (first: number): Range => ({ first, min: first / 4, max: first * 4 });
const perCharacter: readonly Range[] = classWeights.map(fourfold);
const factor = fourfold(1);
/** Role and separators of one message. */
const perMessage: Range = { first: 4, min: 1, max: 32 };
/** What the template adds once, a system prompt of the model's own included. */
const perRequest: Range = { first: 3, min: 1, max: 4096 };
/** 768 is what Ollama's own truncation counts. */
const perImage: Range = { first: 768, min: 32, max: 16_384 };

class Coefficients {
  weights = classWeights;
  factor = factor.first;
  perMessage = perMessage.first;
  perRequest = perRequest.first;
  perImage = perImage.first;
  /** Answers that corrected it. */
  #seen = 0;

  copy(): Coefficients {
    return Object.assign(new Coefficients(), this);
  }

  /** Of all but what was counted before. */
  tokens({ characters, textTokens, messages, images }: PromptSize): number {
    const text = characters === undefined ? this.factor * textTokens : weigh(characters, this.weights);
    const template = messages > 0 ? this.perRequest + this.perMessage * messages : 0;
    return text + template + this.perImage * images;
  }

  correct(prompt: PromptSize, actualTokens: number): void {
    const { characters, textTokens, messages, images } = prompt;
    const alpha = Math.max(alphaMin, 1 / (++this.#seen + 1));
    const tokens = this.tokens(prompt);
    const error = Math.max(-errorMax, Math.min(errorMax, Math.log(actualTokens / tokens)));
    const step = (term: number, count: number, { min, max }: Range): number =>
      Math.max(min, Math.min(max, term * Math.exp((alpha * error * term * count) / tokens)));
    if (characters === undefined) this.factor = step(this.factor, textTokens, factor);
    else this.weights = this.weights.map((weight, at) => step(weight, characters[at]!, perCharacter[at]!));
    this.perMessage = step(this.perMessage, messages, perMessage);
    this.perRequest = step(this.perRequest, messages > 0 ? 1 : 0, perRequest);
    this.perImage = step(this.perImage, images, perImage);
  }
}

const uncalibrated = new Coefficients();

export class Calibration {
  readonly #book = new LessonBook(new Coefficients(), { enough, acrossModels: false });

  /** Tokens of the prompt, the part that is estimated rounded up. */
  estimate(model: string, identity: string, prompt: PromptSize): number {
    const { characters, textTokens, messages, images, tokensKnown } = prompt;
    if (characters === undefined && textTokens === 0 && messages === 0 && images === 0) return tokensKnown;
    return Math.ceil(this.#book.best(model, identity).tokens(prompt)) + tokensKnown;
  }

  /** @param actualTokens as the backend counted the whole prompt; zero and what is no number teach nothing */
  learn(model: string, identity: string, prompt: PromptSize, actualTokens: number): void {
    const estimated = uncalibrated.tokens(prompt);
    const actual = actualTokens - prompt.tokensKnown;
    if (!Number.isFinite(estimated) || !Number.isFinite(actual)) return;
    if (estimated <= 0 || actual <= 0 || actual < plausibleMin * estimated) return;
    this.#book.teach(model, identity, (coefficients) => coefficients.correct(prompt, actual));
  }
}
