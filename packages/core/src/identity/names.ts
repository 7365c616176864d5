/** Undeclared keys as names: how many new ones an address may bring. */
import { LRUCache } from 'lru-cache';
import type { Clock } from '../kernel/clock.js';
import { type RollingWindow, rollForward, rollingAdd } from '../limits/rolling-window.js';
import type { ApiKeySource } from '../policy/policy.js';

/** Names and addresses remembered. */
const rememberedMax = 100_000;

export class NewNames {
  readonly #clock: Clock;
  readonly #known = new LRUCache<string, true>({ max: rememberedMax });
  readonly #brought = new LRUCache<string, RollingWindow>({ max: rememberedMax });

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Whether it is a name already, or its address may bring one more this period. */
  may({ amount, periodMs }: ApiKeySource['newNames'], id: string, address: string): boolean {
    if (this.#known.get(id)) return true;
    const now = Math.floor(this.#clock.now());
    let window = this.#brought.get(address);
    if (window === undefined) {
      window = { total: 0, counts: [] };
      this.#brought.set(address, window);
    }
    rollForward(window, now, periodMs);
    if (window.total >= amount) return false;
    rollingAdd(window, 1, now, periodMs);
    this.#known.set(id, true);
    return true;
  }
}
