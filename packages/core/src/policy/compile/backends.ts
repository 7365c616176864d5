/** Backends and the pool, with the defaults of the documentation. */
import type { z } from 'zod';
import type { BackendRules, PoolRules, TimeoutRules } from '../policy.js';
import { compact } from '../read.js';
import type { Report } from '../report.js';
import type { backendsSchema, poolSchema } from '../schema/pool.js';

export function compileBackends(
  entries: z.output<typeof backendsSchema> | undefined,
  report: Report,
): readonly BackendRules[] {
  const names = new Set<string>();
  return (entries ?? []).map((entry, index): BackendRules => {
    const given = typeof entry === 'string' ? { url: entry } : entry;
    const name = given.name ?? hostAndPort(given.url);
    if (names.has(name)) {
      const path = ['backends', index, ...(given.name === undefined ? [] : ['name'])];
      report.add(path, { expected: `a \`name\` of its own: another backend is called \`${name}\` too` });
    }
    names.add(name);
    return compact({
      url: given.url,
      name,
      slots: given.slots ?? 1,
      weight: given.weight ?? 1,
      models: given.models?.includes('*') ? undefined : given.models,
      drain: given.drain ?? false,
      headers: given.headers ?? {},
    });
  });
}

function hostAndPort(address: string): string {
  const url = new URL(address);
  return `${url.hostname}:${url.port || (url.protocol === 'https:' ? '443' : '80')}`;
}

const defaults: PoolRules = {
  pick: 'least-wait',
  health: { path: '/api/version', everyMs: 10_000, timeoutMs: 2_000, rise: 2, fall: 3 },
  eject: { failures: 3, forMs: 30_000, maxShare: 0.5 },
  retry: { tries: 2, on: ['connect', 'reset', '502', '503'], budgetShare: 0.2 },
  timeout: {
    connectMs: 2_000,
    firstByteMs: 300_000,
    idleMs: 120_000,
    totalMs: 1_800_000,
    embed: { firstByteMs: 60_000 },
    chat: {},
    generate: {},
  },
};

export function compilePool(entry: z.output<typeof poolSchema> | undefined): PoolRules {
  const { health, eject, retry, timeout } = entry ?? {};
  return {
    pick: entry?.pick ?? defaults.pick,
    health: {
      ...defaults.health,
      ...compact({
        path: health?.path,
        everyMs: health?.every,
        timeoutMs: health?.timeout,
        rise: health?.rise,
        fall: health?.fall,
      }),
    },
    eject: { ...defaults.eject, ...compact({ failures: eject?.failures, forMs: eject?.for, maxShare: eject?.max }) },
    retry: { ...defaults.retry, ...compact({ tries: retry?.tries, on: retry?.on, budgetShare: retry?.budget }) },
    timeout: {
      ...defaults.timeout,
      ...compileTimeouts(timeout),
      embed: { ...defaults.timeout.embed, ...compileTimeouts(timeout?.embed) },
      chat: compileTimeouts(timeout?.chat),
      generate: compileTimeouts(timeout?.generate),
    },
  };
}

interface TimeoutEntry {
  readonly connect?: number | undefined;
  readonly firstByte?: number | undefined;
  readonly idle?: number | undefined;
  readonly total?: number | undefined;
}

function compileTimeouts(entry: TimeoutEntry | undefined): Partial<TimeoutRules> {
  return compact({
    connectMs: entry?.connect,
    firstByteMs: entry?.firstByte,
    idleMs: entry?.idle,
    totalMs: entry?.total,
  });
}
