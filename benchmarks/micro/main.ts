/** Runs every task in a process of its own, one after the other, and writes results/micro.json and results/micro.md. */
import { fork } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describeMachine } from '../lib/machine.js';
import { Results } from './aims.js';
import { type Plan, plans } from './plan.js';
import { report } from './report.js';
import { flagsOf, nameOf, type Result, runTask, type Task, tasksOf } from './tasks.js';

const packages = ['@headgate/core', '@headgate/dialects', 'rate-limiter-flexible', 'express-rate-limit'];
const usage = 'usage: npm run bench:micro [-- --quick] [--only WORD]';

interface Options {
  readonly plan: Plan;
  /** Runs the tasks whose name holds this word, and writes nothing. */
  readonly only: string | undefined;
}

export async function main(args: readonly string[]): Promise<void> {
  const [first, task] = args;
  if (first === '--task') return work(JSON.parse(task!) as Task, args[2] as Plan['name']);
  const options = parse(args);
  const found: Result[] = [];
  for (const one of tasksOf(options.plan)) {
    if (options.only !== undefined && !nameOf(one).includes(options.only)) continue;
    const start = performance.now();
    found.push(await delegate(one, options.plan));
    console.error(`  ${((performance.now() - start) / 1_000).toFixed(1)} s  ${nameOf(one)}`);
  }
  if (options.only === undefined) publish(new Results(found), options.plan);
  else console.log(JSON.stringify(found, null, 2));
}

function parse(args: readonly string[]): Options {
  let plan = plans.full;
  let only: string | undefined;
  for (let i = 0; i < args.length; i++) {
    if (args[i] === '--quick') plan = plans.quick;
    else if (args[i] === '--only' && args[i + 1] !== undefined) only = args[++i];
    else throw new Error(usage);
  }
  return { plan, only };
}

/** The child: one task, its result sent to the parent. */
async function work(task: Task, plan: Plan['name']): Promise<void> {
  const result = await runTask(task, plans[plan]);
  process.send!(result, () => process.exit(0));
}

function delegate(task: Task, plan: Plan): Promise<Result> {
  const entry = fileURLToPath(new URL('./run.mjs', new URL('../../micro/', import.meta.url)));
  return new Promise((resolve, reject) => {
    let result: Result | undefined;
    const child = fork(entry, ['--task', JSON.stringify(task), plan.name], { execArgv: [...flagsOf(task)] });
    child.on('message', (message) => {
      result = message as Result;
    });
    child.on('error', reject);
    child.on('exit', (code) => {
      if (code === 0 && result !== undefined) resolve(result);
      else reject(new Error(`${nameOf(task)} failed (exit ${code})`));
    });
  });
}

function publish(results: Results, plan: Plan): void {
  const folder = new URL('../../results/', import.meta.url);
  const name = plan.name === 'full' ? 'micro' : `micro-${plan.name}`;
  const machine = describeMachine(packages);
  const page = report(results, plan, machine);
  mkdirSync(folder, { recursive: true });
  writeFileSync(
    new URL(`${name}.json`, folder),
    `${JSON.stringify({ plan, machine, results: results.all }, null, 2)}\n`,
  );
  writeFileSync(new URL(`${name}.md`, folder), page);
  console.log(page);
  console.error(`written: ${fileURLToPath(new URL(`${name}.{json,md}`, folder))}`);
}
