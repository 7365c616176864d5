/** Plays what a seed draws, and looks at it at every instant. */
import { createLimiter } from '@headgate/core';
import { VirtualClock } from '@headgate/core/testing';
import { HeadgateDoor } from '../doors/headgate.js';
import { PairGaps } from '../measures/gaps.js';
import type { Outcome } from '../world/arrival.js';
import { Pulse } from '../world/pulse.js';
import { Chance } from '../world/random.js';
import { World } from '../world/world.js';
import { always, atTheEnd, type Witness } from './checkers.js';
import { FragileEngine } from './engine.js';
import { draw, type Plan } from './plan.js';

export interface Found {
  readonly seed: number;
  /** What did not hold, and when; undefined when everything did. */
  readonly violation: string | undefined;
  readonly outcomes: Readonly<Partial<Record<Outcome, number>>>;
  readonly moves: number;
  readonly faults: number;
  readonly virtualMs: number;
}

export interface RunOptions {
  /** Changes what was drawn, for tests that break something. */
  readonly change?: (plan: Plan) => Plan;
  /** Told of everything that happens, for reading. */
  readonly log?: (line: string) => void;
}

export async function runSeed(seed: number, { change = (plan) => plan, log }: RunOptions = {}): Promise<Found> {
  const plan = change(draw(seed));
  const clock = new VirtualClock();
  const pulse = new Pulse(clock);
  const limiter = createLimiter(plan.policy, { clock: pulse.doorClock, random: new Chance(seed).next });
  const engines = Object.fromEntries(plan.backends.map((one) => [one.name, new FragileEngine(clock, one)]));
  const gaps = new PairGaps();
  let violation: string | undefined;
  const world = new World({
    pulse,
    door: new HeadgateDoor(limiter),
    engines,
    arrivals: plan.arrivals,
    onInstant: () => check(always),
    onToken: gaps.onToken,
    onChange: (journey, nowMs) => {
      gaps.onChange(journey);
      const { arrival, outcome, backend = '', reason = '' } = journey;
      log?.(`${Math.round(nowMs)} ${arrival.client} ${arrival.model} ${outcome} ${backend}${reason}`);
    },
  });
  const witness: Witness = { plan, limiter, engines, journeys: world.journeys, live: world.live, clock, gaps };
  const check = (checks: typeof always): void => {
    for (const [name, look] of Object.entries(checks)) {
      if (violation !== undefined) return;
      const found = look(witness);
      if (found !== undefined) violation = `${name}, at ${clock.now()} ms: ${found}`;
    }
  };
  for (const { atMs, backend, what } of plan.faults) clock.after(atMs, () => engines[backend]![what]());
  for (const { atMs, byMs } of plan.clockSteps) clock.after(atMs, () => clock.stepWall(byMs));
  await world.run();
  check(always);
  check(atTheEnd);
  const outcomes: Partial<Record<Outcome, number>> = {};
  let moves = 0;
  for (const journey of world.journeys) {
    outcomes[journey.outcome] = (outcomes[journey.outcome] ?? 0) + 1;
    moves += journey.moves;
  }
  return { seed, violation, outcomes, moves, faults: plan.faults.length, virtualMs: clock.now() };
}
