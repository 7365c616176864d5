/** Every permit ends once (I3), and every gateway that was told to stop stops: nothing is left that keeps it alive. */
import type { History, Life, Violation } from '../history.js';
import { keyOf } from './limits.js';

/** A gateway drains this long, and then writes down what it still holds, ms. */
const stopMsMax = 15_000;

export function permitViolations({ told, lives }: History): Violation[] {
  const violations: Violation[] = [];
  const against = (what: string, at: number): void =>
    void violations.push({ promise: 'every permit ends once', what, at });
  const granted = new Map<string, number>();
  const ended = new Set<string>();
  const released = new Set<string>();
  for (const line of told) if (line.type === 'admitted') granted.set(keyOf(line), line.at);
  for (const { type, at, life, ...line } of told) {
    const permit = 'permit' in line ? line.permit : undefined;
    if (type === 'failed')
      violations.push({ promise: 'nothing fails', what: `${life}: ${'text' in line ? line.text : ''}`, at });
    if (permit === undefined || type === 'admitted') continue;
    const key = keyOf({ life, permit });
    const seen = type === 'released' ? released : ended;
    if (type === 'ended-twice') against(`${key} was ended twice`, at);
    else if (!granted.has(key)) against(`${key} was ${type} and never granted`, at);
    else if (seen.has(key)) against(`${key} was ${type} again`, at);
    else seen.add(key);
  }
  const killed = new Set(lives.filter(({ how }) => how === 'killed').map(({ id }) => id));
  for (const [key, at] of granted) {
    if (killed.has(key.split(' ', 1)[0]!)) continue;
    if (!ended.has(key)) against(`${key} was neither settled nor cancelled`, at);
    else if (!released.has(key)) against(`${key} was not released`, at);
  }
  return [...violations, ...lives.flatMap(stopViolations)];
}

function stopViolations({ id, how, exitStatus, exitMs = Number.POSITIVE_INFINITY, to }: Life): Violation[] {
  if (how !== 'stopped') return [];
  const promise = 'a gateway that is told to stop stops';
  if (exitStatus !== 0) return [{ promise, what: `${id} ended with ${exitStatus}`, at: to! }];
  return exitMs > stopMsMax ? [{ promise, what: `${id} took ${Math.round(exitMs)} ms`, at: to! }] : [];
}
