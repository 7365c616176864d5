/** A client that leaves while its backend loads a model. */
import type { Clock, Permit } from '@headgate/core';

/** Loads take seconds; so much of the work for nobody that follows is let pass, ms. */
const lookMs = 100;

/** Calls back once the load is over that others wait for, or when nobody does any more; looks for as long as the permit is out. */
export function afterLoad(permit: Permit, clock: Clock, then: () => void): void {
  if (permit.ended) return;
  if (permit.loadsForOthers) clock.after(lookMs, () => afterLoad(permit, clock, then));
  else then();
}
