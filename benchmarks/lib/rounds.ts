/**
 * The method of every timing: contestants take turns, a short batch each, round after round. A machine that is shared
 * changes its speed for seconds at a time; batches of one round stand next to each other, so their ratio survives that.
 * What is counted is the processor's time of the whole process, collector included: being interrupted costs nothing, and
 * who leaves garbage pays for its collection.
 */
export interface Contestant {
  readonly name: string;
  /** What every decision must be. Checked after each batch, so that no row can measure something else. */
  readonly admits: boolean;
  /** Makes that many decisions and says how many admitted. */
  run(times: number): number | Promise<number>;
}

export interface Pace {
  readonly rounds: number;
  readonly batchMs: number;
}

/** Before anything is measured: long enough for the optimizing compiler, whose own threads are on the same account. */
const warmUpMs = 250;
const firstTimes = 20;

export interface Timed {
  readonly contestant: Contestant;
  /** ns per decision, by round. */
  readonly ns: readonly number[];
}

export async function runRounds(contestants: readonly Contestant[], pace: Pace): Promise<Timed[]> {
  const entries: { contestant: Contestant; times: number; ns: number[] }[] = [];
  for (const contestant of contestants) {
    entries.push({ contestant, times: await timesFor(contestant, pace.batchMs), ns: [] });
  }
  for (let round = 0; round < pace.rounds; round++) {
    // Every other round backwards, so that nobody always comes right after the same neighbour.
    const order = round % 2 === 0 ? entries : entries.toReversed();
    for (const entry of order) entry.ns.push(await nsEach(entry.contestant, entry.times));
  }
  return entries.map(({ contestant, ns }) => ({ contestant, ns }));
}

/** Warms up, and finds how many decisions a batch holds. */
async function timesFor(contestant: Contestant, batchMs: number): Promise<number> {
  let times = firstTimes;
  for (let spentMs = 0; spentMs < warmUpMs; ) {
    const ns = await nsEach(contestant, times);
    spentMs += (ns * times) / 1e6;
    times = Math.max(1, Math.round((batchMs * 1e6) / Math.max(ns, 1)));
  }
  return times;
}

async function nsEach(contestant: Contestant, times: number): Promise<number> {
  const start = process.cpuUsage();
  const running = contestant.run(times);
  // A synchronous contestant is not made to wait for a microtask.
  const admitted = typeof running === 'number' ? running : await running;
  const { user, system } = process.cpuUsage(start);
  const ns = ((user + system) * 1_000) / times;
  expectOutcome(contestant, times, admitted);
  return ns;
}

export function expectOutcome(contestant: Contestant, times: number, admitted: number): void {
  const expected = contestant.admits ? times : 0;
  if (admitted === expected) return;
  throw new Error(`${contestant.name}: ${admitted} of ${times} were admitted where ${expected} should have been`);
}
