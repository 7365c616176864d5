/** The built program as a child process. */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { atEnd } from './harness.js';

const main = fileURLToPath(new URL('../../dist/main.js', import.meta.url));

export interface Program {
  readonly child: ChildProcess;
  stdout(): string;
  stderr(): string;
  /** Resolves with the exit status. */
  readonly exited: Promise<number | null>;
  /** Resolves with the address once the program says that it listens. */
  url(): Promise<string>;
}

export function program(args: readonly string[], env: Record<string, string> = {}): Program {
  const { PORT: _port, OLLAMA_HOST: _host, ...inherited } = process.env;
  const child = spawn(process.execPath, [main, ...args], { env: { ...inherited, ...env }, stdio: 'pipe' });
  let stdout = '';
  let stderr = '';
  const watchers = new Set<() => void>();
  child.stdout.on('data', (chunk: Buffer) => {
    stdout += chunk.toString();
    for (const look of watchers) look();
  });
  child.stderr.on('data', (chunk: Buffer) => {
    stderr += chunk.toString();
  });
  const exited = new Promise<number | null>((resolve) => child.once('close', resolve));
  atEnd(async () => {
    child.kill('SIGKILL');
    await exited;
  });
  const url = (): Promise<string> =>
    new Promise((resolve, reject) => {
      const look = (): void => {
        const found = /^listening on (http:\/\/\S+)$/m.exec(stdout)?.[1];
        if (found !== undefined) resolve(found);
      };
      watchers.add(look);
      look();
      void exited.then(() => reject(new Error(`it ended instead of listening: ${stderr}`)));
    });
  return { child, stdout: () => stdout, stderr: () => stderr, exited, url };
}

/** A file with this text, gone after the test. */
export async function fileWith(text: string | Uint8Array, name = 'headgate.yaml'): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'headgate-'));
  atEnd(() => rm(folder, { recursive: true }));
  const file = join(folder, name);
  await writeFile(file, text);
  return file;
}
