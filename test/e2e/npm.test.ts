/** What `npm` starts ends when `npm` is told to: scripts replace their shell, which would take the signal and leave the program. */
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { afterEach, describe, expect, test } from 'vitest';
import { root } from '../support/repository.js';

let pids: readonly number[] = [];
afterEach(() => {
  for (const pid of pids) if (isAlive(pid)) process.kill(pid, 'SIGKILL');
});

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

describe.skipIf(process.platform === 'win32')('SIGTERM to npm', () => {
  test.each([
    ['npm run -s headgate', ['run', '-s', 'headgate', '--', 'serve', '--port', '0', '--backend', 'http://127.0.0.1:9']],
    ['npm start', ['start', '--', '--port', '0']],
  ])('%s drains, ends with 0 and leaves nothing behind', async (_name, args) => {
    const env = { ...process.env, OLLAMA_HOST: '127.0.0.1:9', PORT: '' };
    const npm = spawn('npm', args, { cwd: root, env, stdio: ['ignore', 'pipe', 'ignore'] });
    const closed = once(npm, 'close');
    for await (const line of createInterface({ input: npm.stdout })) if (line.startsWith('listening on')) break;
    pids = descendantsOf(npm.pid!);
    expect(pids.length).toBeGreaterThan(1);
    npm.kill('SIGTERM');
    expect((await closed)[0]).toBe(0);
    expect(pids.filter(isAlive)).toEqual([]);
  });
});

test('npm run headgate finds its program in the shell of this system, and hands its exit status on', () => {
  const options = { cwd: root, encoding: 'utf8', shell: process.platform === 'win32' } as const;
  const headgate = (...args: string[]) => spawnSync('npm', ['run', '-s', 'headgate', '--', ...args], options);
  expect(headgate('--version').stdout).toMatch(/^\d+\.\d+\.\d+\n$/);
  expect(headgate('no-such-command').status).toBe(2);
});

/** The process and all that it started, directly or not. */
function descendantsOf(pid: number): readonly number[] {
  const table = execFileSync('ps', ['-A', '-o', 'pid=,ppid='], { encoding: 'utf8' });
  const pairs = table
    .trim()
    .split('\n')
    .map((line) => line.trim().split(/\s+/).map(Number));
  const of = (parent: number): number[] => [
    parent,
    ...pairs.filter(([, one]) => one === parent).flatMap(([one]) => of(one!)),
  ];
  return of(pid);
}
