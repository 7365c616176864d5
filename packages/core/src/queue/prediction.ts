/**
 * How long the next answer of an identity will be, from those that ended: the smaller of a running mean and the median of
 * the last ones. Nothing is predicted before five have ended, because a wrong prediction is worse than none: it is charged
 * before a token is produced. The fifth ending is told to those that run too, so that what started blindly counts in full.
 */
const answersMin = 5;
/** Weight of the newest answer in the mean: of about the last ten. */
const smoothing = 0.1;
/** Answers the median is taken of. */
const remembered = 9;

/** A running answer that wants to know how long it will be. */
export interface Predicted {
  predict(outputTokens: number): void;
}

export class OutputPrediction {
  #answers = 0;
  #mean = 0;
  /** In a ring; made with the first. */
  #last: Uint32Array | undefined;
  #outputTokens = 0;
  /** Those that began before there was a prediction; none once there is. */
  #blind: Set<Predicted> | undefined = new Set();

  /** Output tokens; 0 while too little is known. */
  get outputTokens(): number {
    return this.#outputTokens;
  }

  /** Tells it, now or when there is something to tell. */
  tell(running: Predicted): void {
    if (this.#blind === undefined) running.predict(this.#outputTokens);
    else this.#blind.add(running);
  }

  forget(running: Predicted): void {
    this.#blind?.delete(running);
  }

  /** @param ended whose answer it was */
  learn(outputTokens: number, ended: Predicted): void {
    this.forget(ended);
    this.#last ??= new Uint32Array(remembered);
    this.#last[this.#answers % remembered] = outputTokens;
    this.#mean += (outputTokens - this.#mean) * Math.max(smoothing, 1 / ++this.#answers);
    if (this.#answers < answersMin) return;
    const middle = median(this.#last.subarray(0, Math.min(this.#answers, remembered)));
    this.#outputTokens = Math.floor(Math.min(this.#mean, middle));
    if (this.#blind === undefined) return;
    for (const running of this.#blind) running.predict(this.#outputTokens);
    this.#blind = undefined;
  }
}

function median(values: Uint32Array): number {
  return values.toSorted()[values.length >> 1]!;
}
