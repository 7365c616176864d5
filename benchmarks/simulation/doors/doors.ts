/** The doors that are compared, each made anew for every run. */
import { type Clock, createLimiter, type LimiterOptions, type ProbeBackend } from '@headgate/core';
import type { Door } from '../world/door.js';
import type { Engine } from '../world/engine.js';
import { Chance } from '../world/random.js';
import { DisciplineDoor } from './discipline.js';
import { firstCome, plainCounters, roundRobin } from './disciplines.js';
import { HeadgateDoor } from './headgate.js';

export interface Contestant {
  readonly name: string;
  open(clock: Clock, backends: readonly BackendSlots[], engines: Readonly<Record<string, Engine>>): Door;
}

export interface BackendSlots {
  readonly name: string;
  readonly slots: number;
}

/** A room without bounds, so that orders are compared and nothing else. */
export const boundless = { depth: 1_000_000_000, wait: '10000h' } as const;

export function headgate(name: string, policy: object = {}): Contestant {
  return {
    name,
    open: (clock, backends, engines) => {
      const servers = backends.map((backend) => ({ ...backend, url: `http://${backend.name}` }));
      // Sizes are told in tokens; texts only stand for what a prompt has in common with others.
      const options = { clock, random: new Chance(1).next, countTokens: () => 0, ...probing(engines) };
      return new HeadgateDoor(createLimiter({ queue: boundless, ...policy, backends: servers }, options));
    },
  };
}

/** Asks for what is in memory, where engines say that. Such a door never sleeps: end the play at an instant. */
function probing(engines: Readonly<Record<string, Engine>>): Pick<LimiterOptions, 'probe'> {
  if (Object.values(engines).every(({ loaded }) => loaded === undefined)) return {};
  const probe: ProbeBackend = async ({ name }) => {
    return { up: true, loaded: engines[name]!.loaded?.().map((model) => ({ model })) };
  };
  return { probe };
}

export const ours = headgate('Headgate');
export const oursFirstCome = headgate('Headgate, `fairness: none`', { queue: { ...boundless, fairness: 'none' } });

const plain = (name: string, make: typeof firstCome): Contestant => ({
  name,
  open: (_, [backend]) => new DisciplineDoor(make(), backend!.slots, backend!.name),
});

export const comparisons = {
  firstCome: plain('first come, first served', firstCome),
  roundRobin: plain('turns by request', roundRobin),
  plainCounters: plain('token counters as published', plainCounters),
};
