/** Bytes: what one decision allocates, and what a number of keys keeps. Both need `--expose-gc`. */
import { type Contestant, expectOutcome } from './rounds.js';

export function collectGarbage(): void {
  if (globalThis.gc === undefined) throw new Error('run with node --expose-gc');
  globalThis.gc();
}

/** Enough that what a collection threw away, compiled code included, has been made again and weighs nothing. */
const times = 40_000;
/** The young generation must hold a whole sample: 40,000 times 6 KB. */
export const allocationFlags = ['--min-semi-space-size=256', '--max-semi-space-size=256'];

/** Heap bytes allocated per decision, in a process started with `allocationFlags`. */
export async function bytesPerDecision(contestant: Contestant): Promise<number> {
  await contestant.run(times);
  collectGarbage();
  const before = process.memoryUsage().heapUsed;
  const admitted = await contestant.run(times);
  const bytes = (process.memoryUsage().heapUsed - before) / times;
  expectOutcome(contestant, times, admitted);
  if (bytes <= 0) throw new Error(`${contestant.name}: a collection fell into the sample`);
  return bytes;
}

/** Bytes in use once everything unreachable is gone: the heap, and arrays that lie outside of it. */
export function bytesInUse(): number {
  collectGarbage();
  collectGarbage();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}
