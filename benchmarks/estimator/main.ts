/** Measures the estimate of tokens and writes results/estimator.json and results/estimator.md. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { type TiktokenEncoding, tiktokenCounter } from '@headgate/tiktoken';
import { describeMachine } from '../lib/machine.js';
import type { Pace } from '../lib/rounds.js';
import { type Accuracy, mean, measureAccuracy, ninthTenth } from './accuracy.js';
import { measureBounds } from './bounds.js';
import { type Results, report } from './report.js';
import { readSamples } from './samples.js';
import { measureSpeed } from './speed.js';

const encodings: readonly TiktokenEncoding[] = ['o200k_base', 'cl100k_base'];
const paces: Readonly<Record<string, Pace>> = {
  full: { rounds: 15, batchMs: 60 },
  quick: { rounds: 5, batchMs: 20 },
};

export async function main(args: readonly string[]): Promise<void> {
  if (args.some((arg) => arg !== '--quick')) throw new Error('usage: npm run bench:estimator [-- --quick]');
  const pace = paces[args.includes('--quick') ? 'quick' : 'full']!;
  const samples = readSamples(new URL('../../estimator/samples/', import.meta.url));
  const accuracy: { encoding: string; kinds: readonly Accuracy[] }[] = [];
  for (const encoding of encodings) {
    const counter = tiktokenCounter(encoding);
    accuracy.push({ encoding, kinds: await measureAccuracy(samples, counter) });
    counter.close();
  }
  const speed = await measureSpeed(samples, pace);
  const counter = tiktokenCounter('o200k_base');
  const bounds = await measureBounds(counter, pace);
  counter.close();
  const prompts = samples.reduce((sum, { halves }) => sum + halves[0].length + halves[1].length, 0);
  const machine = describeMachine(['@headgate/core', '@headgate/tiktoken']);
  publish({ machine, prompts, accuracy, speed, bounds }, args.includes('--quick') ? 'estimator-quick' : 'estimator');
}

/** Of the error of each prompt the page tells no more than this. */
function shortened(key: string, value: unknown): unknown {
  if (key !== 'errors') return value;
  const errors = value as Accuracy['errors'];
  return Object.fromEntries(
    Object.entries(errors).map(([method, shares]) => [method, { mean: mean(shares), ninthTenth: ninthTenth(shares) }]),
  );
}

function publish(results: Results, name: string): void {
  const folder = new URL('../../results/', import.meta.url);
  const page = report(results);
  mkdirSync(folder, { recursive: true });
  writeFileSync(new URL(`${name}.json`, folder), `${JSON.stringify(results, shortened, 2)}\n`);
  writeFileSync(new URL(`${name}.md`, folder), page);
  console.log(page);
}
