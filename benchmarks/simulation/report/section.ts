/** What a scenario finds: a piece of the page, and what its figures are held against. */
import { figure } from '../../lib/table.js';

export interface Aim {
  readonly aim: string;
  readonly measured: string;
  readonly holds: boolean;
  /** A promise, and no measure of how well it goes: where it does not hold the run has failed. */
  readonly isPromise?: boolean;
}

export interface Section {
  readonly title: string;
  readonly text: string;
  readonly aims: readonly Aim[];
}

export interface Scenario {
  readonly name: string;
  run(): Promise<Section>;
}

export function atMost(aim: string, measured: number, limit: number, unit = ''): Aim {
  return {
    aim: `${aim}: at most ${figure(limit)}${unit}`,
    measured: `${figure(measured)}${unit}`,
    holds: measured <= limit,
  };
}
