/** One token budget, a real conversation trace, and how far past the budget answers take it whose length nobody knew. */
import { createLimiter } from '@headgate/core';
import { VirtualClock } from '@headgate/core/testing';
import { figure, table } from '../../lib/table.js';
import { atMost, type Scenario, type Section } from '../report/section.js';
import { readTrace } from '../workloads/traces.js';
import type { Arrival } from '../world/arrival.js';
import { Chance } from '../world/random.js';

/** What a backend takes for each token of an answer. */
const tokenMs = 30;

/** About twice what the larger budget holds. */
const ratePerSecond = 3;
const outputTokensMax = 1_000;

export interface BudgetFigures {
  /** Deepest debt, as a share of one minute's budget. */
  readonly overshoot: number;
  /** Shares of the requests. */
  readonly admitted: number;
  readonly cut: number;
}

/** The right to answer one request. */
interface Answering {
  /** One more token; false when the answer must end. */
  token(): boolean;
  end(inputTokens: number, outputTokens: number): void;
}

interface Budget {
  admit(arrival: Arrival): Answering | undefined;
  /** Tokens left; below zero when there is debt. */
  left(): number;
}

type MakeBudget = (clock: VirtualClock, perMinute: number) => Budget;

/** Checks that something is left, and charges what was used at the end, as gateways do that read usage from responses. */
const afterwards: MakeBudget = (clock, perMinute) => {
  let [level, at] = [perMinute, clock.now()];
  const refill = (): number => {
    level = Math.min(perMinute, level + ((clock.now() - at) * perMinute) / 60_000);
    at = clock.now();
    return level;
  };
  const answering: Answering = {
    token: () => true,
    end: (inputTokens, outputTokens) => {
      refill();
      level -= inputTokens + outputTokens;
    },
  };
  return { admit: () => (refill() > 0 ? answering : undefined), left: refill };
};

function reserving(reserve: 'expected' | 'strict', cuts: boolean): MakeBudget {
  return (clock, perMinute) => {
    const tokens = { limit: perMinute, per: 'min', algorithm: 'token-bucket' };
    const limiter = createLimiter({ tokens, reserve }, { clock });
    const request = { identity: 'tenant', model: 'm', outputTokensMax };
    return {
      admit: ({ inputTokens }) => {
        const decision = limiter.admitNow({ ...request, input: { tokens: inputTokens } });
        if (!decision.admitted) return undefined;
        const { permit } = decision;
        return {
          token: () => !cuts || permit.meter(1) === 'continue',
          end: (input, output) => permit.settle({ inputTokens: input, outputTokens: output }),
        };
      },
      left: () => limiter.peekNow(request)[0]!.remaining,
    };
  };
}

const expected = reserving('expected', false);
const metered = reserving('expected', true);
export const budgets: readonly (readonly [name: string, make: MakeBudget])[] = [
  ['charged afterwards', afterwards],
  ['Headgate, reserved as expected, answers let finish', expected],
  ['Headgate, reserved as expected, answers metered', metered],
  ['Headgate, `reserve: strict`', reserving('strict', false)],
];

export function measureBudget(make: MakeBudget, perMinute: number, seed = 1): BudgetFigures {
  const clock = new VirtualClock();
  const budget = make(clock, perMinute);
  const chance = new Chance(seed);
  const arrivals = readTrace('azure-llm-2023-conv');
  let [admitted, cut, lowest, atMs] = [0, 0, 0, 0];
  for (const arrival of arrivals) {
    atMs += chance.wait(1_000 / ratePerSecond);
    clock.after(atMs, () => {
      const answering = budget.admit(arrival);
      if (answering === undefined) return;
      admitted++;
      let written = 0;
      const write = (): void => {
        const goesOn = answering.token();
        if (goesOn) written++;
        else cut++;
        if (goesOn && written < arrival.outputTokens) return void clock.after(tokenMs, write);
        answering.end(arrival.inputTokens, written);
        lowest = Math.min(lowest, budget.left());
      };
      clock.after(tokenMs, write);
    });
  }
  clock.advance(atMs + 3_600_000);
  const requests = arrivals.length;
  return { overshoot: -lowest / perMinute, admitted: admitted / requests, cut: cut / requests };
}

const perMinutes = [60_000, 10_000] as const;

export const budgetScenario: Scenario = {
  name: 'budget',
  async run(): Promise<Section> {
    const percent = (share: number): string => `${figure(100 * share)} %`;
    const figures = budgets.map(([name, make]) => {
      return { name, make, found: perMinutes.map((perMinute) => measureBudget(make, perMinute)) };
    });
    const rows = figures.map(({ name, found }) => [
      name,
      ...found.flatMap(({ overshoot, admitted, cut }) => [overshoot, admitted, cut].map(percent)),
    ]);
    const over = (make: MakeBudget): number[] => {
      return figures.find((one) => one.make === make)!.found.map(({ overshoot }) => 100 * overshoot);
    };
    return {
      title: 'A budget and answers of unknown length',
      text: `The lengths of the Azure conversation trace, sent at random ${ratePerSecond} times a second, against one budget that holds a minute's worth: 60,000 tokens, and 10,000. ${tokenMs} ms for
each token of an answer; every request declares at most 1,000. Overshoot: the deepest debt, as a share of the budget. Admitted and cut: shares of the requests.

${table(['', 'overshoot of 60,000', 'admitted', 'cut', 'overshoot of 10,000', 'admitted', 'cut'], rows)}

Where answers are let finish, one that is longer than nine of ten takes the budget as far below zero as it is longer. Metered, which is how the gateway and the adapters run, it ends where
the budget does.`,
      aims: [
        atMost('budget of 60,000, reserved as expected: overshoot', over(expected)[0]!, 2, ' %'),
        ...over(metered).map((overshoot, i) => {
          return atMost(`budget of ${figure(perMinutes[i]!)}, metered: overshoot`, overshoot, 2, ' %');
        }),
      ],
    };
  },
};
