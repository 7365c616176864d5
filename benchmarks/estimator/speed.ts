/**
 * What an estimate of a megabyte takes, against a loop that does no more than look at every character of it: nothing that
 * reads a text can be quicker. A ratio, since a time says as much about the machine as about the estimate.
 */
import { estimateTokens } from '@headgate/core';
import { type Contestant, type Pace, runRounds } from '../lib/rounds.js';
import { ratios, type Spread, spread } from '../lib/statistics.js';
import type { Sample } from './samples.js';

const megabyte = 2 ** 20;

export interface Speed {
  readonly text: string;
  readonly timesFloor: Spread;
  readonly megabytesPerS: Spread;
}

/** Texts that bring other counters to a halt. */
const unbroken: readonly (readonly [string, string])[] = [
  ['one letter, over and over', 'a'],
  ['one underscore', '_'],
  ['digits', '7'],
  ['spaces', ' '],
  ['newlines', '\n'],
  ['Han', '漢'],
  ['emoji', '😀'],
  ['marks', '\u0301'],
];

function filled(unit: string): string {
  const text = unit.repeat(Math.ceil(megabyte / unit.length)).slice(0, megabyte);
  // Flat, as a parsed body is; a repeated string is a tree of parts.
  return Buffer.from(text, 'utf16le').toString('utf16le');
}

function floor(text: string): number {
  let sum = 0;
  for (let at = 0; at < text.length; at++) sum += text.charCodeAt(at);
  return sum;
}

function contestant(name: string, text: string, count: (text: string) => number): Contestant {
  return {
    name,
    admits: true,
    run(times) {
      let counted = 0;
      for (let i = 0; i < times; i++) if (count(text) > 0) counted++;
      return counted;
    },
  };
}

export async function measureSpeed(samples: readonly Sample[], pace: Pace): Promise<readonly Speed[]> {
  const found: Speed[] = [];
  for (const [name, unit] of [...samples.map(({ kind, text }) => [kind, text] as const), ...unbroken]) {
    const text = filled(unit);
    const [estimated, looked] = await runRounds(
      [contestant(name, text, estimateTokens), contestant(`${name}, floor`, text, floor)],
      pace,
    );
    found.push({
      text: name,
      timesFloor: ratios(estimated!.ns, looked!.ns),
      megabytesPerS: spread(estimated!.ns.map((ns) => 1e9 / ns)),
    });
  }
  return found;
}
