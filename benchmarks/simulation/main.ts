/**
 * `npm run bench:simulation` plays all scenarios and writes README.md. `-- --only NAME` plays one and prints it; `-- --seed N`
 * plays one drawn system with faults and prints what happened.
 */
import { writeFileSync } from 'node:fs';
import { runSeed } from './faults/run.js';
import { page } from './report/page.js';
import { besideSources } from './report/place.js';
import type { Scenario, Section } from './report/section.js';
import { arenaScenario } from './scenarios/arena.js';
import { budgetScenario } from './scenarios/budget.js';
import { burstScenario } from './scenarios/burst.js';
import { conversationsScenario } from './scenarios/conversations.js';
import { faultsScenario } from './scenarios/faults.js';
import { isolationScenario } from './scenarios/isolation.js';
import { modelsScenario } from './scenarios/models.js';
import { overloadScenario } from './scenarios/overload.js';
import { prioritiesScenario } from './scenarios/priorities.js';
import { sharesScenario } from './scenarios/shares.js';

/** In the order of the page. */
const scenarios: readonly Scenario[] = [
  overloadScenario,
  sharesScenario,
  arenaScenario,
  isolationScenario,
  burstScenario,
  prioritiesScenario,
  modelsScenario,
  conversationsScenario,
  budgetScenario,
  faultsScenario,
];
const usage = `usage: npm run bench:simulation [-- --only ${scenarios.map(({ name }) => name).join('|')} | --seed N]`;

export async function main(args: readonly string[]): Promise<void> {
  const [option, value] = args;
  if (option === undefined) return publish(await play(scenarios));
  const only = scenarios.filter(({ name }) => name === value);
  if (option === '--only' && only.length > 0) return print(await play(only));
  if (option !== '--seed' || !Number.isSafeInteger(Number(value))) throw new Error(usage);
  const found = await runSeed(Number(value), { log: (line) => console.log(line) });
  console.log(found.violation ?? 'all of it held');
}

async function play(chosen: readonly Scenario[]): Promise<Section[]> {
  const sections: Section[] = [];
  for (const scenario of chosen) {
    const start = performance.now();
    sections.push(await scenario.run());
    console.error(`  ${scenario.name}: ${((performance.now() - start) / 1_000).toFixed(1)} s`);
  }
  return sections;
}

function print(sections: readonly Section[]): void {
  for (const { title, text, aims } of sections) {
    console.log(`${title}\n\n${text}\n`);
    for (const { aim, measured, holds } of aims) console.log(`${holds ? 'holds' : 'FAILS'}  ${aim}: ${measured}`);
  }
}

function publish(sections: readonly Section[]): void {
  writeFileSync(besideSources('README.md'), page(sections));
  const failed = sections.flatMap(({ aims }) => aims).filter(({ holds }) => !holds);
  for (const { aim, measured } of failed) console.error(`not met: ${aim}: ${measured}`);
  if (failed.some(({ isPromise }) => isPromise)) process.exitCode = 1;
}
