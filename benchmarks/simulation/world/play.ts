/** One run: a door, engines behind it, and what is sent. */
import { VirtualClock } from '@headgate/core/testing';
import type { BackendSlots, Contestant } from '../doors/doors.js';
import type { Arrival, Journey } from './arrival.js';
import { BatchEngine, type Engine } from './engine.js';
import { Pulse } from './pulse.js';
import { World, type WorldOptions } from './world.js';

export interface Play extends Pick<WorldOptions, 'onToken' | 'onChange' | 'onInstant'> {
  readonly arrivals: readonly Arrival[];
  readonly backends?: readonly BackendSlots[];
  readonly engine?: (clock: VirtualClock, backend: BackendSlots) => Engine;
  readonly untilMs?: number;
}

/** The published server: one, with twenty slots. */
export const oneServer: readonly BackendSlots[] = [{ name: 'gpu', slots: 20 }];

export async function play(contestant: Contestant, options: Play): Promise<readonly Journey[]> {
  const { arrivals, backends = oneServer, engine = (clock) => new BatchEngine(clock), untilMs, ...watch } = options;
  const pulse = new Pulse(new VirtualClock());
  const engines = Object.fromEntries(backends.map((backend) => [backend.name, engine(pulse.clock, backend)]));
  const door = contestant.open(pulse.doorClock, backends, engines);
  const world = new World({ pulse, door, engines, arrivals, ...watch });
  return world.run(untilMs);
}
