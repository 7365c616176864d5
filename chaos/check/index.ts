/** Reads a history and says what in it should not have happened. */
import type { History, Violation } from '../history.js';
import { counterViolations } from './counters.js';
import { fairnessViolations } from './fairness.js';
import { leakViolations } from './leaks.js';
import { limitViolations } from './limits.js';
import { permitViolations } from './permits.js';
import { slotViolations } from './slots.js';
import { visitViolations } from './visits.js';

export function violationsIn(history: History): readonly Violation[] {
  return [
    ...limitViolations(history),
    ...slotViolations(history),
    ...permitViolations(history),
    ...counterViolations(history),
    ...visitViolations(history),
    ...fairnessViolations(history),
    ...leakViolations(history),
  ];
}
