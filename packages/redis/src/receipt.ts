/** What the store remembers of a reservation: which rows and windows were charged, with how much, and when. */
import type { Answer, Cost, LimitSet, LimitState, Receipt, Shortfall, Subject } from '@headgate/core';
import type { Column } from '@headgate/core/store';
import type { Holder } from './holds.js';
import type { Plan, Table } from './table.js';

/** The limits of a set that share a row. */
export interface Group {
  readonly table: Table;
  /** By column of the table: its place among the columns of the set; -1 for those that are not in it. */
  readonly places: readonly number[];
}

/** Groups whose rows live on one server, and are charged together. */
export interface Part {
  readonly groups: readonly Group[];
  /** Columns of all its tables together. */
  readonly columns: number;
  /** By group: how its rows are decided on for a reservation, and how they are charged for one that was let through elsewhere. */
  readonly plans: readonly Plan[];
  readonly plansAnyway: readonly Plan[];
}

export interface RedisSet extends LimitSet {
  /** The narrowest first. One, unless the set is spread over a Cluster. */
  readonly parts: readonly Part[];
  /** Row by row, and in each in the order of the limits. */
  readonly columns: readonly Column[];
  /** Where shares of its limits can be borrowed. */
  hot: Hot | undefined;
}

/** The rows of somebody. */
export function keysOf({ parts }: Pick<RedisSet, 'parts'>, subject: Subject): string[] {
  return parts.flatMap(({ groups }) => groups.map(({ table }) => table.key(subject)));
}

/** Decides on keys that are asked about often, without Redis where that can be. */
export interface Hot {
  reserve(subject: Subject, cost: Cost): Answer<Receipt | Shortfall>;
  /** Something was given back, or charged otherwise: refusals of a moment ago may be none now. */
  changed(subject: Subject): void;
}

/** Of limits, lent to this process. */
export interface Share {
  /** Spends more on something that was charged on it, if it may still be spent and there is enough of it. */
  take(more: Cost, now: number, charged: Cost): boolean;
  /** Something that was charged on it turned out to cost something else. False when that is Redis's business by now. */
  correct(charged: Cost, actual: Cost): boolean;
  /** It is not spent any more, and what is left of it is returned. */
  giveBack(): Promise<void>;
  /** Once it is over, or about to be. */
  readonly returned: Promise<void> | undefined;
}

/** What one script charged: for each group of the part, its row. */
export interface Charge {
  readonly part: Part;
  readonly cost: Cost;
  readonly keys: readonly string[];
  /** By group. */
  readonly births: readonly number[];
  /** By group: birth of this node's hold on slots of the row when they were taken; 0 where none were. */
  readonly leases: readonly number[];
  /** By column of each group in turn; NaN where nothing was charged. */
  readonly windows: Float64Array;
  /** On the server's clock, epoch ms. */
  readonly at: number;
}

const noShortfalls: readonly Shortfall[] = [];

export class RedisReceipt implements Receipt, Holder {
  readonly admitted = true;
  readonly set: RedisSet;
  readonly subject: Subject;
  readonly charges: readonly Charge[];
  shadowed: readonly Shortfall[] = noShortfalls;
  delayMs = 0;
  open = true;
  charged: Cost;
  /** By part: what was asked beyond `charged` without anybody knowing whether it was charged. It is taken to have been, and not given back. */
  doubted: Cost[] | undefined;
  readonly #states: () => LimitState[];
  /** The share that it was charged on; undefined when that was Redis's own decision. */
  readonly share: Share | undefined;
  /** Told when its slots are lost. */
  onLost: ((receipt: RedisReceipt) => void) | undefined;

  constructor(
    set: RedisSet,
    subject: Subject,
    charged: Cost,
    charges: readonly Charge[],
    readStates: () => LimitState[],
    share?: Share,
  ) {
    this.set = set;
    this.subject = subject;
    this.charged = charged;
    this.charges = charges;
    this.#states = readStates;
    this.share = share;
  }

  /** Where the limits stood right after the charge. */
  get states(): readonly LimitState[] {
    return this.#states();
  }

  /** Its slots are another's now. */
  lose(): void {
    this.onLost?.(this);
  }
}
