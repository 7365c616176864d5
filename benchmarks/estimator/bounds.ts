/** What the exact counter takes for the worst texts that it still counts, against prose of the same size. */
import type { TokenCounter } from '@headgate/tiktoken';
import { type Contestant, type Pace, runRounds } from '../lib/rounds.js';
import { ratios, type Spread } from '../lib/statistics.js';

export interface Bound {
  readonly text: string;
  readonly timesProse: Spread;
}

const bytesMax = 64 * 1024;
const prose = filled('The ditch rider comes by on a gray mare every morning, and looks at the sky. ', '');
/** Each the longest run that is still counted, with a boundary behind it. */
const worst: readonly (readonly [string, string])[] = [
  ['letters', 'a'.repeat(512)],
  ['capitals', 'A'.repeat(512)],
  ['punctuation', '_'.repeat(512)],
  ['spaces', ' '.repeat(512)],
  ['Han', '漢'.repeat(512)],
  ['Hangul', '한'.repeat(512)],
  ['emoji', '😀'.repeat(256)],
];

function filled(unit: string, between: string): string {
  let text = '';
  while (Buffer.byteLength(text + unit + between) <= bytesMax) text += unit + between;
  return text;
}

export async function measureBounds(counter: TokenCounter, pace: Pace): Promise<readonly Bound[]> {
  const counting = (name: string, text: string): Contestant => ({
    name,
    admits: true,
    run(times) {
      let counted = 0;
      for (let i = 0; i < times; i++) if (counter(text) > 0) counted++;
      return counted;
    },
  });
  const texts = worst.map(([name, run]) => counting(name, filled(run, run.startsWith(' ') ? 'x' : ' ')));
  const [floor, ...others] = await runRounds([counting('prose', prose), ...texts], pace);
  return others.map(({ contestant, ns }) => ({ text: contestant.name, timesProse: ratios(ns, floor!.ns) }));
}
