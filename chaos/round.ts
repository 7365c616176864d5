/**
 * One round:
 *
 *   warm up - load and faults - heal - calm: two identities that always wait - everybody gone: samples - all slots at once -
 *   every gateway is told to stop - counters - the checker reads what all of them wrote down
 */
import { seeded } from '../packages/gateway/test/support/seeded.js';
import { violationsIn } from './check/index.js';
import type { Calm, Fault, History, Life, Line, Violation } from './history.js';
import type { Plan } from './plan.js';
import { rules } from './rules.js';
import { whenItStoodStill } from './stood.js';
import { countersIn, ranAtOnce } from './world/aftermath.js';
import { pause } from './world/backends.js';
import { Faults } from './world/faults.js';
import { now } from './world/gateways.js';
import { Load } from './world/load.js';
import { World } from './world/world.js';

const noteEveryMs = 500;
/** After the last request, until no gateway holds anything. */
const quietMs = 15_000;
/** After the last fault, until all have found Redis and the backends again. */
const recoverMs = 4_000;

export interface Outcome {
  readonly history: History;
  readonly violations: readonly Violation[];
}

export async function round(plan: Plan): Promise<Outcome> {
  const world = await World.start(plan.profile);
  // Backends notice within 25 ms.
  const looking = whenItStoodStill(now, 5, (from, to) =>
    world.faults.push({ kind: 'stood', target: 'here', from, to }),
  );
  const noting = setInterval(() => world.note(), noteEveryMs);
  try {
    const history = await historyOf(world, plan);
    return { history, violations: violationsIn(history) };
  } finally {
    clearInterval(noting);
    looking();
    await world.close();
  }
}

async function historyOf(world: World, plan: Plan): Promise<History> {
  const random = seeded(plan.seed + 1);
  await warmUp(world, random);
  await faultsAndLoad(world, plan, random);
  const calm = await calmTime(world, plan.calmMs, random);
  await sampleAll(world);
  const most = await ranAtOnce(world);
  await Promise.all(world.gateways.map((gateway) => gateway.stop()));
  world.note();
  const { gateways, backends, clients, profile } = world;
  const told = gateways.flatMap((gateway) => gateway.told());
  const lives = gateways.flatMap((gateway) => gateway.lives);
  return {
    ...{ profile, rules, calm, visits: clients.visits, lives, told },
    faults: [...world.faults, ...stalls(told, lives)],
    served: backends.flatMap(({ served }) => served),
    aftermath: { ...(await countersIn(world)), ranAtOnce: most },
  };
}

/** A gateway that stood still with its machine is as one that the plan had stand still. */
function stalls(told: readonly Line[], lives: readonly Life[]): Fault[] {
  return told.flatMap((line) => {
    if (line.type !== 'stood') return [];
    const target = lives.find(({ id }) => id === line.life)?.gateway ?? '';
    return [{ kind: 'stall', target, from: line.from, to: line.to }];
  });
}

/** So that what is compared in the end is compared with a process that has done everything once. */
async function warmUp(world: World, random: () => number): Promise<void> {
  const load = new Load(world, random);
  load.mixed();
  await pause(700);
  await load.end();
  await sampleAll(world);
}

async function faultsAndLoad(world: World, plan: Plan, random: () => number): Promise<void> {
  const load = new Load(world, random);
  const faults = new Faults(world);
  load.mixed();
  const from = now();
  for (const planned of plan.faults) {
    await pause(from + planned.atMs - now());
    faults.begin(planned);
  }
  await pause(from + plan.faultsMs - now());
  await faults.over();
  await load.end();
}

async function calmTime(world: World, calmMs: number, random: () => number): Promise<Calm> {
  await pause(recoverMs);
  const load = new Load(world, random);
  const from = now();
  load.fair();
  await pause(calmMs);
  const to = now();
  await load.end();
  return { from, to };
}

async function sampleAll({ gateways }: World): Promise<void> {
  // A client has its answer a moment before the last connection to a backend is closed; a leak stays for good.
  const until = now() + quietMs;
  do {
    await pause(300);
    await Promise.all(gateways.map((gateway) => gateway.sample()));
  } while (now() < until && gateways.some((gateway) => gateway.holdsSomething()));
}
