import type { Refusal } from '@headgate/core';

/** A refusal, and the answer that says so. */
export interface Refused {
  readonly refusal: Refusal;
  readonly response: Response;
}
