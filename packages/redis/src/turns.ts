/**
 * Whose settlements are written when. In a Cluster there is a lane for each identity: so many are written at a time, and of those
 * whose server takes nothing one alone is tried, until it does. A server that was away is not met by all of them at once.
 *
 *   begin --> due --> sending --done--> (gone)
 *       \              |   \--taken: whoever is stuck at its server is due
 *        \             v
 *         '-------> stuck --one of them, every so often--> sending
 */
import type { Clock, Timer } from '@headgate/core';

export interface Lane {
  readonly mark: string;
  /** The server that did not take what it had; undefined when none refused. */
  stuckAt: string | undefined;
}

export interface TurnsOptions<L extends Lane> {
  readonly clock: Clock;
  /** Which server a lane is written to. */
  readonly serverOf: (lane: L) => string;
  /** Writes what the lane has. Says through `stick` and `taken` how that goes. */
  readonly send: (lane: L) => Promise<void>;
}

interface Stuck<L> {
  readonly lanes: Set<L>;
  timer: Timer | undefined;
}

/** Lanes written at the same time. */
const atOnceMax = 32;
const againMs = 200;

export class Turns<L extends Lane> {
  readonly #options: TurnsOptions<L>;
  #due: L[] = [];
  #sending = 0;
  readonly #stuck = new Map<string, Stuck<L>>();

  constructor(options: TurnsOptions<L>) {
    this.#options = options;
  }

  begin(lane: L): void {
    this.#due.push(lane);
    this.#sendDue();
  }

  #sendDue(): void {
    while (this.#sending < atOnceMax && this.#due.length > 0) {
      const lane = this.#due.shift()!;
      const server = this.#options.serverOf(lane);
      const stuck = this.#stuck.get(server);
      if (stuck === undefined) void this.#send(lane);
      else {
        lane.stuckAt = server;
        stuck.lanes.add(lane);
      }
    }
  }

  async #send(lane: L): Promise<void> {
    this.#sending++;
    await this.#options.send(lane);
    this.#sending--;
    this.#sendDue();
  }

  /** Its server did not take what the lane has. */
  stick(lane: L): void {
    const server = this.#options.serverOf(lane);
    lane.stuckAt = server;
    let stuck = this.#stuck.get(server);
    if (stuck === undefined) {
      stuck = { lanes: new Set(), timer: undefined };
      this.#stuck.set(server, stuck);
    }
    stuck.lanes.add(lane);
    stuck.timer ??= this.#options.clock.after(againMs, () => this.#tryOne(stuck));
  }

  #tryOne(stuck: Stuck<L>): void {
    stuck.timer = undefined;
    const [first] = stuck.lanes;
    if (first === undefined) return;
    stuck.lanes.delete(first);
    void this.#send(first);
  }

  /** A server took what the lane had, or answered that it never will. */
  taken(lane: L): void {
    const { stuckAt } = lane;
    if (stuckAt === undefined) return;
    lane.stuckAt = undefined;
    this.#free(stuckAt);
  }

  #free(server: string): void {
    const stuck = this.#stuck.get(server);
    this.#stuck.delete(server);
    stuck?.timer?.cancel();
    for (const lane of stuck?.lanes ?? []) this.#due.push(lane);
    this.#sendDue();
  }

  /** Tries all again: there is a connection. */
  freeAll(): void {
    for (const server of [...this.#stuck.keys()]) this.#free(server);
  }

  close(): void {
    for (const { timer } of this.#stuck.values()) timer?.cancel();
    this.#stuck.clear();
    this.#due = [];
  }
}
