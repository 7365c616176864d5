/**
 * Slots that this process holds in Redis, by row. One heartbeat renews them all; a process that was not heard of for the length
 * of a lease holds nothing any more, so its slots come back when it is killed, and its work has to end when it was only stopped.
 *
 *   held --give--> given back (by the journal, to the hold they were taken under)
 *    ^ \--Redis does not know the hold: it was away, and forgot--> orphaned --no room beside the others--> lost
 *    |  \--this process stood still for the length of a lease----------------------------------------------> lost
 *    '---------------------------------------------------- room ----'
 */
import type { Clock, Timer } from '@headgate/core';
import type { Link } from './link.js';
import { renew } from './scripts.js';
import type { Plan, Table } from './table.js';

/** Whoever holds slots of a row. */
export interface Holder {
  /** Holds nothing from now on: somebody else may. */
  lose(): void;
}

/** In the order in which they came: units of each column of slots. */
type Holders = Map<Holder, readonly number[]>;

interface Hold {
  readonly key: string;
  readonly table: Table;
  /** On the server's clock; 0 for orphans. A hold that lapsed and was taken again has another. */
  readonly birth: number;
  readonly holders: Holders;
}

export interface HoldsOptions {
  readonly link: Link;
  readonly clock: Clock;
  readonly node: number;
  readonly leaseMs: number;
}

/** Rows renewed in one command. */
const togetherMax = 50;

export class Holds {
  readonly #options: HoldsOptions;
  readonly #held = new Map<string, Hold>();
  readonly #orphaned = new Map<string, Hold>();
  /** Commands under way by row: what Redis counts of it may differ from what is known here. */
  readonly #underWay = new Map<string, number>();
  #timer: Timer | undefined;
  #beatAt = 0;
  #isClosed = false;

  constructor(options: HoldsOptions) {
    this.#options = options;
    // What Redis may have forgotten while it was away is told before anything else is decided.
    options.link.onReady(() => this.#renewAll());
  }

  /** Rows of which something is held. */
  get size(): number {
    return this.#held.size + this.#orphaned.size;
  }

  /** @param birth of the hold, as Redis told it */
  take(key: string, table: Table, birth: number, holder: Holder, units: readonly number[]): void {
    const known = this.#held.get(key);
    if (known !== undefined && known.birth !== birth) this.#orphan(known);
    let hold = this.#held.get(key);
    if (hold === undefined) {
      hold = { key, table, birth, holders: new Map() };
      this.#held.set(key, hold);
    }
    hold.holders.set(holder, units);
    this.#beat();
  }

  /** Notes that the holder gives back what it holds of the row. Returns the birth of the hold it is to be taken off; 0 for none. */
  give(key: string, holder: Holder): number {
    for (const holds of [this.#held, this.#orphaned]) {
      const hold = holds.get(key);
      if (hold === undefined || !hold.holders.delete(holder)) continue;
      if (hold.holders.size === 0) holds.delete(key);
      return hold.birth;
    }
    return 0;
  }

  /** Something is done to the row until the promise settles. */
  during<T>(key: string, work: Promise<T>): Promise<T> {
    this.#underWay.set(key, (this.#underWay.get(key) ?? 0) + 1);
    const end = (): void => {
      const left = this.#underWay.get(key)! - 1;
      if (left === 0) this.#underWay.delete(key);
      else this.#underWay.set(key, left);
    };
    work.then(end, end);
    return work;
  }

  #beat(): void {
    if (this.#timer !== undefined || this.#isClosed) return;
    const { clock, leaseMs } = this.#options;
    this.#beatAt = clock.now();
    this.#timer = clock.after(leaseMs / 3, () => {
      this.#timer = undefined;
      // Nothing here ran for the length of a lease, so nothing was renewed: others have had the slots since.
      if (clock.now() - this.#beatAt >= leaseMs) this.#loseAll();
      if (this.size === 0) return;
      this.#renewAll();
      this.#beat();
    });
  }

  #loseAll(): void {
    const holders = [...this.#held.values(), ...this.#orphaned.values()].flatMap((hold) => [...hold.holders.keys()]);
    this.#held.clear();
    this.#orphaned.clear();
    for (const holder of holders) holder.lose();
  }

  #renewAll(): void {
    const holds = [...this.#held.values(), ...this.#orphaned.values()];
    const size = this.#options.link.isCluster ? 1 : togetherMax;
    for (let at = 0; at < holds.length; at += size) void this.#renew(holds.slice(at, at + size));
  }

  async #renew(holds: readonly Hold[]): Promise<void> {
    const { link } = this.#options;
    if (!link.isReady) return;
    const { numbers, words } = this.#spelt(holds);
    const asked = holds.map(({ holders }) => new Map(holders));
    const keys = holds.map(({ key }) => key);
    try {
      const [reply] = await link.run(renew, keys, numbers, words);
      let at = 16;
      for (const [i, hold] of holds.entries()) {
        const birth = reply!.readDoubleLE(at);
        const granted = Array.from({ length: hold.table.slots }, (_, slot) => reply!.readDoubleLE(at + 8 + 8 * slot));
        at += 8 + 8 * granted.length;
        if (hold.birth === 0) this.#adopt(hold, asked[i]!, birth, granted);
        else if (birth === 0) this.#orphan(hold);
      }
    } catch {
      // Nothing is lost yet: the next beat, or the next connection, tries again.
    }
  }

