/** How much is measured: everything in about two minutes, or a look in about twenty seconds. */
import type { Pace } from '../lib/rounds.js';

export interface Plan {
  readonly name: 'full' | 'quick';
  readonly pace: Pace;
  /** Keys of the `many` rows. */
  readonly keysMany: number;
  /** Keys kept when memory is measured. */
  readonly keysKept: number;
  /** Numbers of keys between which a decision must not get dearer. */
  readonly keysFlat: readonly number[];
  /** Whether the rows with many keys are measured, and what a decision allocates. */
  readonly whole: boolean;
}

export const plans: { readonly [Name in Plan['name']]: Plan } = {
  full: {
    name: 'full',
    pace: { rounds: 15, batchMs: 20 },
    keysMany: 100_000,
    keysKept: 1_000_000,
    keysFlat: [1, 1_000, 100_000, 1_000_000],
    whole: true,
  },
  quick: {
    name: 'quick',
    pace: { rounds: 5, batchMs: 10 },
    keysMany: 100_000,
    keysKept: 100_000,
    keysFlat: [1, 100_000],
    whole: false,
  },
};
