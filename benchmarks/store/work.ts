/** One contestant in a process of its own: told how many requests may be under way, it keeps as many under way for a while. */
import { type Contestant, contestant, type RowName } from './contestants.js';
import { keysOf, namesOf } from './keys.js';

export interface Order {
  readonly concurrency: number;
  readonly ms: number;
}

export interface Batch {
  readonly decisions: number;
  readonly seconds: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** Of this process, microseconds. */
  readonly cpuMicros: number;
}

const togetherMax = 64;
/** Latencies that are kept; of a longer batch those of its first decisions. */
const latenciesMax = 2_000_000;

export async function work(name: RowName, keys: number, url: string): Promise<void> {
  const one = await contestant(name, url);
  const nextKey = keysOf(keys);
  // Every key has its counters before anything is measured: which batch would meet new ones depends on how fast a contestant is.
  const names = namesOf(keys);
  for (let at = 0; at < keys; at += togetherMax) {
    await Promise.all(names.slice(at, at + togetherMax).map((key) => one.decide(key)));
  }
  await one.tidy?.();
  const latencies = new Float64Array(latenciesMax);
  process.on('message', (order: Order) => {
    void run(one, nextKey, latencies, order).then((batch) => process.send!(batch));
  });
  process.once('disconnect', () => process.exit(0));
  process.send!('ready');
}

async function run(one: Contestant, nextKey: () => string, latencies: Float64Array, order: Order): Promise<Batch> {
  let decisions = 0;
  const cpu = process.cpuUsage();
  const start = performance.now();
  const until = start + order.ms;
  const client = async (): Promise<void> => {
    for (let sent = start; sent < until; ) {
      const answer = one.decide(nextKey());
      if (!(typeof answer === 'boolean' ? answer : await answer)) throw new Error('a request was refused');
      const now = performance.now();
      if (decisions < latenciesMax) latencies[decisions] = now - sent;
      decisions++;
      sent = now;
    }
  };
  await Promise.all(Array.from({ length: order.concurrency }, client));
  const seconds = (performance.now() - start) / 1_000;
  const { user, system } = process.cpuUsage(cpu);
  await one.tidy?.();
  const sorted = latencies.slice(0, Math.min(decisions, latenciesMax)).sort();
  const at = (share: number): number => sorted[Math.floor(sorted.length * share)]!;
  return { decisions, seconds, p50Ms: at(0.5), p99Ms: at(0.99), cpuMicros: user + system };
}
