/** What users type is compiled against the sources: what is right passes, and what is marked as an error is one. */
import { execFile } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { root } from '../support/repository.js';

const projects = readdirSync(join(root, 'packages'))
  .map((name) => `packages/${name}/test/fixtures/types`)
  .filter((folder) => existsSync(join(root, folder, 'tsconfig.json')));

test.each(projects)('%s compiles', async (project) => {
  const run = promisify(execFile)(process.execPath, [join(root, 'node_modules/typescript/bin/tsc'), '-p', project], {
    cwd: root,
  });
  expect(await run.catch((error: { stdout: string }) => error)).toMatchObject({ stdout: '' });
});

test('every adapter has such a file', () => {
  for (const name of ['express', 'fastify', 'hono', 'koa']) {
    expect(projects).toContain(`packages/${name}/test/fixtures/types`);
  }
});
