/** A new user's path: an empty folder, the packages installed, the README's first snippet pasted, and curl shows the 429. */
import { type ChildProcess, spawn } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { page } from '../support/markdown.js';
import { catalogVersion, command, emptyProject, type Project, packAll, type Tarball } from '../support/packed.js';

const into = mkdtempSync(join(tmpdir(), 'headgate-packed-'));
let tarballs: readonly Tarball[];
let project: Project | undefined;
let running: ChildProcess | undefined;

beforeAll(async () => {
  tarballs = await packAll(into);
}, 600_000);
afterEach(() => {
  running?.kill();
  project?.remove();
});
afterAll(() => rmSync(into, { recursive: true, force: true }));

const frameworks: readonly (readonly [string, readonly string[]])[] = [
  ['express', ['express']],
  ['fastify', ['fastify']],
  ['hono', ['hono', '@hono/node-server']],
  ['koa', ['koa']],
];

test.each(frameworks)('%s', async (name, installs) => {
  project = emptyProject();
  const needed = tarballs
    .filter(({ folder }) => [name, 'core', 'dialects', 'jwt'].includes(folder))
    .map(({ file }) => file);
  await project.install(...needed, ...installs.map((each) => `${each}@${catalogVersion(each)}`));

  const snippet = page(`packages/${name}/README.md`).blocks[0]!;
  expect(snippet.text).toContain('3000');
  const port = await freePort();
  project.write('server.mjs', snippet.text.replace('3000', String(port)));
  running = spawn(process.execPath, ['server.mjs'], { cwd: project.folder, stdio: 'inherit' });

  const url = `http://127.0.0.1:${port}/api/chat`;
  const body = JSON.stringify({ model: 'llama3.2', messages: [{ role: 'user', content: 'hello' }] });
  const curl = ['--silent', '--show-error', '--include', '--retry', '40', '--retry-connrefused', '--retry-delay', '1'];
  const ask = (): Promise<string> =>
    command(project!.folder, 'curl', [
      ...curl,
      '--retry-max-time',
      '60',
      url,
      '-H',
      'content-type: application/json',
      '-d',
      body,
    ]);
  const answers: string[] = [];
  for (let i = 0; i < 3; i++) answers.push(await ask());
  for (const answer of answers) {
    expect(answer).toMatch(/^HTTP\/1\.1 200 /);
    expect(answer).toContain('"Hello!"');
  }
  // Asked without --retry, which would wait as it is told and then pass.
  const refused = await command(project.folder, 'curl', ['--silent', '--include', url, '-d', body]);
  expect(refused).toMatch(/^HTTP\/1\.1 429 Too Many Requests/);
  const shown = page(`packages/${name}/README.md`).blocks.find(({ text }) => text.startsWith('HTTP/1.1 429'))!;
  expect(steady(refused)).toEqual(expect.arrayContaining(steady(shown.text)));
});

test('in an application of your own, installed from tarballs as the documentation says', async () => {
  project = emptyProject();
  const lines = page('docs/start.md').blocks.flatMap(({ language, text }) =>
    language === 'sh' ? text.split('\n') : [],
  );
  const line = lines.find((one) => one.includes('/tarballs/'))!;
  expect(line).toContain('npm install express');
  // Beside the checkout, whose tarballs are those that were packed here.
  const beside = join(project.folder, 'headgate');
  mkdirSync(beside);
  symlinkSync(into, join(beside, 'tarballs'), 'junction');
  mkdirSync(join(project.folder, 'my-app'));
  project.write('my-app/package.json', JSON.stringify({ name: 'my-app', version: '1.0.0', private: true }));
  await command(beside, 'bash', ['-c', line]);
  const program =
    "import 'express'; import { ollamaLimiter } from '@headgate/express'; console.log(typeof ollamaLimiter)";
  const app = join(project.folder, 'my-app');
  expect(await command(app, process.execPath, ['--input-type=module', '--eval', program])).toBe('function\n');
});

/** Lines, with what is another each time made the same: waits, and tokens left. */
function steady(text: string): string[] {
  return text
    .replace(/\r/g, '')
    .split('\n')
    .filter((line) => line !== '')
    .map((line) =>
      line
        .replace(/^([\w-]+):/, (name) => name.toLowerCase())
        .replace(/^content-type: application\/json.*/, 'content-type: application/json')
        .replace(/^(retry-after|retry-after-ms): \d+/, '$1: ...')
        .replace(/;t=\d+/g, ';t=...')
        .replace(/"tokens\.hour";r=\d+/, '"tokens.hour";r=...')
        .replace(/try again in \d+s/, 'try again in ...'),
    );
}

/** Below those that the system hands out: nobody is given it before the server of the snippet listens there. */
async function freePort(): Promise<number> {
  for (;;) {
    const port = randomInt(12_000, 20_000);
    const server = createServer();
    const isFree = await new Promise<boolean>((resolve) => {
      server.once('error', () => resolve(false));
      server.listen(port, () => server.close(() => resolve(true)));
    });
    if (isFree) return port;
  }
}
