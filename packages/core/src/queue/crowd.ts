/**
 * Who holds how many places of the room. A full room makes place for an identity that holds less than its share by sending
 * off the newest of the one that holds most; otherwise whoever sends fastest would keep everyone else out at the door.
 */
import { Heap, type Place } from '../kernel/heap.js';
import { List } from '../kernel/list.js';
import type { Priority } from '../model.js';
import type { IdentityCounter } from './fairness.js';
import type { Entry } from './line.js';
import { bandWeights } from './priority.js';

interface Crowd {
  readonly counter: IdentityCounter;
  readonly waiting: List<Entry>;
  place: Place<Crowd> | undefined;
}

/** What a higher priority may take from a lower one: all of it. */
const strictWeights: Readonly<Record<Priority, number>> = { high: 1e12, normal: 1e6, low: 1 };

export class Crowds {
  priority: 'weighted' | 'strict';
  readonly #byCounter = new Map<IdentityCounter, Crowd>();
  readonly #largest = new Heap<Crowd>(
    ({ counter, waiting }) => -this.#share(counter, waiting.size),
    ({ waiting }) => -waiting.last!.sequence,
  );

  constructor(priority: 'weighted' | 'strict') {
    this.priority = priority;
  }

  add(entry: Entry, counter: IdentityCounter): void {
    let crowd = this.#byCounter.get(counter);
    if (crowd === undefined) {
      crowd = { counter, waiting: new List(), place: undefined };
      this.#byCounter.set(counter, crowd);
    }
    entry.crowdLink = crowd.waiting.push(entry);
    if (crowd.place === undefined) crowd.place = this.#largest.add(crowd);
    else this.#largest.update(crowd.place);
  }

  delete(entry: Entry, counter: IdentityCounter): void {
    const crowd = this.#byCounter.get(counter)!;
    crowd.waiting.remove(entry.crowdLink!);
    if (crowd.waiting.size > 0) this.#largest.update(crowd.place!);
    else {
      this.#largest.remove(crowd.place!);
      this.#byCounter.delete(counter);
    }
  }

  /** Who would have to go for one more of this identity; undefined when nobody holds more, by weight, than it then would. */
  crowdedOutBy(counter: IdentityCounter): Entry | undefined {
    const largest = this.#largest.first();
    if (largest === undefined) return undefined;
    const waiting = this.#byCounter.get(counter)?.waiting.size ?? 0;
    const isMore = this.#share(largest.counter, largest.waiting.size) > this.#share(counter, waiting + 1);
    return isMore ? largest.waiting.last : undefined;
  }

  /** Places held, by weight. */
  #share({ weight, band }: IdentityCounter, places: number): number {
    return places / (weight * (this.priority === 'strict' ? strictWeights : bandWeights)[band.priority]);
  }
}
