/** Why Redis, or what it said a moment ago, let a request not through. */
import type { Limit, LimitState, Shortfall } from '@headgate/core';
import type { Sight } from './charging.js';

export class RedisShortfall implements Shortfall {
  readonly admitted = false;
  readonly limit: Limit;
  readonly retryAfterMs: number;
  /** The counters as they were seen. */
  readonly sight: Sight;

  constructor(limit: Limit, retryAfterMs: number, sight: Sight) {
    this.limit = limit;
    this.retryAfterMs = retryAfterMs;
    this.sight = sight;
  }

  get states(): readonly LimitState[] {
    return this.sight.states();
  }
}
