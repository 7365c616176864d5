/**
 * All lines there are, and everyone's place in them.
 *
 *   shared ── one a name ─────────── [ann 1, bob 2, ann 3]
 *   apart ─── one a waiter ───────── [ann 4]   [eve 5]           could go, and wait for something better
 */
import type { Clock } from '../kernel/clock.js';
import { Drains } from './drain.js';
import type { IdentityCounter } from './fairness.js';
import { type Entry, Line, LineBand, Share } from './line.js';
import type { Order } from './order.js';

export class Lines {
  readonly #clock: Clock;
  readonly #order: Order;
  readonly #shared = new Map<string, Line>();
  readonly #apart = new Set<Line>();
  /** How fast each drains, by name. */
  readonly drains = new Drains();

  constructor(clock: Clock, order: Order) {
    this.#clock = clock;
    this.#order = order;
  }

  has(name: string): boolean {
    return this.#shared.has(name);
  }

  get(name: string): Line | undefined {
    return this.#shared.get(name);
  }

  all(): Line[] {
    return [...this.#shared.values(), ...this.#apart];
  }

  /** How many stand apart from this line. */
  apartFrom(name: string): number {
    let count = 0;
    for (const line of this.#apart) if (line.name === name) count++;
    return count;
  }

  /** The shared line, for one more. */
  join(name: string): Line {
    let line = this.#shared.get(name);
    if (line === undefined) {
      line = new Line(name);
      this.#shared.set(name, line);
      this.drains.of(name).begin(this.#clock.now());
    }
    line.size++;
    return line;
  }

  /** One less is in the line. */
  leave(line: Line): void {
    if (--line.size > 0 || this.#apart.delete(line)) return;
    this.#shared.delete(line.name);
    this.drains.of(line.name).end();
  }

  /** From now on the waiter is in a line of its own, where it keeps its place in the order and holds nobody up. */
  setApart(entry: Entry): void {
    if (this.#apart.has(entry.line)) return;
    const { line, share } = entry;
    this.displace(entry);
    entry.line = new Line(line.name);
    entry.line.size = 1;
    this.#apart.add(entry.line);
    this.leave(line);
    if (share === undefined) this.placeReturned(entry);
    else this.place(entry, share.counter);
  }

  /** Puts a waiter behind those who came back before. */
  placeReturned(entry: Entry): void {
    const { returned } = entry.line;
    entry.link = returned.push(entry);
    if (returned.size === 1) this.#order.addReturned(entry.line);
  }

  /** Puts a waiter behind its identity's. */
  place(entry: Entry, counter: IdentityCounter): void {
    const { line } = entry;
    const { band } = counter;
    let queue = line.bands.get(band);
    const isNewBand = queue === undefined;
    if (queue === undefined) {
      queue = new LineBand(line, band);
      line.bands.set(band, queue);
    }
    let share = queue.shares.get(counter);
    const isNewShare = share === undefined;
    share ??= new Share(counter, queue, (fallen) => this.#order.fell(fallen));
    entry.share = share;
    entry.link = share.waiting.push(entry);
    entry.ageLink = queue.byAge.push(entry);
    if (isNewShare) queue.add(share);
    if (isNewBand) this.#order.add(queue);
    else if (isNewShare) this.#order.fell(queue);
  }

  displace({ line, share, link, ageLink }: Entry): void {
    link!.list!.remove(link!);
    if (share === undefined) {
      if (line.returned.size === 0) this.#order.deleteReturned(line);
      return;
    }
    const { queue, waiting } = share;
    queue.byAge.remove(ageLink!);
    if (waiting.size > 0) return;
    queue.delete(share);
    if (queue.size > 0) return;
    line.bands.delete(queue.band);
    this.#order.delete(queue);
  }
}
