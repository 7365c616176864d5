/**
 * Answers that are there at once or come later. To await one that is there costs a turn in the queue of promises, and a
 * decision that asks six parts of which none makes it wait would spend more on that than on deciding.
 */
export type Later<Answer> = Answer | PromiseLike<Answer>;

export function isLater<Answer>(answer: Later<Answer>): answer is PromiseLike<Answer> {
  return typeof answer === 'object' && answer !== null && typeof (answer as { then?: unknown }).then === 'function';
}
