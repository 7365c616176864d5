/** Seeds that once failed, kept so that they are tried first for ever. */
import { readFileSync, writeFileSync } from 'node:fs';
import { besideSources } from '../report/place.js';

const file = besideSources('faults/seeds.json');

export function keptSeeds(): number[] {
  return JSON.parse(readFileSync(file, 'utf8')) as number[];
}

export function keepSeed(seed: number): void {
  const seeds = [...new Set([...keptSeeds(), seed])].sort((a, b) => a - b);
  writeFileSync(file, `${JSON.stringify(seeds)}\n`);
}
