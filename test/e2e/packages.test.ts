/** What npm would publish. */
import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { root, textOf } from '../support/repository.js';

interface Tarball {
  readonly name: string;
  readonly files: readonly { readonly path: string }[];
}

const folders = readdirSync(join(root, 'packages')).filter((folder) =>
  existsSync(join(root, 'packages', folder, 'src')),
);
let tarballs: readonly Tarball[];

beforeAll(() => {
  const paths = folders.map((folder) => `./packages/${folder}`);
  const options = { cwd: root, encoding: 'utf8', shell: process.platform === 'win32' } as const;
  tarballs = JSON.parse(execFileSync('npm', ['pack', '--dry-run', '--json', '--ignore-scripts', ...paths], options));
});

describe.each(folders)('packages/%s', (folder) => {
  const { name, exports } = JSON.parse(textOf(`packages/${folder}/package.json`));
  const packed = (): string[] => tarballs.find((one) => one.name === name)!.files.map(({ path }) => path);

  test('is packed with its program, its sources and its README, and nothing of the build or the tests', () => {
    expect(packed()).toEqual(expect.arrayContaining(['README.md', 'package.json', 'dist/index.js', 'src/index.ts']));
    const strays = packed().filter((path) => !/^(dist|src)\/|^(README\.md|package\.json|LICENSE)$/.test(path));
    expect(strays.concat(packed().filter((path) => /tsbuildinfo|\.test\./.test(path)))).toEqual([]);
  });

  test('holds whatever its package.json exports', () => {
    const targets = JSON.stringify(exports).match(/(?<=:)"\.\/[^"]*\.(js|ts|json)"/g) ?? [];
    const files = targets.map((target) => target.slice(3, -1));
    expect(files.length).toBeGreaterThan(0);
    expect(files.filter((file) => !packed().includes(file))).toEqual([]);
  });
});
