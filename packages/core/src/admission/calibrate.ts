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
import { type AnswerForm, type SharedLearner, SharedLessons } from './shared-lessons.js';

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

/** A prompt, without what was counted before, and what its backend counted. */
interface Counted {
  readonly prompt: PromptSize;
  readonly actualTokens: number;
}

/** Whether the count can be learned from. */
function isPlausible({ prompt, actualTokens }: Counted): boolean {
  const estimated = uncalibrated.tokens(prompt);
  if (!Number.isFinite(estimated) || !Number.isFinite(actualTokens)) return false;
  return estimated > 0 && actualTokens > 0 && actualTokens >= plausibleMin * estimated;
}

/** More characters or tokens than any prompt has. */
const sizeMax = 1e9;

/** Characters of each class (where a counter was given: -1, and its tokens), messages, images, and the count; as floats of 32 bits. */
const countedForm: AnswerForm<Counted> = {
  name: 'input1',
  bytes: 4 * (classWeights.length + 4),
  // What a lesson began with weighs three per cent after so many.
  answersMax: 16,
  write: ({ prompt: { characters, textTokens, messages, images }, actualTokens }, view, at) => {
    const counts = characters ?? classWeights.map((_, i) => (i === 0 ? -1 : 0));
    const numbers = [...counts, textTokens, messages, images, actualTokens];
    for (const [i, number] of numbers.entries()) view.setFloat32(at + 4 * i, number, true);
  },
  read: (view, at) => {
    const numbers = Array.from({ length: classWeights.length + 4 }, (_, i) => view.getFloat32(at + 4 * i, true));
    const characters = numbers.slice(0, classWeights.length);
    const isCounted = characters[0] === -1;
    if (isCounted) numbers[0] = 0;
    if (!numbers.every((number) => number >= 0 && number <= sizeMax)) return undefined;
    const [textTokens, messages, images, actualTokens] = numbers.slice(classWeights.length) as [
      number,
      number,
      number,
      number,
    ];
    const prompt = {
      characters: isCounted ? undefined : characters,
      textTokens,
      messages,
      images,
      tokensKnown: 0,
    };
    return { prompt, actualTokens };
  },
};

export class Calibration {
  readonly #book = new LessonBook<Coefficients, Counted>(new Coefficients(), { enough, acrossModels: false });
  #shared: SharedLessons<Counted, Coefficients> | undefined;

  /** From here on what is learned is told to other processes too. */
  share(): SharedLearner {
    this.#shared ??= new SharedLessons({
      form: countedForm,
      book: this.#book,
      teach: (coefficients, answers) => {
        const plausible = answers.filter(isPlausible);
        for (const { prompt, actualTokens } of plausible) coefficients.correct(prompt, actualTokens);
        return plausible.length;
      },
    });
    return this.#shared;
  }

  /** Tokens of the prompt, the part that is estimated rounded up. */
  estimate(model: string, identity: string, prompt: PromptSize): number {
    const { characters, textTokens, messages, images, tokensKnown } = prompt;
    if (characters === undefined && textTokens === 0 && messages === 0 && images === 0) return tokensKnown;
    return Math.ceil(this.#book.best(model, identity).tokens(prompt)) + tokensKnown;
  }

  /** @param actualTokens as the backend counted the whole prompt; zero and what is no number teach nothing */
  learn(model: string, identity: string, prompt: PromptSize, actualTokens: number): void {
    const counted = { prompt, actualTokens: actualTokens - prompt.tokensKnown };
    if (!isPlausible(counted)) return;
    const taught = this.#book.teach(model, identity, (coefficients) =>
      coefficients.correct(prompt, counted.actualTokens),
    );
    this.#shared?.note(taught, model, identity, counted);
  }
}
