/** Rounds that once ended with a violation: `npm run chaos -- --regressions` makes them again, before anything else. */
export interface Regression {
  readonly seed: number;
  /** Of faults, as `--seconds` gave them. */
  readonly seconds: number;
  /** What went wrong, in a sentence. */
  readonly found: string;
}

const neverEnded = 'a gateway that was closed while Redis was away kept timers: its queue of jobs waited for Redis';

const soughtForEver = 'a gateway that was closed as Redis failed looked for it ever after, and did not end';

export const regressions: readonly Regression[] = [
  { seed: 202, seconds: 30, found: neverEnded },
  { seed: 203, seconds: 30, found: neverEnded },
  { seed: 204, seconds: 30, found: neverEnded },
  { seed: 211, seconds: 30, found: neverEnded },
  {
    seed: 611,
    seconds: 30,
    found: 'a client that left while its request moved to another backend was uncharged and then settled',
  },
  { seed: 647, seconds: 30, found: soughtForEver },
  { seed: 655, seconds: 30, found: soughtForEver },
];
