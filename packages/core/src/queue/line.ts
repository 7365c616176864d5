/**
 * Who waits for the same slots: by band, in a band by identity, of an identity in order of arrival.
 *
 *   Line ── returned ── [a, b]                           let through before; they go first, in order of arrival
 *        ├─ high ── ann [1, 4]  bob [2]                  a Share each: least served first
 *        └─ low ─── eve [3, 5, 6]
 *
 * If the head of a line cannot go, nobody in it can. One that could go but would rather wait leaves it for a line of its own,
 * where it keeps its place in the order and holds nobody up.
 */
import type { Timer } from '../kernel/clock.js';
import { Heap, type Place } from '../kernel/heap.js';
import { type Link, List } from '../kernel/list.js';
import type { IdentityCounter } from './fairness.js';
import type { Band } from './priority.js';
import type { Waiter } from './waiter.js';

export interface Entry {
  readonly waiter: Waiter;
  readonly sequence: number;
  readonly enteredAt: number;
  line: Line;
  /** Where it waits; undefined for those who came back, who wait ahead of all shares. */
  share: Share | undefined;
  timer: Timer | undefined;
  /** Its places: in the share or among those who came back, by age in its band of the line, and among its identity's in the room. */
  link?: Link<Entry>;
  ageLink?: Link<Entry>;
  crowdLink?: Link<Entry>;
}

/** One identity's waiters in one line. */
export class Share {
  readonly counter: IdentityCounter;
  readonly queue: LineBand;
  /** The identity's when it joined. */
  readonly weight: number;
  readonly waiting = new List<Entry>();
  readonly onFall: () => void;
  place: Place<Share> | undefined;

  /** @param onFall told when the share has come forward in its line */
  constructor(counter: IdentityCounter, queue: LineBand, onFall: (queue: LineBand) => void) {
    this.counter = counter;
    this.queue = queue;
    this.weight = counter.weight;
    const fall = (): void => {
      queue.byCounter.update(this.place!);
      onFall(queue);
    };
    this.onFall = fall;
  }
}

/** One band's waiters in one line. */
export class LineBand {
  readonly line: Line;
  readonly band: Band;
  readonly shares = new Map<IdentityCounter, Share>();
  readonly byCounter = new Heap<Share>(
    ({ counter }) => counter.value,
    ({ counter }) => counter.turn,
    ({ waiting }) => waiting.first!.sequence,
  );
  readonly byAge = new List<Entry>();
  /** Weights of the shares together. */
  weight = 0;
  /** Its places in the room's heaps. */
  place: Place<LineBand> | undefined;
  agePlace: Place<LineBand> | undefined;

  constructor(line: Line, band: Band) {
    this.line = line;
    this.band = band;
  }

  /** The share that is next; there is one as long as the line has this band at all. */
  get first(): Share {
    return this.byCounter.first()!;
  }

  get head(): Entry {
    return this.first.waiting.first!;
  }

  get size(): number {
    return this.byAge.size;
  }

  add(share: Share): void {
    this.shares.set(share.counter, share);
    this.weight += share.weight;
    share.counter.onFall.add(share.onFall);
    share.place = this.byCounter.add(share);
  }

  delete(share: Share): void {
    this.shares.delete(share.counter);
    this.weight = this.shares.size === 0 ? 0 : this.weight - share.weight;
    share.counter.onFall.delete(share.onFall);
    this.byCounter.remove(share.place!);
  }
}

export class Line {
  readonly name: string;
  readonly returned = new List<Entry>();
  readonly bands = new Map<Band, LineBand>();
  returnedPlace: Place<Line> | undefined;
  size = 0;
  /** The dispatch in which it was found that nobody in it can go. */
  blockedIn = 0;

  constructor(name: string) {
    this.name = name;
  }
}
