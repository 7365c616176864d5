/** `npm run chaos`: rounds of faults until the time is up, each with a seed of its own. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import type { History } from './history.js';
import { planOf } from './plan.js';
import { regressions } from './regressions.js';
import type { Outcome } from './round.js';
import { round } from './round.js';

const usage = `usage: npm run chaos -- [--minutes 5] [--seed N] [--rounds N] [--seconds 40] [--histories DIR] [--regressions]

  --minutes      how long; the round that runs is ended
  --seed         of the first round; each round after it has the next one
  --rounds       so many, however long they take
  --seconds      of faults in each round
  --histories    a folder for the histories of rounds that fail, as JSON
  --regressions  the rounds that once failed, and nothing else`;

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '5' },
    seed: { type: 'string', default: String(Math.floor(Math.random() * 1e9)) },
    rounds: { type: 'string', default: 'Infinity' },
    seconds: { type: 'string', default: '40' },
    regressions: { type: 'boolean', default: false },
    histories: { type: 'string' },
    help: { type: 'boolean', default: false },
  },
});

const numbers = [values.minutes, values.seed, values.rounds, values.seconds].map(Number) as [
  number,
  number,
  number,
  number,
];
if (values.help || numbers.some((number) => !(number >= 0))) {
  console.error(usage);
  process.exit(values.help ? 0 : 2);
}
const [minutes, firstSeed, rounds, seconds] = numbers;

const total = {
  rounds: 0,
  visits: 0,
  whole: 0,
  served: 0,
  faults: 0,
  kills: 0,
  violations: 0,
  failing: [] as number[],
};
if (values.regressions) for (const one of regressions) await run(one.seed, one.seconds);
else {
  const until = performance.now() + minutes * 60_000;
  for (let seed = firstSeed; total.rounds < rounds && performance.now() < until; seed++) await run(seed, seconds);
}
console.log(JSON.stringify(total));
process.exitCode = total.violations === 0 ? 0 : 1;

async function run(seed: number, faultSeconds: number): Promise<void> {
  const plan = planOf(seed, { faultsMs: faultSeconds * 1_000, calmMs: 5_000 });
  const { onDown, durable } = plan.profile;
  console.log(`seed ${seed}: ${onDown}, Redis ${durable ? 'keeps' : 'forgets'}, ${plan.faults.length} faults planned`);
  add(seed, await round(plan));
}

function add(seed: number, { history, violations }: Outcome): void {
  const whole = history.visits.filter(({ ending }) => ending === 'whole').length;
  const kills = history.lives.filter(({ how }) => how === 'killed').length;
  total.rounds++;
  total.visits += history.visits.length;
  total.whole += whole;
  total.served += history.served.length;
  total.faults += history.faults.length;
  total.kills += kills;
  total.violations += violations.length;
  if (violations.length > 0) {
    total.failing.push(seed);
    if (values.histories !== undefined) keep(values.histories, seed, history);
  }
  console.log(
    `  ${history.visits.length} requests, ${whole} whole answers, ${history.faults.length} faults, ${kills} kills: ${violations.length} violations`,
  );
  for (const { promise, what } of violations.slice(0, 20)) console.log(`  ! ${promise}: ${what}`);
}

function keep(folder: string, seed: number, history: History): void {
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, `${seed}.json`), JSON.stringify(history));
}
