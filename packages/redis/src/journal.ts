/**
 * Endings of receipts on their way to Redis. They are sent in batches, one at a time for each lane, and a batch goes by its
 * number: one whose reply was lost is sent again and counts once. What cannot be sent waits, up to a bound.
 *
 *   add -> waiting --send--> in flight --reply--> done
 *                     ^          |
 *                     '--again---'  no connection, no reply in time (see turns.ts); an answer that no repetition will change ends it, lost
 */
import { type Clock, HeadgateError } from '@headgate/core';
import { groupBy } from '@headgate/core/store';
import { isDown, type Link, silenceMs } from './link.js';
import { settle } from './scripts.js';
import type { Table } from './table.js';
import { type Lane as Turn, Turns } from './turns.js';

/** One row's share in the ending of a receipt. */
export interface Ending {
  readonly key: string;
  readonly table: Table;
  /** The row's birth, and the birth of this node's hold on its slots, when it was charged. */
  readonly birth: number;
  readonly lease: number;
  readonly chargedAt: number;
  /** For each column concerned: its number from 1, units more or less, window charged, and units charged in all. */
  readonly parts: readonly number[];
}

/** Numbers of one of the `parts`. */
const partWidth = 4;

interface Entry {
  ending: Ending;
  /** Told true when it is in Redis, false when it is lost. */
  readonly done: (isWritten: boolean) => void;
}

/** Endings that belong together because a batch of them can be sent as one: all, or those of one slot of a Cluster. */
interface Lane extends Turn {
  readonly tag: string;
  waiting: Entry[];
  /** What waits to be recorded, by row: more of it is added there. */
  readonly records: Map<string, Entry>;
  /** Batches of one row each, of a batch that had one which cannot be read. */
  readonly apart: Entry[][];
  /** The batch in flight or to be sent again, and its number. */
  batch: readonly Entry[] | undefined;
  number: number;
  /** When the batch was first sent without anybody knowing what became of it. */
  doubtedAt: number | undefined;
  /** Whether somebody sees to it that it is sent. */
  isSending: boolean;
}

export interface JournalOptions {
  readonly link: Link;
  readonly clock: Clock;
  readonly prefix: string;
  readonly node: number;
  readonly leaseMs: number;
  /** Told of endings that will never reach Redis, and why. */
  readonly onLost: (endings: number, why: unknown) => void;
}

const batchMax = 200;
/** Endings kept while Redis is away; beyond it the oldest are lost. */
const waitingMax = 20_000;
/** For how long a batch may be sent again: its mark lives as long, ms. */
const keptMs = 600_000;
/** Sent again so long before its mark goes that it is there when Redis looks, ms. */
const marginMs = 2 * silenceMs;

export class Journal {
  readonly #options: JournalOptions;
  readonly #lanes = new Map<string, Lane>();
  readonly #turns: Turns<Lane>;
  #size = 0;
  #numbers = 0;
  #isClosed = false;
  #onEmpty = (): void => {};

  constructor(options: JournalOptions) {
    this.#options = options;
    const { link, clock } = options;
    const serverOf = ({ mark }: Lane): string => (link.isCluster ? link.serverOf(mark) : '');
    this.#turns = new Turns({ clock, serverOf, send: (lane) => this.#send(lane) });
    link.onReady(() => this.#turns.freeAll());
  }

  /** Endings that are not in Redis yet. */
  get size(): number {
    return this.#size;
  }

  /** Resolves with true once the ending is in Redis; with false when it is lost. Never rejects. */
  add(tag: string, ending: Ending): Promise<boolean> {
    return new Promise((done) => this.#push(this.#lane(tag), { ending, done }));
  }

  /** What was used without having been charged before. Of one row it is added up for as long as it waits, so that it is bounded by rows. */
  record(tag: string, key: string, table: Table, parts: readonly number[]): void {
    const lane = this.#lane(tag);
    const waiting = lane.records.get(key);
    if (waiting?.ending.table === table) {
      waiting.ending = { ...waiting.ending, parts: [...waiting.ending.parts, ...parts].reduce(addUp, []) };
      return;
    }
    const entry = { ending: { key, table, birth: 0, lease: 0, chargedAt: 0, parts }, done: () => {} };
    lane.records.set(key, entry);
    this.#push(lane, entry);
  }

  #push(lane: Lane, entry: Entry): void {
    lane.waiting.push(entry);
    this.#size++;
    if (this.#size > waitingMax) this.#loseOldest();
    if (lane.isSending) return;
    lane.isSending = true;
    // What is ended in the same turn of the event loop goes together.
    queueMicrotask(() => this.#turns.begin(lane));
  }

  #lane(ofRow: string): Lane {
    const tag = this.#options.link.isCluster ? ofRow : 'settled';
    let lane = this.#lanes.get(tag);
    if (lane === undefined) {
      const mark = `${this.#options.prefix}:{${tag}}:settled:${this.#options.node}`;
      lane = {
        tag,
        mark,
        stuckAt: undefined,
        waiting: [],
        apart: [],
        records: new Map(),
        batch: undefined,
        number: 0,
        doubtedAt: undefined,
        isSending: false,
      };
      this.#lanes.set(tag, lane);
    }
    return lane;
  }

  #loseOldest(): void {
    for (const lane of this.#lanes.values()) {
      const oldest = lane.waiting.shift();
      if (oldest === undefined) continue;
      const { key } = oldest.ending;
      if (lane.records.get(key) === oldest) lane.records.delete(key);
      this.#lose([oldest], new HeadgateError('HG_STORE_DOWN', 'too many settlements wait for Redis'));
      return;
    }
  }

  #lose(entries: readonly Entry[], why: unknown): void {
    this.#size -= entries.length;
    for (const { done } of entries) done(false);
    this.#options.onLost(entries.length, why);
  }

