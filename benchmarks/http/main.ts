/**
 * Frameworks by themselves and behind limiters, over real sockets. Every contestant is a process of its own and runs all the while; they take
 * turns, round after round, and each round's figure is divided by that of the bare framework in the same round. Of a machine
 * that others use, too, that leaves the ratios; the processor's time of the server for each request is what disturbs it least.
 *
 *   npm run bench:http [-- --quick] [-- --framework express]
 */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describeMachine } from '../lib/machine.js';
import { type Framework, frameworks, usual, type Variant, variants } from './contestants.js';
import { load } from './load.js';
import { type Row, report } from './report.js';
import { type Workload, workloads } from './workloads.js';

const args = process.argv.slice(2);
const quick = args.includes('--quick');
const only = args[args.indexOf('--framework') + 1];
const plan = quick ? { rounds: 5, ms: 400, warmUpMs: 800 } : { rounds: 9, ms: 800, warmUpMs: 2_500 };
const connections = 16;

interface Contestant {
  readonly variant: Variant;
  readonly child: ChildProcess;
  readonly port: number;
}

async function ask(child: ChildProcess): Promise<number> {
  child.send('cpu');
  const [{ cpuMicros }] = (await once(child, 'message')) as [{ cpuMicros: number }];
  return cpuMicros;
}

async function contestant(framework: Framework, variant: Variant): Promise<Contestant> {
  const child = fork(fileURLToPath(new URL('./serve.js', import.meta.url)), [framework, variant]);
  const [{ port }] = (await once(child, 'message')) as [{ port: number }];
  return { variant, child, port };
}

async function measure(
  { child, port }: Contestant,
  { request, answer }: Workload,
  ms: number,
): Promise<Row['rounds'][0]> {
  const before = await ask(child);
  const { requests, latencies, seconds } = await load({ port, request, answer, connections, ms });
  const after = await ask(child);
  const sorted = Float64Array.from(latencies).sort();
  return {
    perSecond: requests / seconds,
    p99Ms: sorted[Math.floor(sorted.length * 0.99)]!,
    cpuMicros: (after - before) / requests,
  };
}

async function compare(framework: Framework): Promise<Row[]> {
  const contestants: Contestant[] = [];
  for (const variant of variants) contestants.push(await contestant(framework, variant));
  const rows: Row[] = [];
  for (const workload of workloads) {
    const each = contestants.map((one) => ({ one, rounds: [] as Row['rounds'][0][] }));
    for (const { one } of each) await measure(one, workload, plan.warmUpMs);
    for (let round = 0; round < plan.rounds; round++) {
      // Every other round backwards, so that nobody always comes right after the same neighbour.
      for (const { one, rounds } of round % 2 === 0 ? each : each.toReversed()) {
        rounds.push(await measure(one, workload, plan.ms));
      }
    }
    for (const { one, rounds } of each) {
      const name = one.variant === 'usual' ? usual[framework] : one.variant;
      rows.push({ framework, workload: workload.name, variant: one.variant, name, rounds });
    }
  }
  for (const { child } of contestants) child.disconnect();
  return rows;
}

const rows: Row[] = [];
for (const framework of frameworks) {
  if (only !== undefined && args.includes('--framework') && only !== framework) continue;
  rows.push(...(await compare(framework)));
  console.error(`${framework}: done`);
}
const packages = [...frameworks, '@hono/node-server', ...Object.values(usual)];
const text = report(rows, { ...plan, connections }, describeMachine(packages));
console.log(text);
if (!quick && !args.includes('--framework')) {
  const results = new URL('../../results/', import.meta.url);
  mkdirSync(results, { recursive: true });
  writeFileSync(new URL('http.md', results), text);
  writeFileSync(new URL('http.json', results), `${JSON.stringify(rows)}\n`);
}
