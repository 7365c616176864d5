/** What is measured, and what comes out. */
import { type RowName, rowNames } from './contestants.js';

export interface Plan {
  readonly name: string;
  readonly rounds: number;
  readonly ms: number;
  readonly warmUpMs: number;
}

export const plans = {
  full: { name: 'full', rounds: 9, ms: 300, warmUpMs: 800 },
  quick: { name: 'quick', rounds: 3, ms: 150, warmUpMs: 400 },
} as const satisfies Record<string, Plan>;

export const concurrencies = [1, 64, 512] as const;
export type Concurrency = (typeof concurrencies)[number];

export interface Scenario {
  readonly name: 'many keys' | 'a hot key';
  readonly keys: number;
  readonly rows: readonly RowName[];
}

const { one, shared, bucket, peer } = rowNames;
export const scenarios: readonly Scenario[] = [
  { name: 'many keys', keys: 5_000, rows: Object.values(rowNames).filter((name) => name !== shared) },
  { name: 'a hot key', keys: 1, rows: [bucket, one, shared, peer] },
];

/** One batch of one contestant. */
export interface Round {
  readonly perSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** Microseconds of the processor for each decision: of the process that asks, and of Redis. */
  readonly cpuMicros: number;
  readonly serverMicros: number;
  /** Commands sent to Redis for each decision. */
  readonly commands: number;
}

export interface Row {
  readonly name: RowName;
  readonly scenario: Scenario['name'];
  readonly concurrency: Concurrency;
  readonly rounds: readonly Round[];
}
