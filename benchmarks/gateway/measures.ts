/** The three measurements, each of one contestant in one round. */
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { load } from '../http/load.js';
import { percentile } from '../lib/statistics.js';
import type { Contestant } from './contestants.js';
import { accountOf } from './process-account.js';
import { hold, streamLoad } from './streams.js';
import { type Pace, requestBytes, smallWords } from './workloads.js';

export interface SmallRound {
  readonly perSecond: number;
  readonly cpuUs: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
}

export interface StreamRound {
  readonly firstByteP50Ms: number;
  readonly firstByteP99Ms: number;
  readonly chunkP50Ms: number;
  readonly chunkP99Ms: number;
  /** Processor's seconds of the contestant for 1,000 streams. */
  readonly cpuSeconds: number;
  readonly ended: number;
  readonly failed: number;
}

export interface HeldRound {
  readonly opened: number;
  readonly failed: number;
  readonly kibEach: number;
  readonly cpuShare: number;
}

export async function pace(backend: ChildProcess, next: Pace): Promise<void> {
  backend.send(next);
  await once(backend, 'message');
}

const cpuOf = ({ child }: Contestant): number => (child === undefined ? 0 : accountOf(child.pid!).cpuUs);
const rssOf = ({ child }: Contestant): number => (child === undefined ? 0 : accountOf(child.pid!).rssBytes);

export async function small(contestant: Contestant, ms: number, connections = 64): Promise<SmallRound> {
  const before = cpuOf(contestant);
  const { port, headers } = contestant;
  const request = (connection: number): string => requestBytes(false, connection, headers);
  const { requests, latencies, seconds } = await load({ port, request, answer: smallWords, connections, ms });
  const sorted = Float64Array.from(latencies).sort();
  return {
    perSecond: requests / seconds,
    cpuUs: (cpuOf(contestant) - before) / requests,
    p50Ms: percentile(sorted, 0.5),
    p99Ms: percentile(sorted, 0.99),
  };
}

/** Until compilers have nothing left to do, which is after so many requests, not after so much time. */
export async function warmUp(contestant: Contestant, requests: number): Promise<void> {
  const until = performance.now() + 90_000;
  for (let done = 0; done < requests && performance.now() < until; ) {
    const { perSecond } = await small(contestant, 1_000);
    done += perSecond;
  }
}

export async function streams(
  contestant: Contestant,
  plan: { readonly perSecond: number; readonly rampMs: number; readonly ms: number; readonly seed: number },
): Promise<StreamRound> {
  let cpuUs = 0;
  const onWindow = (edge: 'begin' | 'end'): void => {
    cpuUs = edge === 'begin' ? cpuOf(contestant) : cpuOf(contestant) - cpuUs;
  };
  const times = await streamLoad({ port: contestant.port, headers: contestant.headers, ...plan, onWindow });
  const first = Float64Array.from(times.firstByteMs).sort();
  const chunks = Float64Array.from(times.chunkMs).sort();
  if (first.length === 0 || times.ended === 0) throw new Error(`${contestant.name}: no stream came through`);
  return {
    firstByteP50Ms: percentile(first, 0.5),
    firstByteP99Ms: percentile(first, 0.99),
    chunkP50Ms: percentile(chunks, 0.5),
    chunkP99Ms: percentile(chunks, 0.99),
    cpuSeconds: cpuUs / times.ended / 1_000,
    ended: times.ended,
    failed: times.failed,
  };
}

export async function held(contestant: Contestant, count: number, holdMs: number): Promise<HeldRound> {
  const before = rssOf(contestant);
  const { times, close } = await hold(contestant, count);
  const until = performance.now() + 60_000;
  while (times.firstByteMs.length + times.failed < count && performance.now() < until) await sleep(200);
  const [cpuBefore, from] = [cpuOf(contestant), performance.now()];
  await sleep(holdMs);
  const cpuShare = (cpuOf(contestant) - cpuBefore) / 1_000 / (performance.now() - from);
  const opened = times.firstByteMs.length;
  const kibEach = (rssOf(contestant) - before) / 1_024 / opened;
  const { failed } = times;
  close();
  await sleep(1_000);
  return { opened, failed, kibEach, cpuShare };
}
