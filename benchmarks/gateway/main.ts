/**
 * The gateway beside nginx and bare proxies, over real sockets. All run all the while and take turns, round after round, in
 * front of the same backend; ratios are taken within a round.
 *
 *   npm run bench:gateway [-- --quick] [-- --only small,streams,more,held] [-- --who "six layers,nginx"] [-- --profile DIR] [-- --json FILE]
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { describeMachine } from '../lib/machine.js';
import { accepting, type Contestant, freePort, startAll, startBackend, stop } from './contestants.js';
import { drawing } from './drawing.js';
import { type HeldRound, held, pace, small, streams, warmUp } from './measures.js';
import { findNginx } from './nginx.js';
import { type Plan, plans } from './plan.js';
import { openFilesMax } from './process-account.js';
import { type Results, type Row, report } from './report.js';

interface RedisFinder {
  findRedisServer(): string | undefined;
}

if (process.platform !== 'linux') throw new Error('this benchmark reads /proc, which only Linux has');

const { values } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    only: { type: 'string' },
    who: { type: 'string' },
    profile: { type: 'string' },
    json: { type: 'string' },
  },
});
const plan: Plan = values.quick ? plans.quick : plans.full;
const parts = values.only?.split(',');
const names = values.who?.split(',').map((name) => name.trim());
const wanted = (name: string): boolean => names === undefined || names.some((one) => name.endsWith(one));

/** Every contestant once a round, every other round backwards, so that nobody always comes right after the same neighbour. */
async function inTurns<Round>(
  contestants: readonly Contestant[],
  rounds: number,
  measure: (contestant: Contestant, round: number) => Promise<Round>,
): Promise<Row<Round>[]> {
  let rows = contestants.map((contestant) => ({ contestant, rounds: [] as Round[] }));
  for (let round = 0; round < rounds; round++) {
    for (const row of round % 2 === 0 ? rows : rows.toReversed()) {
      try {
        row.rounds.push(await measure(row.contestant, round));
      } catch (error) {
        // Ratios are taken round by round, so a row is whole or is not there.
        console.error(`${row.contestant.name} is left out: ${error instanceof Error ? error.message : String(error)}`);
        rows = rows.filter((one) => one !== row);
      }
      await sleep(200);
    }
  }
  return rows.map(({ contestant, rounds: each }) => ({ name: contestant.name, rounds: each }));
}

async function measureAll(child: ChildProcess, contestants: readonly Contestant[]): Promise<Results> {
  const results: Results = { small: [], streams: [], more: [], held: [] };
  const does = (part: keyof Results): boolean => parts === undefined || parts.includes(part);
  if (does('small')) {
    for (const contestant of contestants) await warmUp(contestant, plan.small.warmUp);
    results.small = await inTurns(contestants, plan.small.rounds, (contestant) => small(contestant, plan.small.ms));
    console.error('small requests: done');
  }
  for (const part of ['streams', 'more'] as const) {
    const load = plan[part];
    if (!does(part) || load === undefined) continue;
    await pace(child, load.pace);
    const one = (contestant: Contestant, seed: number) => streams(contestant, { ...load, seed });
    results[part] = await inTurns(contestants, load.rounds, one);
    console.error(`${load.concurrent} streams: done`);
  }
  if (does('held')) {
    await pace(child, { chunks: 1_000_000, everyMs: 1_000, firstMs: 20 });
    // Each stream is two sockets of a proxy.
    const most = Math.floor((openFilesMax() - 200) / 2);
    for (const count of plan.held.map((wish) => Math.min(wish, most))) {
      const rows: Row<HeldRound>[] = [];
      for (const { name } of contestants.slice(1)) rows.push({ name, rounds: [await heldAnew(name, count)] });
      results.held.push({ count, rows });
      console.error(`${count} streams held: done`);
    }
  }
  return results;
}

/** In a process of its own that has held nothing yet: memory that was used before would be used again, and not be seen. */
async function heldAnew(name: string, count: number): Promise<HeldRound> {
  const [, contestant] = (await startAll(around, (one) => one === name)) as [Contestant, Contestant];
  await small(contestant, 1_000);
  const round = await held(contestant, count, 3_000);
  await stop(contestant);
  return round;
}

async function redis(folder: string): Promise<{ child: ChildProcess; port: number } | undefined> {
  const finder = new URL('../../../scripts/redis-server.mjs', import.meta.url).href;
  const program = ((await import(finder)) as RedisFinder).findRedisServer();
  if (program === undefined) return undefined;
  const port = await freePort();
  const options = ['--port', String(port), '--bind', '127.0.0.1', '--save', '', '--appendonly', 'no', '--dir', folder];
  const child = spawn(program, options, { stdio: 'ignore' });
  await accepting(port);
  return { child, port };
}

const folder = mkdtempSync(join(tmpdir(), 'headgate-bench-'));
const backend = await startBackend();
const store = wanted('Redis') ? await redis(folder) : undefined;
const around = { backendPort: backend.port, redisPort: store?.port, folder, profiles: values.profile };
const contestants = await startAll(around, wanted);
let results: Results;
try {
  results = await measureAll(backend.child, contestants);
} finally {
  await Promise.all(contestants.map(stop));
  backend.child.disconnect();
  store?.child.kill('SIGKILL');
  rmSync(folder, { recursive: true, force: true });
}
const isKept = values.only === undefined && values.who === undefined;
const name = values.quick ? 'gateway-quick' : 'gateway';
const drawn = isKept ? `${name}.svg` : undefined;
const machine = describeMachine(['http-proxy-3', 'undici']);
const text = report(results, plan, machine, findNginx(), drawn);
console.log(text);
if (values.json !== undefined) writeFileSync(values.json, JSON.stringify({ machine, plan, ...results }));
if (isKept) {
  const folderOfResults = new URL('../../results/', import.meta.url);
  mkdirSync(folderOfResults, { recursive: true });
  writeFileSync(new URL(`${name}.md`, folderOfResults), text);
  writeFileSync(new URL(`${name}.svg`, folderOfResults), drawing(results));
  writeFileSync(new URL(`${name}.json`, folderOfResults), `${JSON.stringify({ machine, plan, ...results })}\n`);
}
