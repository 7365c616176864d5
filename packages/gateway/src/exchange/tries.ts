/** The backends that one request was sent to, and whether it may be sent to one more. */
import type { Backend, Passage, PoolRules } from '@headgate/core';
import { isOpaque } from './outgoing.js';

export class Tries {
  readonly #rules: PoolRules['retry'];
  /** A body that passes unread passes once. */
  readonly #isOpaque: boolean;
  #wasStale = false;
  readonly backends = new Set<Backend>();

  constructor(rules: PoolRules['retry'], passage: Passage) {
    this.#rules = rules;
    this.#isOpaque = isOpaque(passage);
  }

  mayGoOn(cause: string): boolean {
    const { tries, on } = this.#rules;
    return !this.#isOpaque && this.backends.size < tries && on.some((one) => one === cause);
  }

  /** A kept connection that turns out closed says nothing of the backend; it is tried again, once. */
  mayRepeat(cause: string): boolean {
    if (cause !== 'stale' || this.#wasStale || this.#isOpaque) return false;
    this.#wasStale = true;
    return true;
  }
}
