/**
 * Who was refused by what, and how often: told once a minute, and not at all when nobody was. What is kept is bounded: past
 * `pairsMax` pairs of one who asks and one that refuses, those with the fewest refusals are let go and told as others. So a
 * flood of names that ask once each hides nobody who asks again and again.
 */
import type { Clock, LimiterEvents, Timer } from '@headgate/core';
import type { RequestRecord } from '../exchange/record.js';
import { addressOf } from './lines.js';

const everyMs = 60_000;
const pairsMax = 1_000;
/** Pairs that a line names. */
const toldMax = 10;

interface Pair {
  readonly who: { readonly identity: string } | { readonly address: string };
  /** The limit, else the reason. */
  readonly by: string;
  readonly mode: 'enforce' | 'shadow';
  count: number;
}

export interface Note {
  note(sentence: string, fields: Readonly<Record<string, unknown>>): void;
}

export class Violations {
  readonly #clock: Clock;
  readonly #log: Note;
  #pairs = new Map<string, Pair>();
  #since = 0;
  #total = { enforce: 0, shadow: 0 };
  #timer: Timer | undefined;

  constructor(clock: Clock, log: Note) {
    this.#clock = clock;
    this.#log = log;
  }

  /** Counts a request that is over, if it was refused. */
  observe(record: RequestRecord): void {
    const { decision, refusal, about } = record;
    if (decision !== 'refused' || refusal === undefined) return;
    const identity = about?.identity?.id;
    const who = identity === undefined ? { address: addressOf(record) ?? 'unknown' } : { identity };
    this.#count(who, refusal.limit ?? refusal.reason, 'enforce');
  }

  wouldRefuse({ identity, limit }: LimiterEvents['request-would-refuse']): void {
    this.#count({ identity: identity.id }, limit, 'shadow');
  }

  /** Tells what there is now, and stops. */
  close(): void {
    this.#timer?.cancel();
    this.#tell();
  }

  #count(who: Pair['who'], by: string, mode: Pair['mode']): void {
    if (this.#timer === undefined) {
      this.#since = this.#clock.now();
      this.#timer = this.#clock.after(everyMs, () => this.#tell());
    }
    this.#total[mode]++;
    const key = JSON.stringify([who, by, mode]);
    const pair = this.#pairs.get(key);
    if (pair !== undefined) pair.count++;
    else {
      if (this.#pairs.size >= pairsMax) this.#letGo();
      this.#pairs.set(key, { who, by, mode, count: 1 });
    }
  }

  /** The half that was refused least, so that it is rarely done. */
  #letGo(): void {
    const kept = [...this.#pairs].sort(([, a], [, b]) => b.count - a.count).slice(0, pairsMax / 2);
    this.#pairs = new Map(kept);
  }

  #tell(): void {
    if (this.#timer === undefined) return;
    this.#timer = undefined;
    const most = [...this.#pairs.values()].sort((a, b) => b.count - a.count).slice(0, toldMax);
    const { enforce: refused, shadow: wouldRefuse } = this.#total;
    const others = refused + wouldRefuse - most.reduce((sum, { count }) => sum + count, 0);
    const seconds = Math.max(1, Math.round((this.#clock.now() - this.#since) / 1_000));
    this.#pairs = new Map();
    this.#total = { enforce: 0, shadow: 0 };
    this.#log.note(sentence({ seconds, refused, wouldRefuse, most, others }), {
      ...{ event: 'refusals', seconds, refused, wouldRefuse, others },
      most: most.map(({ who, by, mode, count }) => ({ ...who, by, mode, count })),
    });
  }
}

interface Summary {
  readonly seconds: number;
  readonly refused: number;
  readonly wouldRefuse: number;
  readonly most: readonly Pair[];
  readonly others: number;
}

function sentence({ seconds, refused, wouldRefuse, most, others }: Summary): string {
  const totals = [
    ...(refused > 0 ? [`${refused} refused`] : []),
    ...(wouldRefuse > 0 ? [`${wouldRefuse} would have been by limits in shadow`] : []),
  ];
  const pairs = most.map(({ who, by, mode, count }) => {
    const name = 'identity' in who ? who.identity : who.address;
    return `${name} ${count} by ${by}${mode === 'shadow' ? ' (shadow)' : ''}`;
  });
  const rest = others > 0 ? [`${others} of others`] : [];
  return `in ${seconds} s ${totals.join(', ')}: ${[...pairs, ...rest].join(', ')}`;
}
