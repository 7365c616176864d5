/** A thousand small systems drawn by lot, in which things break. */

import { figure } from '../../lib/table.js';
import { type Found, runSeed } from '../faults/run.js';
import { keepSeed, keptSeeds } from '../faults/seeds.js';
import { atMost, type Scenario, type Section } from '../report/section.js';
import type { Outcome } from '../world/arrival.js';

const seeds = 1_000;

/** Those that once failed first; each that fails now is kept. */
export async function runSeeds(count: number, from = 1): Promise<Found[]> {
  const found: Found[] = [];
  for (const seed of [...keptSeeds(), ...Array.from({ length: count }, (_, i) => from + i)]) {
    const one = await runSeed(seed);
    if (one.violation !== undefined) keepSeed(seed);
    found.push(one);
  }
  return found;
}

export const faultsScenario: Scenario = {
  name: 'faults',
  async run(): Promise<Section> {
    const found = await runSeeds(seeds);
    const sum = (of: (one: Found) => number): number => found.reduce((total, one) => total + of(one), 0);
    const ended = (outcome: Outcome): string => figure(sum(({ outcomes }) => outcomes[outcome] ?? 0));
    const bad = found.filter(({ violation }) => violation !== undefined);
    const broken = bad.map(({ seed, violation }) => `- seed ${seed}: ${violation}`);
    return {
      title: 'What breaks',
      text: `${figure(found.length)} systems drawn by lot, one from each seed: one to four backends with one to four slots and some models each, picked in all four ways; limits on rates, budgets and concurrency; queues of any
depth, fair or not, with both kinds of priorities; two to five clients, some of which send in bursts, flood, or leave. Backends crash and hang and come back, and the calendar's clock steps.
${figure(sum(({ virtualMs }) => virtualMs) / 3_600_000)} hours of virtual time, ${figure(sum(({ faults }) => faults))} faults; ${ended('done')} requests done, ${ended('refused')} refused, ${ended('left')} left by their clients, ${ended('failed')} failed
with their backend, ${figure(sum(({ moves }) => moves))} moves to another one.

Looked at from outside, at every instant at which something happens: no backend has more requests than slots; what the limiter counts is what is there; no slot of a healthy backend is free that a
waiting request could have, unless it waits for a better one and its bound is not over; no budget is below zero; clients that share the same slots drift no further apart than the bound. And in the end: no span of time holds more requests than burst and rate
allow; nobody waited longer than requests wait; no slot, reservation or timer is left.

${broken.length === 0 ? 'All of it held.' : broken.join('\n')}`,
      aims: [{ ...atMost(`${figure(found.length)} seeds with faults: violations`, bad.length, 0), isPromise: true }],
    };
  },
};
