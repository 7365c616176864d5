/** The code of the documentation compiles against the packages as they are. */
import { execFile } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, expect, test } from 'vitest';
import { type Block, pages } from '../support/markdown.js';
import { files, root } from '../support/repository.js';

/** Below the root, so that types are found as they are from there, and where neither git nor the formatter looks. */
const folder = join(root, 'node_modules/.cache/headgate-snippets');

const snippets = pages()
  .flatMap(({ blocks }) => blocks)
  .filter(({ language }) => language === 'ts' || language === 'js');

/** `docs/start.md:12` as the name of a file. */
const fileOf = ({ place }: Block): string => `${place.replace(/[/:]/g, '__')}.ts`;

/** What any package has installed, side by side, as an application would have it. */
function linkModules(): void {
  for (const workspace of ['.', ...readdirSync(join(root, 'packages')).map((name) => `packages/${name}`)]) {
    const modules = join(root, workspace, 'node_modules');
    if (!existsSync(modules)) continue;
    for (const name of readdirSync(modules)) {
      // What Koa's body parser adds to the types of Node's requests, it adds for every snippet.
      if (name === '@headgate' || name === '@koa' || name.startsWith('.')) continue;
      const scoped = name.startsWith('@') ? readdirSync(join(modules, name)).map((own) => `${name}/${own}`) : [name];
      for (const each of scoped) link(modules, each);
    }
  }
}

function link(modules: string, name: string): void {
  const place = join(folder, 'node_modules', name);
  mkdirSync(dirname(place), { recursive: true });
  if (!existsSync(place)) symlinkSync(join(modules, name), place, 'junction');
}

/** A snippet may also be a value by itself. */
function moduleOf({ text }: Block): string {
  return text.startsWith('{') ? `export default (${text.trimEnd()}\n);\n` : `${text}\nexport {};\n`;
}

function config(): object {
  const packages = files
    .filter((file) => /^packages\/[^/]+\/src\/([^/]+\/)?index\.ts$/.test(file))
    .map((file) => {
      const [, name, subpath] = /^packages\/([^/]+)\/src\/(?:([^/]+)\/)?index\.ts$/.exec(file)!;
      return [`@headgate/${name}${subpath === undefined ? '' : `/${subpath}`}`, [join(root, file)]];
    });
  return {
    extends: join(root, 'tsconfig.base.json'),
    compilerOptions: {
      ...{ composite: false, declaration: false, declarationMap: false, sourceMap: false, noEmit: true },
      ...{ noUnusedLocals: false, types: ['node'], typeRoots: ['node_modules/@types'] },
      paths: Object.fromEntries(packages),
    },
    files: ['reader.d.ts', ...snippets.map(fileOf)],
  };
}

afterAll(() => rmSync(folder, { recursive: true, force: true }));

test('every snippet compiles', async () => {
  expect(snippets.length).toBeGreaterThan(5);
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  linkModules();
  for (const snippet of snippets) writeFileSync(join(folder, fileOf(snippet)), moduleOf(snippet));
  copyFileSync(join(root, 'test/fixtures/docs/reader.d.ts'), join(folder, 'reader.d.ts'));
  writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify(config()));
  const run = promisify(execFile)(join(root, 'node_modules/.bin/tsc'), ['-p', folder, '--pretty', 'false'], {
    cwd: root,
  });
  const { stdout } = await run.catch((error: { stdout: string }) => error);
  expect(stdout).toBe('');
});
