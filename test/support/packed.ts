/** The packages as npm would publish them, and empty projects that install them. */
import { execFile } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { manifestOf, root, textOf } from './repository.js';

const { packageManager } = JSON.parse(textOf('package.json'));
const onWindows = process.platform === 'win32';
const run = promisify(execFile);

/** Runs a command; what it prints, both ways, is in the error when it fails. */
export async function command(cwd: string, file: string, args: readonly string[]): Promise<string> {
  const options = { cwd, shell: onWindows, maxBuffer: 64 * 1024 * 1024 };
  const { stdout, stderr } = await run(file, args, options).catch((error) => {
    throw new Error(`${file} ${args.join(' ')}\n${error.stdout}\n${error.stderr}`);
  });
  return stdout + stderr;
}

export interface Tarball {
  /** `@headgate/core` */
  readonly name: string;
  readonly folder: string;
  readonly file: string;
}

/** Builds and packs every package into one folder, as a release does. */
export async function packAll(into: string): Promise<readonly Tarball[]> {
  await command(root, process.execPath, [join(root, 'node_modules/typescript/bin/tsc'), '-b']);
  const pack = ['-r', '--filter', './packages/*', 'pack', '--pack-destination', into];
  await command(root, 'npx', ['--yes', packageManager, ...pack]);
  const files = readdirSync(into);
  const folders = readdirSync(join(root, 'packages'));
  return folders
    .filter((folder) => existsSync(join(root, 'packages', folder, 'src')))
    .map((folder) => {
      const { name, version } = manifestOf(`packages/${folder}`) as unknown as { name: string; version: string };
      const file = `${name.slice(1).replace('/', '-')}-${version}.tgz`;
      if (!files.includes(file)) throw new Error(`${name} was not packed: there is no ${file}`);
      return { name, folder, file: join(into, file) };
    });
}

export interface Project {
  readonly folder: string;
  write(name: string, text: string): void;
  /** Installs from the registry, and tarballs by their files. */
  install(...what: readonly string[]): Promise<void>;
  remove(): void;
}

/** An empty folder after `npm init`. */
export function emptyProject(): Project {
  const folder = mkdtempSync(join(tmpdir(), 'headgate-project-'));
  mkdirSync(folder, { recursive: true });
  const write = (name: string, text: string): void => writeFileSync(join(folder, name), text);
  write('package.json', JSON.stringify({ name: 'empty', version: '1.0.0', private: true }));
  return {
    folder,
    write,
    install: async (...what) => {
      await command(folder, 'npm', [
        'install',
        '--no-audit',
        '--no-fund',
        '--prefer-offline',
        '--loglevel=error',
        ...what,
      ]);
    },
    remove: () => rmSync(folder, { recursive: true, force: true, maxRetries: 3 }),
  };
}

/** The version of a dependency that the repository is tested with. */
export function catalogVersion(name: string): string {
  const line = textOf('pnpm-workspace.yaml')
    .split('\n')
    .find((one) =>
      one
        .trim()
        .replace(/^"|"(?=:)/g, '')
        .startsWith(`${name}:`),
    );
  const version = line?.slice(line.lastIndexOf(`${name}`) + name.length).replace(/^"?:\s*/, '');
  if (version === undefined) throw new Error(`${name} is not in the catalog`);
  return version;
}
