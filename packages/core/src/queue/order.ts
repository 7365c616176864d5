/**
 * Who is asked next, of all lines: those who came back, then by band, in a band the identity that was served least. A line
 * whose head cannot go is put aside for the rest of the dispatch, so each line is asked once.
 *
 * Heaps of lines, not of waiters: what a blocked line holds costs nothing, however long it is.
 */
import { Heap } from '../kernel/heap.js';
import type { IdentityCounter } from './fairness.js';
import type { Entry, Line, LineBand } from './line.js';
import type { Band } from './priority.js';

export interface OrderRules {
  readonly priority: 'weighted' | 'strict';
  /** Strict only: wait after which a band gets every second slot, ms. */
  readonly agingMs: number;
}

interface BandLines {
  readonly band: Band;
  readonly byCounter: Heap<LineBand>;
  readonly byAge: Heap<LineBand>;
}

export class Order {
  rules: OrderRules;
  readonly #returned = new Heap<Line>((line) => line.returned.first!.sequence);
  /** Highest first. */
  readonly #bands: readonly BandLines[];
  readonly #byBand = new Map<Band, BandLines>();
  #dispatch = 0;
  readonly #aside: (() => void)[] = [];
  /** Whether the last one let through went because its band had aged: then it is the turn of the others. */
  #agedLast = false;

  constructor(bands: readonly Band[], rules: OrderRules) {
    this.rules = rules;
    this.#bands = bands.map((band) => ({
      band,
      byCounter: new Heap(
        ({ first }) => first.counter.value,
        ({ first }) => first.counter.turn,
        ({ head }) => head.sequence,
      ),
      byAge: new Heap((queue) => queue.byAge.first!.sequence),
    }));
    for (const lines of this.#bands) this.#byBand.set(lines.band, lines);
  }

  add(queue: LineBand): void {
    const { byCounter, byAge } = this.#byBand.get(queue.band)!;
    queue.place = byCounter.add(queue);
    queue.agePlace = byAge.add(queue);
  }

  delete(queue: LineBand): void {
    const { byCounter, byAge } = this.#byBand.get(queue.band)!;
    byCounter.remove(queue.place!);
    byAge.remove(queue.agePlace!);
  }

  /** A counter in it fell, or a share with a smaller one came. */
  fell(queue: LineBand): void {
    this.#byBand.get(queue.band)!.byCounter.update(queue.place!);
  }

  addReturned(line: Line): void {
    line.returnedPlace = this.#returned.add(line);
  }

  deleteReturned(line: Line): void {
    this.#returned.remove(line.returnedPlace!);
  }

  /**
   * Asks one after the other until nobody can go.
   * @param ask lets the waiter through and takes it out of its line, or says that it cannot go
   */
  dispatch(now: number, ask: (entry: Entry) => boolean): void {
    this.#dispatch++;
    try {
      for (;;) {
        const aged = this.#aged(now);
        const entry = this.#firstReturned() ?? aged ?? this.#firstInOrder();
        if (entry === undefined) return;
        if (ask(entry)) this.#agedLast = entry === aged;
        else entry.line.blockedIn = this.#dispatch;
      }
    } finally {
      for (const putBack of this.#aside.splice(0)) putBack();
    }
  }

  /**
   * Where one more of this identity would be, from 1. Identities and bands share by weight, so it goes behind as many of the
   * others as they are served of while its own wait; exact where all are one.
   */
  positionIn(line: Line, counter: IdentityCounter): number {
    const { band, weight } = counter;
    const queue = line.bands.get(band);
    const share = queue?.shares.get(counter);
    const own = (share?.waiting.size ?? 0) + 1;
    const weights = (queue?.weight ?? 0) + (share === undefined ? weight : 0);
    const inBand = Math.min((queue?.size ?? 0) + 1, own * (weights / (share?.weight ?? weight)));
    let ahead = 0;
    for (const other of line.bands.values()) {
      if (other.band === band) continue;
      if (this.rules.priority === 'strict') ahead += other.band.rank < band.rank ? other.size : 0;
      else ahead += Math.min(other.size, inBand * (other.band.counter.weight / band.counter.weight));
    }
    return Math.ceil(line.returned.size + inBand + ahead);
  }

  #firstReturned(): Entry | undefined {
    for (;;) {
      const line = this.#returned.first();
      if (line?.blockedIn !== this.#dispatch) return line?.returned.first;
      this.deleteReturned(line);
      this.#aside.push(() => {
        if (line.returned.size > 0) this.addReturned(line);
      });
    }
  }

  /** The head of the band whose turn it is: the one served least by its weight, or the highest. */
  #firstInOrder(): Entry | undefined {
    let best: LineBand | undefined;
    for (const lines of this.#bands) {
      const queue = this.#firstOpen(lines, lines.byCounter);
      if (queue === undefined) continue;
      if (this.rules.priority === 'strict') return queue.head;
      if (best === undefined || queue.band.counter.value < best.band.counter.value) best = queue;
    }
    return best?.head;
  }

  /** Of the bands below the highest that waits: the head of the one whose oldest has waited longest, and long enough. */
  #aged(now: number): Entry | undefined {
    if (this.rules.priority !== 'strict' || this.#agedLast) return undefined;
    let oldest: LineBand | undefined;
    let isBelow = false;
    for (const lines of this.#bands) {
      const queue = this.#firstOpen(lines, lines.byAge);
      if (queue === undefined) continue;
      const { sequence, enteredAt } = queue.byAge.first!;
      const hasAged = isBelow && now - enteredAt >= this.rules.agingMs;
      if (hasAged && (oldest === undefined || sequence < oldest.byAge.first!.sequence)) oldest = queue;
      isBelow = true;
    }
    return oldest?.head;
  }

  #firstOpen(lines: BandLines, heap: Heap<LineBand>): LineBand | undefined {
    for (;;) {
      const queue = heap.first();
      if (queue?.line.blockedIn !== this.#dispatch) return queue;
      lines.byCounter.remove(queue.place!);
      lines.byAge.remove(queue.agePlace!);
      this.#aside.push(() => {
        if (queue.size > 0) this.add(queue);
      });
    }
  }
}