  #spelt(holds: readonly Hold[]): { numbers: number[]; words: string[] } {
    const { node, leaseMs, link } = this.#options;
    const words: string[] = [];
    const plans = new Map<Plan, number>();
    const numbers = [node, leaseMs];
    for (const { key, table, birth, holders } of holds) {
      const plan = table.plan('0'.repeat(table.columns.length));
      if (!plans.has(plan)) {
        plans.set(plan, plans.size + 1);
        words.push(...plan.words(link.time.wall));
      }
      const isSure = !this.#underWay.has(key);
      const units = unitsOf(holders.values(), table.slots);
      numbers.push(plans.get(plan)!, birth, Number(isSure), ...units);
    }
    return { numbers, words };
  }

  /** Redis does not know the hold: its holders ask to hold anew. */
  #orphan(hold: Hold): void {
    if (this.#held.get(hold.key) === hold) this.#held.delete(hold.key);
    if (hold.holders.size === 0) return;
    const waiting = this.#orphaned.get(hold.key);
    if (waiting === undefined) this.#orphaned.set(hold.key, { ...hold, birth: 0 });
    else for (const [holder, units] of hold.holders) waiting.holders.set(holder, units);
    void this.#renew([this.#orphaned.get(hold.key)!]);
  }

  /** Those who asked to hold anew hold what was granted; who came last goes without when it is not enough for all. */
  #adopt(orphans: Hold, asked: Holders, birth: number, granted: readonly number[]): void {
    const fitting = new Map(asked);
    for (const holder of [...asked.keys()].reverse()) {
      if (unitsOf(fitting.values(), granted.length).every((units, slot) => units <= granted[slot]!)) break;
      fitting.delete(holder);
    }
    for (const [holder, units] of asked) {
      // Whoever gave back meanwhile is gone. Redis counts it until the next beat, which tells what is held.
      if (!orphans.holders.delete(holder)) continue;
      if (fitting.has(holder)) this.take(orphans.key, orphans.table, birth, holder, units);
      else holder.lose();
    }
    if (orphans.holders.size === 0 && this.#orphaned.get(orphans.key) === orphans) this.#orphaned.delete(orphans.key);
  }

  close(): void {
    this.#isClosed = true;
    this.#timer?.cancel();
    this.#timer = undefined;
  }
}

function unitsOf(held: Iterable<readonly number[]>, columns: number): number[] {
  const total = new Array<number>(columns).fill(0);
  for (const units of held) for (let i = 0; i < columns; i++) total[i]! += units[i]!;
  return total;
}
