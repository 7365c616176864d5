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

/** The route; a refusal when the path has other methods; undefined when the table does not know the path. */
export function findRoute(rows: readonly RouteRow[], method: string, path: string): Route | Refusal | undefined {
  const allow: string[] = [];
  for (const candidate of rows) {
    const match = typeof candidate.path === 'string' ? candidate.path === path : candidate.path.exec(path);
    if (match === false || match === null) continue;
    if (!candidate.methods.includes(method)) {
      allow.push(...candidate.methods);
      continue;
    }
    const { operation, kind, body } = candidate;
    const model = match === true ? undefined : match[1];
    return { operation, path, method, kind, body, ...(model !== undefined && { model }) };
  }
  if (allow.length === 0) return undefined;
  return { reason: 'bad-method', status: 405, message: `method not allowed; this path has ${allow.join(', ')}`, allow };
}

export function unknownPath(): Refusal {
  return { reason: 'not-found', status: 404, message: 'no such path on this server' };
}
