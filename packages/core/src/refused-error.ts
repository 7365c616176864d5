import { HeadgateError } from './kernel/errors.js';
import type { Refusal } from './model.js';

/** Thrown by `run` and `wrap` only, where the caller asked for a result and there is none. */
export class RefusedError extends HeadgateError {
  readonly refusal: Refusal;
  /** The HTTP status that says it best, where frameworks look for one. */
  readonly status: number;

  constructor(refusal: Refusal) {
    super('HG_REFUSED', refusal.message);
    this.name = 'RefusedError';
    this.refusal = refusal;
    this.status = refusal.status;
  }
}
