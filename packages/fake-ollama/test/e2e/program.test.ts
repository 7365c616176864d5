import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';

const project = fileURLToPath(new URL('../..', import.meta.url));
const compiler = join(dirname(createRequire(import.meta.url).resolve('typescript/package.json')), 'bin/tsc');
const folder = mkdtempSync(join(tmpdir(), 'fake-ollama-'));

beforeAll(() => {
  const out = ['--outDir', folder, '--tsBuildInfoFile', join(folder, '.tsbuildinfo')];
  execFileSync(process.execPath, [compiler, '-p', project, ...out]);
  writeFileSync(join(folder, 'package.json'), '{"type":"module"}');
});

afterAll(() => rmSync(folder, { recursive: true }));

function start(...args: string[]): {
  program: ChildProcess;
  output: Promise<{ code: number | null; stdout: string; stderr: string }>;
} {
  const program = spawn(process.execPath, [join(folder, 'main.js'), ...args]);
  let stdout = '';
  let stderr = '';
  program.stdout.on('data', (chunk) => {
    stdout += chunk;
  });
  program.stderr.on('data', (chunk) => {
    stderr += chunk;
  });
  const output = once(program, 'close').then(([code]) => ({ code: code as number | null, stdout, stderr }));
  return { program, output };
}

test('says where it listens, serves, and ends well on SIGTERM even with a request under way', async () => {
  const { program, output } = start('--port', '0', '--models', 'a', '--fault', 'hang');
  const [line] = (await once(program.stdout as NodeJS.ReadableStream, 'data')) as [Buffer];
  const url = /^fake-ollama listening on (http:\/\/127\.0\.0\.1:\d+)\n$/.exec(line.toString())?.[1];
  expect(await (await fetch(`${url}/api/version`)).json()).toEqual({ version: '0.33.0' });
  const hanging = fetch(`${url}/api/generate`, { method: 'POST', body: '{"model":"a","prompt":"x"}' });
  hanging.catch(() => {});
  const busy = start('--port', new URL(url ?? '').port);
  expect(await busy.output).toMatchObject({
    code: 1,
    stderr: expect.stringMatching(/^fake-ollama: port \d+ is already in use; choose another with --port\n$/),
  });
  program.kill('SIGTERM');
  expect(await output).toMatchObject({ code: 0, stderr: '' });
  await expect(hanging).rejects.toThrow();
});

test('explains itself, and complains in one line', async () => {
  expect(await start('--help').output).toMatchObject({
    code: 0,
    stdout: expect.stringContaining('usage: fake-ollama'),
  });
  expect(await start('--slots', '0').output).toEqual({
    code: 2,
    stdout: '',
    stderr: 'fake-ollama: numParallel must be at least 1, not 0\n',
  });
  expect(await start('--bogus').output).toMatchObject({ code: 2, stderr: "fake-ollama: Unknown option '--bogus'\n" });
});
