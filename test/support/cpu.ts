/** Processor time in place of the time that passes: what else runs on a busy machine, or that it stood still, is not in it. */

/** What something costs, ms, without what it cost when it was dearer: compiling it and collecting garbage come now and then. */
export async function leastCpuMs(work: () => unknown, times = 5): Promise<number> {
  let least = Number.POSITIVE_INFINITY;
  for (let i = 0; i < times; i++) {
    const from = process.cpuUsage();
    await work();
    const { user, system } = process.cpuUsage(from);
    least = Math.min(least, (user + system) / 1_000);
  }
  return least;
}
