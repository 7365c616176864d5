/** Rounds that once ended with a violation: `npm run chaos -- --regressions` makes them again, before anything else. */
export interface Regression {
  readonly seed: number;
  /** Of faults, as `--seconds` gave them. */
  readonly seconds: number;
  /** What went wrong, in a sentence. */
  readonly found: string;
}

const neverEnded = 'a gateway that was closed while Redis was away kept timers: its queue of jobs waited for Redis';

export const regressions: readonly Regression[] = [
  { seed: 202, seconds: 30, found: neverEnded },
  { seed: 203, seconds: 30, found: neverEnded },
  { seed: 204, seconds: 30, found: neverEnded },
  { seed: 211, seconds: 30, found: neverEnded },
];
