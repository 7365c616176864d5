/** What is measured, task by task. Each runs in a process of its own, so that none inherits another's heap or compiled code. */
import { allocationFlags, bytesPerDecision } from '../lib/allocation.js';
import { runRounds } from '../lib/rounds.js';
import { ratios, type Spread, spread } from '../lib/statistics.js';
import { measurePicking, type Picking } from './backends.js';
import { type DecisionScenario, decisionRows, decisionScenarios, floorOf } from './decisions.js';
import { type Flatness, measureFlatness } from './flatness.js';
import { hotKey, type Keys, uniformKeys } from './keys.js';
import { type Memory, type MemoryScenario, measureMemory, memoryScenarios } from './memory.js';
import { type Metering, measureMeters } from './meters.js';
import type { Plan } from './plan.js';
import { measureWaiting, type Waiting } from './waiting.js';

export interface DecisionRow {
  readonly scenario: DecisionScenario;
  readonly name: string;
  readonly admits: boolean;
  /** CPU ns per decision. */
  readonly ns: Spread;
  /** Against the floor's admission in the same process, round by round. */
  readonly timesFloor: Spread;
}

export interface AllocationRow {
  readonly scenario: DecisionScenario;
  readonly name: string;
  readonly bytes: number;
}

export type Task =
  | { readonly kind: 'decision' | 'allocation'; readonly scenario: DecisionScenario; readonly name: string }
  | { readonly kind: 'memory'; readonly scenario: MemoryScenario }
  | { readonly kind: 'flatness' | 'meters' | 'waiting' | 'backends' };

export type Result =
  | { readonly kind: 'decision'; readonly row: DecisionRow }
  | { readonly kind: 'allocation'; readonly row: AllocationRow }
  | { readonly kind: 'memory'; readonly row: Memory }
  | { readonly kind: 'flatness'; readonly rows: readonly Flatness[] }
  | { readonly kind: 'meters'; readonly rows: readonly Metering[] }
  | { readonly kind: 'waiting'; readonly rows: readonly Waiting[] }
  | { readonly kind: 'backends'; readonly rows: readonly Picking[] };

export function tasksOf({ whole }: Plan): Task[] {
  const scenarios = decisionScenarios.filter((scenario) => whole || scenario.endsWith('hot'));
  const allocating = whole ? (['one-hot', 'six-hot'] as const) : [];
  return [
    ...scenarios.flatMap((scenario) => rowsOf('decision', scenario)),
    ...allocating.flatMap((scenario) => rowsOf('allocation', scenario)),
    { kind: 'flatness' },
    ...memoryScenarios.map((scenario): Task => ({ kind: 'memory', scenario })),
    { kind: 'meters' },
    { kind: 'waiting' },
    { kind: 'backends' },
  ];
}

function rowsOf(kind: 'decision' | 'allocation', scenario: DecisionScenario): Task[] {
  return Object.keys(decisionRows(scenario, hotKey())).map((name) => ({ kind, scenario, name }));
}

export function nameOf(task: Task): string {
  const { kind, scenario = '', name = '' } = task as { kind: string; scenario?: string; name?: string };
  return [kind, scenario, name].filter(Boolean).join(' | ');
}

/** How node is started for a task. */
export function flagsOf({ kind }: Task): readonly string[] {
  return ['--expose-gc', '--max-old-space-size=4096', ...(kind === 'allocation' ? allocationFlags : [])];
}

export async function runTask(task: Task, plan: Plan): Promise<Result> {
  switch (task.kind) {
    case 'decision':
      return { kind: 'decision', row: await measureDecision(task.scenario, task.name, plan) };
    case 'allocation':
      return { kind: 'allocation', row: await measureAllocation(task.scenario, task.name) };
    case 'memory':
      return { kind: 'memory', row: await measureMemory(task.scenario, plan.keysKept) };
    case 'flatness':
      return { kind: 'flatness', rows: await measureFlatness(plan.keysFlat, plan.pace) };
    case 'meters':
      return { kind: 'meters', rows: await measureMeters(plan.pace) };
    case 'waiting':
      return { kind: 'waiting', rows: await measureWaiting(plan.pace) };
    case 'backends':
      return { kind: 'backends', rows: await measurePicking(plan.pace) };
  }
}

async function measureDecision(scenario: DecisionScenario, name: string, plan: Plan): Promise<DecisionRow> {
  const keys = scenario.endsWith('hot') ? hotKey() : uniformKeys(plan.keysMany);
  const row = contestantOf(scenario, name, keys);
  const [floors, timed] = await runRounds([floorOf(keys), row], plan.pace);
  const { admits } = row;
  return { scenario, name, admits, ns: spread(timed!.ns), timesFloor: ratios(timed!.ns, floors!.ns) };
}

async function measureAllocation(scenario: DecisionScenario, name: string): Promise<AllocationRow> {
  return { scenario, name, bytes: await bytesPerDecision(contestantOf(scenario, name, hotKey())) };
}

function contestantOf(scenario: DecisionScenario, name: string, keys: Keys) {
  const make = decisionRows(scenario, keys)[name];
  if (make === undefined) throw new Error(`${scenario} has no row ${name}`);
  return make(name);
}
