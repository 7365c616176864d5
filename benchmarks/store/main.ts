/**
 * Decisions in Redis: Headgate's store, what others use and two floors, on one server. Every contestant is a process of its own and
 * there all the while; they take turns, round after round, and figures are compared within a round.
 *
 *   npm run bench:store [-- --quick] [-- --only WORD]
 */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describeMachine } from '../lib/machine.js';
import { type RowName, rowNames } from './contestants.js';
import { report } from './report.js';
import { concurrencies, type Plan, plans, type Round, type Row, type Scenario, scenarios } from './rows.js';
import { BenchServer, commandsBetween } from './server.js';
import { type Batch, type Order, work } from './work.js';

const packages = ['@headgate/redis', 'ioredis', 'rate-limiter-flexible', 'rate-limit-redis'];

interface Entry {
  readonly name: RowName;
  readonly scenario: Scenario;
  readonly child: ChildProcess;
}

async function entryOf(name: RowName, scenario: Scenario, url: string): Promise<Entry> {
  const args = ['--work', name, String(scenario.keys), url];
  const child = fork(fileURLToPath(new URL('../../store/run.mjs', import.meta.url)), args);
  child.once('exit', (code) => {
    if (code !== 0) throw new Error(`${name} failed (exit ${code})`);
  });
  await once(child, 'message');
  return { name, scenario, child };
}

async function batchOf({ child }: Entry, server: BenchServer, order: Order): Promise<Round> {
  const before = await server.work();
  child.send(order);
  const [batch] = (await once(child, 'message')) as [Batch];
  const after = await server.work();
  const { decisions, seconds, p50Ms, p99Ms, cpuMicros } = batch;
  return {
    perSecond: decisions / seconds,
    p50Ms,
    p99Ms,
    cpuMicros: cpuMicros / decisions,
    serverMicros: (after.cpuMicros - before.cpuMicros) / decisions,
    commands: commandsBetween(before, after) / decisions,
  };
}

async function compare(scenario: Scenario, names: readonly RowName[], server: BenchServer, plan: Plan): Promise<Row[]> {
  const entries: Entry[] = [];
  for (const name of names) entries.push(await entryOf(name, scenario, server.url));
  const rows: Row[] = [];
  for (const concurrency of concurrencies) {
    const each = entries.map((entry) => ({ entry, rounds: [] as Round[] }));
    for (const { entry } of each) await batchOf(entry, server, { concurrency, ms: plan.warmUpMs });
    for (let round = 0; round < plan.rounds; round++) {
      // Every other round backwards, so that nobody always comes right after the same neighbour.
      for (const { entry, rounds } of round % 2 === 0 ? each : each.toReversed()) {
        rounds.push(await batchOf(entry, server, { concurrency, ms: plan.ms }));
      }
    }
    for (const { entry, rounds } of each) {
      rows.push({ name: entry.name, scenario: scenario.name, concurrency, rounds });
    }
    console.error(`  ${scenario.name}, ${concurrency} at once: done`);
  }
  for (const { child } of entries) child.disconnect();
  return rows;
}

/** @param program a redis-server that can be started; undefined when there is none */
export async function main(args: readonly string[], program: string | undefined): Promise<void> {
  const [first, name, keys, url] = args;
  if (first === '--work') return work(name as RowName, Number(keys), url!);
  if (program === undefined) throw new Error('no redis-server was found; `npm test` says what to do');
  const plan = args.includes('--quick') ? plans.quick : plans.full;
  const only = args.includes('--only') ? args[args.indexOf('--only') + 1] : undefined;
  const server = await BenchServer.start(program);
  const rows: Row[] = [];
  for (const scenario of scenarios) {
    const names = scenario.rows.filter((name) => only === undefined || name === rowNames.peer || name.includes(only));
    if (names.length > 0) rows.push(...(await compare(scenario, names, server, plan)));
  }
  await server.stop();
  const machine = describeMachine(packages);
  const page = report(rows, plan, machine, server.version);
  console.log(page);
  if (plan !== plans.full || only !== undefined) return;
  const results = new URL('../../results/', import.meta.url);
  mkdirSync(results, { recursive: true });
  writeFileSync(new URL('store.md', results), page);
  writeFileSync(new URL('store.json', results), `${JSON.stringify({ plan, machine, rows }, null, 1)}\n`);
}
