/** Who comes from another limiter finds each of its options on the page: read from the types of the limiters themselves. */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { describe, expect, test } from 'vitest';
import { codeIn, page } from '../../support/markdown.js';

const { rows } = page('docs/migration.md');

/** Every word in code of the first column, by section; an argument or a value beside it counts as said, too. */
function told(section: string): Set<string> {
  const cells = rows.filter((row) => row.section === section).map(({ cells: [first = ''] }) => codeIn(first).join(' '));
  return new Set(cells.flatMap((cell) => cell.match(/\w+/g) ?? []));
}

/** Names of the members of an interface, a type or a class, at its first level. */
function members(types: string, declaration: string): string[] {
  const start = types.search(new RegExp(`(interface|type|class) ${declaration}\\b`));
  expect(start, declaration).toBeGreaterThanOrEqual(0);
  const names: string[] = [];
  let depth = 0;
  for (const line of types
    .slice(start)
    .replaceAll(/\/\*[\s\S]*?\*\//g, '')
    .split('\n')) {
    const name = depth === 1 ? /^\s+(?:readonly )?(\w+)\??(?=[:(])/.exec(line)?.[1] : undefined;
    if (name !== undefined && name !== 'constructor') names.push(name);
    for (const sign of line.match(/[{}()]/g) ?? []) depth += '{('.includes(sign) ? 1 : -1;
    if (depth === 0 && line.includes('}')) break;
  }
  expect(names.length, declaration).toBeGreaterThan(0);
  return names;
}

/** The types of a limiter that the benchmarks run beside. */
function typesOf(name: string, file: string): string {
  const benchmarks = createRequire(new URL('../../../benchmarks/package.json', import.meta.url));
  const main = benchmarks.resolve(name);
  return readFileSync(`${main.slice(0, main.lastIndexOf(name) + name.length)}/${file}`, 'utf8');
}

describe.each([
  ['express-rate-limit', 'dist/index.d.ts', ['Options']],
  ['@fastify/rate-limit', 'types/index.d.ts', ['CreateRateLimitOptions', 'RateLimitOptions', 'RateLimitPluginOptions']],
  [
    'rate-limiter-flexible',
    'types.d.ts',
    ['IRateLimiterOptions', 'IRateLimiterStoreOptions', 'IRateLimiterQueueOpts', 'RateLimiterAbstract'],
  ],
])('every option of %s', (name, file, declarations) => {
  const types = typesOf(name, file);
  test.each(declarations)('in %s is on the page', (declaration) => {
    const there = told(name);
    expect(members(types, declaration).filter((option) => !there.has(option))).toEqual([]);
  });
});

test('every directive of nginx that limits is on the page', () => {
  const there = told('nginx limit_req');
  const directives = [
    ...['limit_req_zone', 'limit_req', 'limit_req_status', 'limit_req_dry_run', 'limit_req_log_level'],
    ...['limit_conn_zone', 'limit_conn', 'limit_conn_status', 'limit_conn_dry_run', 'limit_conn_log_level'],
    ...['rate', 'burst', 'nodelay', 'delay', 'zone', 'limit_rate', 'limit_rate_after', 'max_conns'],
  ];
  expect(directives.filter((directive) => !there.has(directive))).toEqual([]);
});
