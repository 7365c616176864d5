/**
 * Whether a decision gets dearer with the number of keys kept. Twice: for one key that is asked about again and again while
 * the others are merely there, and for all keys in random order, where every decision meets memory that is in no cache;
 * the floor's own growth stands beside it, because that is what the machine charges for touching so much memory at all.
 */
import { type Contestant, type Pace, runRounds } from '../lib/rounds.js';
import { ratios, type Spread, spread } from '../lib/statistics.js';
import { floor, MapBuckets } from './contestants/floor.js';
import { admitNow } from './contestants/headgate.js';
import { type Keys, uniformKeys } from './keys.js';
import { limiterOf, oneLimit, plainRequest, plenty } from './policies.js';

export interface Flatness {
  readonly keys: number;
  readonly who: 'headgate' | 'floor';
  readonly asked: 'one key' | 'all keys';
  readonly ns: Spread;
  /** Against the same with a single key, round by round. */
  readonly growth: Spread;
}

export async function measureFlatness(counts: readonly number[], pace: Pace): Promise<Flatness[]> {
  const cases = counts.flatMap((count) => casesOf(count));
  const timed = await runRounds(
    cases.map(({ contestant }) => contestant),
    pace,
  );
  return cases.map(({ keys, who, asked }, index) => {
    const base = cases.findIndex((one) => one.who === who && one.asked === asked && one.keys === counts[0]);
    const { ns } = timed[index]!;
    return { keys, who, asked, ns: spread(ns), growth: ratios(ns, timed[base]!.ns) };
  });
}

interface Case extends Pick<Flatness, 'keys' | 'who' | 'asked'> {
  readonly contestant: Contestant;
}

function casesOf(count: number): Case[] {
  const all = uniformKeys(count);
  const one: Keys = { names: all.names, order: new Uint32Array(all.order.length).fill(count >> 1) };
  const buckets = new MapBuckets(plenty, 1 / 86_400_000);
  const limiter = limiterOf(oneLimit(plenty));
  for (const name of all.names) {
    buckets.take(name);
    limiter.admitNow(plainRequest(name));
  }
  const { keys } = limiter.stats();
  if (keys !== count) throw new Error(`${keys} keys were kept where ${count} should have been`);
  return (['one key', 'all keys'] as const).flatMap((asked): Case[] => {
    const order = asked === 'one key' ? one : all;
    return [
      { keys: count, who: 'floor', asked, contestant: floor(`floor, ${asked}`, buckets, order, true) },
      {
        keys: count,
        who: 'headgate',
        asked,
        contestant: admitNow(`headgate, ${asked}`, limiter, plainRequest, order, true),
      },
    ];
  });
}