  async #send(lane: Lane): Promise<void> {
    while (!this.#isClosed && isWaiting(lane)) {
      const batch = lane.batch ?? this.#nextBatch(lane);
      const sentAt = this.#options.clock.now();
      try {
        if (sentAt - (lane.doubtedAt ?? sentAt) > keptMs - marginMs) this.#lose(batch, unknown());
        else {
          await this.#write(lane, batch);
          this.#turns.taken(lane);
          this.#written(batch);
        }
      } catch (error) {
        if (isPassing(error)) {
          if (!isDown(error)) lane.doubtedAt ??= sentAt;
          this.#turns.stick(lane);
          return;
        }
        this.#turns.taken(lane);
        const byRow = groupBy(batch, ({ ending }) => ending.key);
        // One row that cannot be read takes no others with it: nothing was written yet.
        if (byRow.size > 1) lane.apart.push(...byRow.values());
        else this.#lose(batch, error);
      }
      lane.batch = undefined;
    }
    lane.isSending = false;
    if (!isWaiting(lane)) this.#lanes.delete(lane.tag);
  }

  #nextBatch(lane: Lane): readonly Entry[] {
    const apart = lane.apart.shift();
    if (apart === undefined) lane.records.clear();
    lane.batch = apart ?? lane.waiting.splice(0, batchMax);
    lane.number = ++this.#numbers;
    lane.doubtedAt = undefined;
    return lane.batch;
  }

  #written(batch: readonly Entry[]): void {
    this.#size -= batch.length;
    for (const { done } of batch) done(true);
    if (this.#size === 0) this.#onEmpty();
  }

  #write(lane: Lane, batch: readonly Entry[]): Promise<unknown> {
    const { link, node, leaseMs } = this.#options;
    const byKey = new Map<string, Ending[]>();
    for (const { ending } of batch) {
      const endings = byKey.get(ending.key);
      if (endings === undefined) byKey.set(ending.key, [ending]);
      else endings.push(ending);
    }
    const words: string[] = [];
    const plans = new Map<Table, number>();
    const numbers = [node, leaseMs, lane.number, keptMs];
    for (const endings of byKey.values()) {
      const { table } = endings[0]!;
      let plan = plans.get(table);
      if (plan === undefined) {
        plan = plans.size + 1;
        plans.set(table, plan);
        words.push(...table.plan('0'.repeat(table.columns.length)).words(link.time.wall));
      }
      numbers.push(plan, endings.length);
      for (const { birth, chargedAt, lease, parts } of endings) {
        numbers.push(birth, chargedAt, lease, parts.length / partWidth, ...parts);
      }
    }
    return link.run(settle, [lane.mark, ...byKey.keys()], numbers, words);
  }

  /** Sends what waits, for at most this long. What is left then is lost. */
  async close(waitMs: number): Promise<void> {
    const { clock, link } = this.#options;
    if (this.#size > 0 && link.isReady) {
      await new Promise<void>((resolve) => {
        const timer = clock.after(waitMs, resolve);
        const onEmpty = (): void => {
          timer.cancel();
          resolve();
        };
        this.#onEmpty = onEmpty;
        this.#turns.freeAll();
      });
    }
    this.#isClosed = true;
    this.#turns.close();
    const left = [...this.#lanes.values()].flatMap((lane) => [
      ...(lane.batch ?? []),
      ...lane.apart.flat(),
      ...lane.waiting,
    ]);
    this.#lanes.clear();
    if (left.length > 0) this.#lose(left, new HeadgateError('HG_CLOSED', 'the store was closed'));
  }
}

/** Sums up parts of the same column. */
function addUp(sum: number[], number: number, i: number, all: readonly number[]): number[] {
  if (i % partWidth !== 0) return sum;
  const at = sum.findIndex((column, j) => j % partWidth === 0 && column === number);
  if (at < 0) sum.push(...all.slice(i, i + partWidth));
  else sum[at + 1]! += all[i + 1]!;
  return sum;
}

function isWaiting({ batch, apart, waiting }: Lane): boolean {
  return batch !== undefined || apart.length > 0 || waiting.length > 0;
}

/** It may have been written, and what tells so is gone: sent again it might count twice. */
function unknown(): HeadgateError {
  return new HeadgateError('HG_STORE_DATA', 'Redis was away for too long to say whether settlements had reached it');
}

/** Everything but an answer that the same command would get again. */
function isPassing(error: unknown): boolean {
  return !(error instanceof HeadgateError && error.code === 'HG_STORE_DATA');
}
