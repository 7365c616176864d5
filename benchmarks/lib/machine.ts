/** Where figures come from: without it they mean nothing. */
import { readFileSync } from 'node:fs';
import { arch, cpus, platform, totalmem } from 'node:os';

export interface Machine {
  readonly node: string;
  readonly v8: string;
  readonly system: string;
  readonly processors: string;
  readonly memoryGiB: number;
  readonly packages: Readonly<Record<string, string>>;
}

export function describeMachine(packages: readonly string[]): Machine {
  const all = cpus();
  return {
    node: process.versions.node,
    v8: process.versions.v8,
    system: `${platform()} ${arch()}`,
    processors: `${all.length} x ${all[0]?.model.trim() ?? 'unknown'}`,
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    packages: Object.fromEntries(packages.map((name) => [name, versionOf(name)])),
  };
}

/** Of the packages that this one depends on; not every one of them lets its manifest be imported. */
function versionOf(name: string): string {
  const manifest = readFileSync(new URL(`../../node_modules/${name}/package.json`, import.meta.url), 'utf8');
  return (JSON.parse(manifest) as { version: string }).version;
}
