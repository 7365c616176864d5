/** A Redis of the benchmark's own, on a port of its own, and what it says of the work it had. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { Redis } from 'ioredis';

/** Since the server started. */
export interface Work {
  /** Microseconds of the processor. */
  readonly cpuMicros: number;
  /** Calls of scripts, and of INCR, which some scripts call too. */
  readonly scripts: number;
  readonly increments: number;
}

/** Commands that were sent between two looks to decide. */
export function commandsBetween(before: Work, after: Work): number {
  return after.scripts - before.scripts || after.increments - before.increments;
}

const scripted = /^cmdstat_(?:eval|evalsha):calls=(\d+)/gm;
const plain = /^cmdstat_incr:calls=(\d+)/gm;

export class BenchServer {
  readonly url: string;
  readonly version: string;
  readonly #child: ChildProcess;
  readonly #client: Redis;

  private constructor(url: string, version: string, child: ChildProcess, client: Redis) {
    this.url = url;
    this.version = version;
    this.#child = child;
    this.#client = client;
  }

  static async start(program: string): Promise<BenchServer> {
    const port = await freePort();
    const args = ['--port', String(port), '--bind', '127.0.0.1', '--save', '', '--appendonly', 'no'];
    const child = spawn(program, args, { stdio: 'ignore' });
    process.once('exit', () => child.kill('SIGKILL'));
    const url = `redis://127.0.0.1:${port}`;
    const client = new Redis(url, { maxRetriesPerRequest: 100 });
    // Until it listens.
    client.on('error', () => {});
    const [, version = 'unknown'] = /(?:redis|valkey)_version:(\S+)/.exec(await client.info('server')) ?? [];
    return new BenchServer(url, version, child, client);
  }

  async work(): Promise<Work> {
    const cpu = await this.#client.info('cpu');
    const stats = await this.#client.info('commandstats');
    const seconds = Number(/used_cpu_user:([\d.]+)/.exec(cpu)![1]) + Number(/used_cpu_sys:([\d.]+)/.exec(cpu)![1]);
    return { cpuMicros: seconds * 1e6, scripts: callsIn(stats, scripted), increments: callsIn(stats, plain) };
  }

  async stop(): Promise<void> {
    this.#client.disconnect();
    this.#child.kill('SIGKILL');
    await once(this.#child, 'exit');
  }
}

function callsIn(stats: string, of: RegExp): number {
  return [...stats.matchAll(of)].reduce((sum, [, calls]) => sum + Number(calls), 0);
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  if (address === null || typeof address === 'string') throw new Error('a socket without a port');
  return address.port;
}
