/** The last refusals. Those that differ in nothing but their instant are one entry, so that one client in a loop hides nobody. */
import type { Reason } from '@headgate/core';
import { shown } from './names.js';
import type { RefusalView } from './snapshot.js';

const keptMax = 20;

export interface Refused {
  readonly who: string;
  readonly operation: string;
  readonly model: string;
  readonly reason: Reason;
  readonly limit: string | undefined;
  readonly retryAfterMs: number | undefined;
  readonly mode: 'enforce' | 'shadow';
}

export class RecentRefusals {
  /** The one that happened last is last. */
  readonly #kept = new Map<string, RefusalView>();

  add(wall: number, { who, operation, model, reason, limit, retryAfterMs, mode }: Refused): void {
    const at = Math.round(wall);
    const what = { who: shown(who), operation, model: shown(model), reason, mode };
    const by = limit === undefined ? what : { ...what, limit: shown(limit) };
    const key = JSON.stringify(by);
    const { since = at, count = 0 } = this.#kept.get(key) ?? {};
    this.#kept.delete(key);
    const again = retryAfterMs === undefined ? {} : { retryAfterMs: Math.round(retryAfterMs) };
    this.#kept.set(key, { ...by, at, since, count: count + 1, ...again });
    if (this.#kept.size > keptMax) this.#kept.delete(this.#kept.keys().next().value!);
  }

  latest(): RefusalView[] {
    return [...this.#kept.values()].reverse();
  }
}
