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

  const { blocks } = page(`packages/${name}/README.md`);
  const shown = blocks.find(({ text }) => text.startsWith('HTTP/1.1 429'))!;
  const snippet = blocks[0]!.text;
  expect(snippet).toContain('3000');
  // A framework may come in two builds, and an application that requires it has the other one.
  for (const [file, text] of [['server.mjs', snippet] as const, ['server.cjs', inCommonJs(snippet)] as const]) {
    const port = await freePort();
    project.write(file, text.replace('3000', String(port)));
    running = spawn(process.execPath, [file], { cwd: project.folder, stdio: 'inherit' });
    await expectThreeThenNone(project, `http://127.0.0.1:${port}/api/chat`, shown.text);
    running.kill();
  }
});

/** @param shown what the documentation shows of the refusal */
async function expectThreeThenNone({ folder }: Project, url: string, shown: string): Promise<void> {
  const body = JSON.stringify({ model: 'llama3.2', messages: [{ role: 'user', content: 'hello' }] });
  const retries = ['--retry', '40', '--retry-connrefused', '--retry-delay', '1', '--retry-max-time', '60'];
  const curl = ['--silent', '--show-error', '--include', ...retries, url];
  for (let i = 0; i < 3; i++) {
    const answer = await command(folder, 'curl', [...curl, '-H', 'content-type: application/json', '-d', body]);
    expect(answer).toMatch(/^HTTP\/1\.1 200 /);
    expect(answer).toContain('"Hello!"');
  }
  // Asked without --retry, which would wait as it is told and then pass.
  const refused = await command(folder, 'curl', ['--silent', '--include', url, '-d', body]);
  expect(refused).toMatch(/^HTTP\/1\.1 429 Too Many Requests/);
  expect(steady(refused)).toEqual(expect.arrayContaining(steady(shown)));
}

/** The same program for `require`, which loads ES modules too. */
function inCommonJs(text: string): string {
  return text.replace(/^import (.+) from ('.+');$/gm, 'const $1 = require($2);').replace(/^await /gm, '');
}

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
