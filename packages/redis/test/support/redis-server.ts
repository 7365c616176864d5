/** Redis servers for tests: real ones, on private ports, with their data in a directory that goes when they go. */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { findRedisServer } from '../../../../scripts/redis-server.mjs';
import { patienceMs } from '../../../../test/support/patience.js';
import { answersPing, freePort } from './ports.js';

/**
 * Waits for its input to end, which happens when this process ends in whatever way, and ends the server then. The server's
 * process id is the first line it writes.
 */
export const watchedServer =
  '"$@" </dev/null & server=$!; echo $server; cat >/dev/null; kill -9 $server 2>/dev/null; wait';

export interface ServerOptions {
  /** Further lines of configuration, as they stand on the command line: `{ appendonly: 'yes' }`. */
  readonly config?: Readonly<Record<string, string>>;
  /** Makes it a Sentinel: the lines of its file, which it writes anew as it learns. */
  readonly sentinel?: readonly string[];
}

export class RedisServer {
  readonly port: number;
  readonly #directory: string;
  readonly #options: ServerOptions;
  #shell: ChildProcess | undefined;
  #pid = 0;
  #killed = 0;

  private constructor(port: number, options: ServerOptions) {
    this.port = port;
    this.#options = options;
    this.#directory = mkdtempSync(join(tmpdir(), 'headgate-redis-'));
  }

  /** A server that answers, on a port of its own. */
  static async start(options: ServerOptions = {}): Promise<RedisServer> {
    for (let attempt = 1; ; attempt++) {
      const server = new RedisServer(await freePort(), options);
      try {
        await server.start();
        return server;
      } catch (error) {
        server.stop();
        // Somebody else may have taken the port in between.
        if (attempt === 3) throw error;
      }
    }
  }

  get url(): string {
    return `redis://127.0.0.1:${this.port}`;
  }

  /** Starts the server again after `kill`, on the same port and with what it had written to its files. */
  async start(): Promise<void> {
    const program = findRedisServer();
    if (program === undefined) throw new Error('no redis-server was found; `npm test` says what to do');
    const config = {
      port: String(this.port),
      bind: '127.0.0.1',
      dir: this.#directory,
      logfile: join(this.#directory, 'log'),
      save: '',
      // A replica need not wait for others that might come.
      'repl-diskless-sync-delay': '0',
      ...this.#options.config,
    };
    const args = [...this.#sentinelArgs(), ...Object.entries(config).flatMap(([key, value]) => [`--${key}`, value])];
    // Detached: an interrupt from the terminal must reach the shell by the end of its input only.
    // Its port is free once the one before is gone.
    while (this.#killed !== 0 && isAlive(this.#killed)) await new Promise((resolve) => setTimeout(resolve, 5));
    const shell = spawn('sh', ['-c', watchedServer, 'sh', program, ...args], {
      stdio: ['pipe', 'pipe', 'inherit'],
      detached: true,
    });
    this.#shell = shell;
    this.#pid = await firstNumber(shell);
    const until = Date.now() + patienceMs;
    while (!(await answersPing(this.port))) {
      if (Date.now() > until || !isAlive(this.#pid)) throw new Error(`redis-server did not start on ${this.port}`);
    }
  }

  #sentinelArgs(): string[] {
    const lines = this.#options.sentinel;
    if (lines === undefined) return [];
    const file = join(this.#directory, 'sentinel.conf');
    writeFileSync(file, lines.join('\n'));
    return [file, '--sentinel'];
  }

  /** As a crash: nothing is said or saved. */
  kill(): void {
    if (this.#pid !== 0) {
      signal(this.#pid, 'SIGKILL');
      this.#killed = this.#pid;
    }
    this.#shell?.stdin?.destroy();
    this.#pid = 0;
  }

  /** Stops answering without closing a connection, until `resume`. */
  pause(): void {
    signal(this.#pid, 'SIGSTOP');
  }

  resume(): void {
    signal(this.#pid, 'SIGCONT');
  }

  /** Ends the server and forgets its data. */
  stop(): void {
    this.kill();
    rmSync(this.#directory, { recursive: true, force: true, maxRetries: 5 });
  }
}

function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

function firstNumber(shell: ChildProcess): Promise<number> {
  return new Promise((resolve, reject) => {
    shell.once('error', reject);
    shell.stdout?.once('data', (line: Buffer) => resolve(Number(line.toString())));
    shell.once('exit', (code) => reject(new Error(`the server's shell ended with ${code}`)));
  });
}
