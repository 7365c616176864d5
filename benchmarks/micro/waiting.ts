/**
 * What a place in the queue costs: with so many waiting already, one more request comes and waits, and one that runs ends and
 * hands its slot to whoever is next. Through the limiter as users call it, so promises, the deadline's timer and the fair
 * choice between a hundred identities are all in it.
 */
import { createLimiter, type Permit } from '@headgate/core';
import { type Contestant, type Pace, runRounds } from '../lib/rounds.js';
import { ratios, type Spread, spread } from '../lib/statistics.js';
import { identityName } from './keys.js';

export const waitingCounts = [1, 100, 10_000] as const;
const identities = 100;

export interface Waiting {
  readonly fairness: 'tokens' | 'none';
  readonly waiting: number;
  /** Of one that comes and one that goes. */
  readonly ns: Spread;
  /** Against the same with a hundred waiting, round by round; with one, a line is made and given up each time. */
  readonly growth: Spread;
}

/** A "decision" of these rows is one that comes and one that goes; it admits when as many wait after it as before. */
export function inAndOut(fairness: Waiting['fairness'], waiting: number): Contestant {
  const limiter = createLimiter({
    backends: [{ url: 'http://backend', slots: 1 }],
    queue: { depth: waiting + 2, wait: '1000h', fairness },
  });
  const ready: Permit[] = [];
  let number = 0;
  const come = (): void => {
    const request = { identity: identityName(number++ % identities), input: { tokens: 200 } };
    void limiter.admit(request).then((decision) => {
      if (decision.admitted) ready.push(decision.permit);
    });
  };
  const next = async (): Promise<Permit> => {
    while (ready.length === 0) await Promise.resolve();
    return ready.pop()!;
  };
  for (let i = 0; i <= waiting; i++) come();
  return {
    name: `${fairness}, ${waiting} waiting`,
    admits: true,
    async run(times) {
      let steady = 0;
      for (let i = 0; i < times; i++) {
        const permit = await next();
        come();
        permit.settle({ inputTokens: 200, outputTokens: 100 + (i % 7) });
        await Promise.resolve();
        if (limiter.stats().waiting === waiting) steady++;
      }
      return steady;
    },
  };
}

export async function measureWaiting(pace: Pace): Promise<Waiting[]> {
  const cases = (['tokens', 'none'] as const).flatMap((fairness) =>
    waitingCounts.map((waiting) => ({ fairness, waiting, contestant: inAndOut(fairness, waiting) })),
  );
  const timed = await runRounds(
    cases.map(({ contestant }) => contestant),
    pace,
  );
  return cases.map(({ fairness, waiting }, index) => {
    const base = cases.findIndex((one) => one.fairness === fairness && one.waiting === 100);
    const { ns } = timed[index]!;
    return { fairness, waiting, ns: spread(ns), growth: ratios(ns, timed[base]!.ns) };
  });
}
