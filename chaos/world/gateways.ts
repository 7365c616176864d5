/** Gateways as processes of their own: started, told, killed, and started again in the same place. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { FaultyProxy } from '../../packages/redis/test/support/faulty-proxy.js';
import type { Life, Line, Profile } from '../history.js';
import { policyOf } from '../rules.js';

// Built, also when this file is read as it is written: a process of its own runs what is built.
const program = fileURLToPath(
  import.meta.url.includes('/dist/')
    ? new URL('../gateway-process.js', import.meta.url)
    : new URL('../dist/chaos/gateway-process.js', import.meta.url),
);
const startMsMax = 60_000;

export interface GatewayPlace {
  readonly name: string;
  readonly directory: string;
  readonly profile: Profile;
  readonly redisPort: number;
  readonly backendPorts: readonly number[];
}

export class GatewayProcess {
  readonly name: string;
  readonly lives: Life[] = [];
  readonly proxy: FaultyProxy;
  readonly #place: GatewayPlace;
  readonly #historyFile: string;
  readonly #policyFile: string;
  #child: ChildProcess | undefined;
  #port = 0;
  #version = 0;

  private constructor(place: GatewayPlace, proxy: FaultyProxy) {
    this.name = place.name;
    this.proxy = proxy;
    this.#place = place;
    this.#historyFile = join(place.directory, `${place.name}.jsonl`);
    this.#policyFile = join(place.directory, `${place.name}.json`);
    writeFileSync(this.#historyFile, '');
  }

  static async start(place: GatewayPlace): Promise<GatewayProcess> {
    const gateway = new GatewayProcess(place, await FaultyProxy.start(place.redisPort));
    await gateway.begin();
    return gateway;
  }

  /** Where it listens; 0 before it has. */
  get port(): number {
    return this.#port;
  }

  get isAlive(): boolean {
    return this.#child !== undefined;
  }

  get #life(): Life | undefined {
    return this.lives.at(-1);
  }

  async begin(): Promise<void> {
    this.#writePolicy();
    const id = `${this.name}#${this.lives.length + 1}`;
    const args = ['--expose-gc', program, this.#policyFile, String(this.#port), this.#historyFile, id];
    const child = spawn(process.execPath, args, { stdio: ['pipe', 'pipe', 'inherit'] });
    const url = await listening(child, id);
    this.#port = Number(new URL(url).port);
    this.#child = child;
    this.lives.push({ gateway: this.name, id, from: now() });
  }

  #writePolicy(text?: string): void {
    const { profile, name: gateway, backendPorts } = this.#place;
    const policy = policyOf({ profile, gateway, redisPort: this.proxy.port, backendPorts, version: this.#version++ });
    writeFileSync(this.#policyFile, text ?? JSON.stringify(policy));
  }

  /** Reads its policy again: one that is changed, or every fourth time one that cannot be used. */
  reload(): void {
    this.#writePolicy(this.#version % 4 === 3 ? '{ requests: nonsense' : undefined);
    this.signal('SIGHUP');
  }

  signal(name: NodeJS.Signals): void {
    this.#child?.kill(name);
  }

  async kill(): Promise<void> {
    const child = this.#child;
    if (child === undefined) return;
    Object.assign(this.#life!, { to: now(), how: 'killed' });
    this.#child = undefined;
    const ended = once(child, 'exit');
    child.kill('SIGKILL');
    await ended;
  }

  /** In order: it drains, gives back what it holds, and ends because nothing keeps it alive. */
  async stop(patienceMs = 30_000): Promise<void> {
    const child = this.#child;
    if (child === undefined) return;
    const life = this.#life!;
    const from = now();
    Object.assign(life, { to: from, how: 'stopped' });
    this.#child = undefined;
    const ended = once(child, 'exit') as Promise<[number | null]>;
    const tooLong = setTimeout(() => child.kill('SIGKILL'), patienceMs);
    child.kill('SIGTERM');
    const [exitStatus] = await ended;
    clearTimeout(tooLong);
    Object.assign(life, { exitStatus, exitMs: now() - from });
  }

  /** All it wrote so far; half a line at the end is what a kill left. */
  told(): Line[] {
    const lines = readFileSync(this.#historyFile, 'utf8').split('\n');
    return lines.flatMap((line) => (line.endsWith('}') ? [JSON.parse(line) as Line] : []));
  }

  /** Asks it to write down how it stands, and waits until it has. */
  async sample(): Promise<void> {
    const count = (): number =>
      this.told().filter(({ type, life }) => type === 'sample' && life === this.#life?.id).length;
    const before = count();
    this.signal('SIGUSR2');
    for (let tries = 0; tries < 5_000 && count() === before; tries++)
      await new Promise((resolve) => setTimeout(resolve, 10));
  }

  /** By its last sample. */
  holdsSomething(): boolean {
    const last = this.told().findLast((line) => line.type === 'sample' && line.life === this.#life?.id);
    return last?.type === 'sample' && last.inFlight + last.waiting + last.open > 0;
  }

  async close(): Promise<void> {
    await this.kill();
    await this.proxy.stop();
  }
}

export const now = (): number => performance.timeOrigin + performance.now();

function listening(child: ChildProcess, id: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const tooLong = setTimeout(() => {
      child.kill('SIGKILL');
      reject(new Error(`${id} did not begin within ${startMsMax} ms`));
    }, startMsMax);
    child.once('exit', (status) => reject(new Error(`${id} ended with ${status} instead of listening`)));
    child.stdout?.on('data', (text: Buffer) => {
      const url = /listening on (\S+)/.exec(text.toString())?.[1];
      if (url === undefined) return;
      clearTimeout(tooLong);
      child.removeAllListeners('exit');
      resolve(url);
    });
  });
}
