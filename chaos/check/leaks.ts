/** When nothing is asked any more nothing is held: no request, no slot, no timer, no memory; and what is in Redis expires. */
import type { History, Sample, Violation } from '../history.js';

const heapGrowthMax = 24 * 1024 * 1024;
const timersGrowthMax = 10;

export function leakViolations({ profile, told, lives, aftermath, rules }: History): Violation[] {
  const violations: Violation[] = [];
  const against = (what: string): void => void violations.push({ promise: 'nothing leaks', what });
  for (const { id } of lives) {
    const samples = told.filter((line): line is Sample => line.type === 'sample' && line.life === id);
    const [first, last] = [samples[0], samples.at(-1)];
    if (first === undefined || last === undefined) continue;
    const held = (['inFlight', 'waiting', 'open'] as const).filter((name) => last[name] !== 0);
    if (held.length > 0) against(`${id} still has ${held.map((name) => `${name} ${last[name]}`).join(', ')}`);
    const grown = last.heapBytes - first.heapBytes;
    if (grown > heapGrowthMax) against(`the heap of ${id} has grown by ${(grown / 2 ** 20).toFixed(1)} MiB`);
    if (last.timers > first.timers + timersGrowthMax)
      against(`${id} has ${last.timers} timers, and had ${first.timers}`);
  }
  // More than may run are let through where a decision comes too late and the policy does not refuse it for that.
  const isMore = aftermath.ranAtOnce > rules.house && profile.onDown === 'closed';
  if (aftermath.ranAtOnce < rules.house || isMore) {
    against(`${aftermath.ranAtOnce} requests run at once in the end, and ${rules.house} may`);
  }
  for (const key of aftermath.keysWithoutExpiry) against(`${key} stays in Redis for ever`);
  return violations;
}
