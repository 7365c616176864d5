/** Headgate, from the store's step alone to the whole life of a request. */
import type { AdmitRequest, Cost, Limiter, LimitSet, MemoryStore, Usage } from '@headgate/core';
import type { Contestant } from '../../lib/rounds.js';
import type { Keys } from '../keys.js';
import { subjectOf } from '../policies.js';

/** The step that the peers' calls correspond to: may this key go on, by all of its limits at once? */
export function reserve(
  name: string,
  { store, set, cost }: { readonly store: MemoryStore; readonly set: LimitSet; readonly cost: Cost },
  keys: Keys,
  admits: boolean,
): Contestant {
  const { names, order } = keys;
  let at = 0;
  return {
    name,
    admits,
    run(times) {
      let admitted = 0;
      for (let i = 0; i < times; i++) {
        const subject = subjectOf(names[order[at++ & (order.length - 1)]!]!);
        if (store.reserve(set, subject, cost).admitted) admitted++;
      }
      return admitted;
    },
  };
}

export type AskAs = (identity: string) => AdmitRequest;

/** The front door's decision: who, which rules, how much, all limits or none, a permit or a refusal in words. */
export function admitNow(name: string, limiter: Limiter, ask: AskAs, keys: Keys, admits: boolean): Contestant {
  const { names, order } = keys;
  let at = 0;
  return {
    name,
    admits,
    run(times) {
      let admitted = 0;
      for (let i = 0; i < times; i++) {
        if (limiter.admitNow(ask(names[order[at++ & (order.length - 1)]!]!)).admitted) admitted++;
      }
      return admitted;
    },
  };
}

/** A request's whole life: the decision, and the settlement with what was really used. */
export function admitNowAndSettle(name: string, limiter: Limiter, ask: AskAs, usage: Usage, keys: Keys): Contestant {
  const { names, order } = keys;
  let at = 0;
  return {
    name,
    admits: true,
    run(times) {
      let admitted = 0;
      for (let i = 0; i < times; i++) {
        const decision = limiter.admitNow(ask(names[order[at++ & (order.length - 1)]!]!));
        if (!decision.admitted) continue;
        decision.permit.settle(usage);
        admitted++;
      }
      return admitted;
    },
  };
}

/** The same through the door that may wait. */
export function admitAndSettle(name: string, limiter: Limiter, ask: AskAs, usage: Usage, keys: Keys): Contestant {
  const { names, order } = keys;
  let at = 0;
  return {
    name,
    admits: true,
    async run(times) {
      let admitted = 0;
      for (let i = 0; i < times; i++) {
        const decision = await limiter.admit(ask(names[order[at++ & (order.length - 1)]!]!));
        if (!decision.admitted) continue;
        decision.permit.settle(usage);
        admitted++;
      }
      return admitted;
    },
  };
}
