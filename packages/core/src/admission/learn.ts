/**
 * What answers usually cost, learned from those that ended: the 90th percentile of output tokens. Of the first twenty it is
 * looked up, from the tenth on; from then on it follows by stochastic approximation (Q grows by gamma x Q x q when an answer is
 * longer and shrinks by gamma x Q x (1 - q) when not, so that P(output <= Q) settles at q), which forgets the past and keeps
 * nothing. Reserving this much overshoots a budget by 0 to 2 % where charging afterwards overshoots by half.
 */
import { LessonBook } from './lessons.js';
import { type AnswerForm, type SharedLearner, SharedLessons } from './shared-lessons.js';

const share = 0.9;
const gamma = 0.05;
/** Tokens expected before enough was answered to know better. */
const firstGuess = 256;
/** Answers of which a 90th percentile can be told at all. */
const known = 10;
/** Answers after which a model, or an identity on it, is expected to answer as it did, and not as others do. */
const enough = 20;

class Quantile {
  tokens: number;
  /** The first answers, shortest first; undefined once there were enough. */
  #first: number[] | undefined = [];

  constructor(tokens: number) {
    this.tokens = tokens;
  }

  copy(): Quantile {
    return new Quantile(this.tokens);
  }

  get isGuess(): boolean {
    return this.#first !== undefined && this.#first.length < known;
  }

  /** Begins with these answers, as many as there are. */
  begin(answers: readonly number[]): void {
    this.#first = answers.toSorted((a, b) => a - b);
    this.#lookUp(this.#first);
  }

  see(outputTokens: number): void {
    const first = this.#first;
    if (first === undefined) {
      this.tokens += outputTokens > this.tokens ? gamma * this.tokens * share : -gamma * this.tokens * (1 - share);
    } else {
      first.push(outputTokens);
      first.sort((a, b) => a - b);
      this.#lookUp(first);
    }
    this.tokens = Math.max(1, this.tokens);
  }

  #lookUp(first: readonly number[]): void {
    if (first.length >= known) this.tokens = first[Math.ceil(share * first.length) - 1]!;
    if (first.length >= enough) this.#first = undefined;
  }
}

/** Longer than any answer is, output tokens. */
const lengthMax = 1e7;

/** Its output tokens, as a whole number of 32 bits. */
const lengthForm: AnswerForm<number> = {
  name: 'output1',
  bytes: 4,
  // So that of many such samples nine in ten put it between the 83rd and the 97th percentile.
  answersMax: 48,
  write: (outputTokens, view, at) => view.setUint32(at, Math.min(outputTokens, lengthMax), true),
  read: (view, at) => {
    const outputTokens = view.getUint32(at, true);
    return outputTokens > 0 && outputTokens <= lengthMax ? outputTokens : undefined;
  },
};

export class OutputLengths {
  readonly #book = new LessonBook<Quantile, number>(new Quantile(firstGuess), { enough, acrossModels: true });
  #shared: SharedLessons<number, Quantile> | undefined;

  /** From here on what is learned is told to other processes too. */
  share(): SharedLearner {
    this.#shared ??= new SharedLessons({
      form: lengthForm,
      book: this.#book,
      teach: (quantile, answers) => {
        quantile.begin(answers);
        return answers.length;
      },
    });
    return this.#shared;
  }

  expected(model: string, identity: string): number {
    return Math.ceil(this.#book.best(model, identity).tokens);
  }

  /** Whether too little was answered for what is expected to be more than a guess. */
  isGuess(model: string, identity: string): boolean {
    return this.#book.best(model, identity).isGuess;
  }

  learn(model: string, identity: string, outputTokens: number): void {
    const taught = this.#book.teach(model, identity, (quantile) => quantile.see(outputTokens));
    this.#shared?.note(taught, model, identity, outputTokens);
  }
}
