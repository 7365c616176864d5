/** What the kernel says a process has used, its children and threads included. Linux alone tells that of other processes. */
import { readdirSync, readFileSync } from 'node:fs';

/** The kernel accounts in these, whatever its own timer does. */
const tickUs = 10_000;

export interface Account {
  /** Processor's time since its start, µs. */
  readonly cpuUs: number;
  readonly rssBytes: number;
}

export function accountOf(pid: number): Account {
  let [cpuUs, rssBytes] = [0, 0];
  for (const one of [pid, ...childrenOf(pid)]) {
    const stat = readFileSync(`/proc/${one}/stat`, 'utf8');
    // The name of the program, in brackets, may hold spaces.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    cpuUs += (Number(fields[11]) + Number(fields[12])) * tickUs;
    const pages = /VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${one}/status`, 'utf8'))?.[1];
    rssBytes += Number(pages ?? 0) * 1_024;
  }
  return { cpuUs, rssBytes };
}

function childrenOf(pid: number): number[] {
  return readdirSync(`/proc/${pid}/task`).flatMap((thread) =>
    readFileSync(`/proc/${pid}/task/${thread}/children`, 'utf8').split(' ').filter(Boolean).map(Number),
  );
}

/** How many files and sockets a process may have open here. */
export function openFilesMax(): number {
  const limits = readFileSync('/proc/self/limits', 'utf8');
  const soft = /^Max open files\s+(\S+)/m.exec(limits)?.[1];
  return soft === 'unlimited' ? Number.POSITIVE_INFINITY : Number(soft);
}
