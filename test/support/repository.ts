/** The files of the repository as the tidy test reads them. */
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, posix } from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))));

const notOurs = new Set(['node_modules', 'dist', 'coverage', '.git']);

/** Every file of the repository but what is installed, built or of git, by its path from the root. */
export const files: readonly string[] = filesIn('');

function filesIn(folder: string): string[] {
  return readdirSync(join(root, folder), { withFileTypes: true }).flatMap((entry) => {
    if (notOurs.has(entry.name)) return [];
    const path = posix.join(folder, entry.name);
    return entry.isDirectory() ? filesIn(path) : [path];
  });
}

const texts = new Map<string, string>();
export function textOf(file: string): string {
  let text = texts.get(file);
  if (text === undefined) {
    text = readFileSync(join(root, file), 'utf8');
    texts.set(file, text);
  }
  return text;
}

/** The lines that are not comments; the formatter gives every comment that could confuse us lines of its own. */
export function codeOf(file: string): string {
  return textOf(file).replace(/^\s*(?:\/\/|\/?\*).*$/gm, '');
}

/** Sources that are published: what `files` of each package's manifest packs. */
export const sources: readonly string[] = files.filter((file) => /^packages\/[^/]+\/src\/.*\.ts$/.test(file));

export interface Import {
  readonly from: string;
  /** A file of the repository, or the name of a module outside of it. */
  readonly to: string;
}

/** Every import and re-export, types included, dynamic ones too. */
export function importsOf(file: string): readonly Import[] {
  const found = codeOf(file).matchAll(/^(?:import|export)\b(?:[^;'"]*?\bfrom)?\s*'([^']+)'|\bimport\(\s*'([^']+)'/gm);
  return [...found].map(([, plain, dynamic]) => ({ from: file, to: resolve(file, (plain ?? dynamic)!) }));
}

function resolve(file: string, specifier: string): string {
  if (specifier.startsWith('.')) return posix.join(posix.dirname(file), specifier).replace(/\.js$/, '.ts');
  const own = /^@headgate\/([^/]+)(?:\/(.+))?$/.exec(specifier);
  if (own === null) return specifier;
  const [, name, subpath] = own;
  return `packages/${name}/src/${subpath === undefined ? '' : `${subpath}/`}index.ts`;
}

export interface Manifest {
  readonly name: string;
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly peerDependencies?: Readonly<Record<string, string>>;
}

export function manifestOf(workspace: string): Manifest {
  return JSON.parse(textOf(`${workspace}/package.json`)) as Manifest;
}

/** A ring of files that import each other, or undefined when there is none. */
export function ringAmong(among: readonly string[]): readonly string[] | undefined {
  const done = new Set<string>();
  const visit = (file: string, trail: readonly string[]): readonly string[] | undefined => {
    const at = trail.indexOf(file);
    if (at >= 0) return [...trail.slice(at), file];
    if (done.has(file) || !among.includes(file)) return undefined;
    for (const { to } of importsOf(file)) {
      const ring = visit(to, [...trail, file]);
      if (ring !== undefined) return ring;
    }
    done.add(file);
    return undefined;
  };
  for (const file of among) {
    const ring = visit(file, []);
    if (ring !== undefined) return ring;
  }
  return undefined;
}
