/** A table of routes and the one way to look a request up in it. */
import type { Operation, Refusal, Route } from '@headgate/core';

export interface RouteRow {
  readonly methods: readonly string[];
  /** The decoded path, or a pattern whose first group, if any, is a model named in the path. */
  readonly path: string | RegExp;
  readonly operation: Operation;
  readonly kind: string;
  readonly body: Route['body'];
}

export function row(
  methods: string,
  path: string | RegExp,
  operation: Operation,
  kind: string,
  body: Route['body'],
): RouteRow {
  return { methods: methods.split(' '), path, operation, kind, body };
}

/** Rows by their path, and those that are patterns: the paths of an application's own pages, which no table knows, pass by quickly. */
export interface RouteTable {
  readonly byPath: ReadonlyMap<string, readonly RouteRow[]>;
  readonly patterns: readonly RouteRow[];
}

/** No path may be written out that a pattern matches as well. */
export function tableOf(rows: readonly RouteRow[]): RouteTable {
  const byPath = new Map<string, RouteRow[]>();
  const patterns: RouteRow[] = [];
  for (const each of rows) {
    const { path } = each;
    if (typeof path !== 'string') patterns.push(each);
    else byPath.set(path, [...(byPath.get(path) ?? []), each]);
  }
  return { byPath, patterns };
}

/** The route; a refusal when the path has other methods; undefined when the table does not know the path. */
export function findRoute(table: RouteTable, method: string, path: string): Route | Refusal | undefined {
  const written = table.byPath.get(path);
  let allow: readonly string[] = [];
  for (const candidate of written ?? table.patterns) {
    const match = typeof candidate.path === 'string' ? undefined : candidate.path.exec(path);
    if (match === null) continue;
    const { methods, operation, kind, body } = candidate;
    const model = match?.[1];
    if (!methods.includes(method)) allow = [...allow, ...methods];
    else if (model === undefined) return { operation, path, method, kind, body };
    else return { operation, path, method, kind, body, model };
  }
  if (allow.length === 0) return undefined;
  return { reason: 'bad-method', status: 405, message: `method not allowed; this path has ${allow.join(', ')}`, allow };
}

export function unknownPath(): Refusal {
  return { reason: 'not-found', status: 404, message: 'no such path on this server' };
}
