/** What answers have taught: how their backends count prompts, and how long they are. */
import type { Usage } from '../model.js';
import type { PromptSize, Reservation } from '../reservation.js';
import { Calibration } from './calibrate.js';
import { OutputLengths } from './learn.js';
import type { SharedLearner } from './shared-lessons.js';

export class Experience {
  readonly #calibration = new Calibration();
  readonly #lengths = new OutputLengths();

  /** From here on it is told to other processes too; by whom else is up to whoever asks. */
  share(): readonly SharedLearner[] {
    return [this.#calibration.share(), this.#lengths.share()];
  }

  /** Tokens that the request's model will count in the prompt. */
  inputTokens({ model, identity }: Reservation, prompt: PromptSize): number {
    const tokens = this.#calibration.estimate(model, identity.id, prompt);
    return Number.isNaN(tokens) ? Number.POSITIVE_INFINITY : tokens;
  }

  /** Output tokens that answers to such requests usually stay below. */
  outputTokens({ model, identity, operation }: Reservation): number {
    return operation === 'embed' ? 0 : this.#lengths.expected(model, identity.id);
  }

  /** Whether so few answers were seen that how long they are is a guess. */
  guessesOutput({ model, identity }: Reservation): boolean {
    return this.#lengths.isGuess(model, identity.id);
  }

  /** @param usage as it is charged; where the backend did not say what it counted, the estimate, which teaches nothing */
  learn({ model, identity, operation, prompt, cost }: Reservation, { inputTokens = 0, outputTokens = 0 }: Usage): void {
    if (outputTokens > 0 && operation !== 'embed') this.#lengths.learn(model, identity.id, outputTokens);
    if (prompt !== undefined && inputTokens !== cost.inputTokens) {
      this.#calibration.learn(model, identity.id, prompt, inputTokens);
    }
  }
}
