import type { Route } from './routes/route.js';

export type Match =
  | { kind: 'route'; route: Route; rest: string }
  | { kind: 'redirect'; status: number; location: string }
  | { kind: 'method-not-allowed'; allow: string }
  | { kind: 'not-found' }
  | { kind: 'bad-request' };

/** Finds routes the way Go's mux and gin do together: on the percent-decoded path, case-sensitive, cleaned first. */
export class Router {
  readonly #exact = new Map<string, Map<string, Route>>();
  readonly #prefixes: { prefix: string; methods: Map<string, Route> }[] = [];

  constructor(routes: readonly Route[]) {
    for (const route of routes) this.#methodsFor(route.path).set(route.method, route);
  }

  match(method: string, url: string): Match & { path: string; query: string } {
    const question = url.indexOf('?');
    const query = question < 0 ? '' : url.slice(question);
    const rawPath = (question < 0 ? url : url.slice(0, question)).replace(/^https?:\/\/[^/]*/i, '') || '/';
    let path: string;
    try {
      path = decodeURIComponent(rawPath);
    } catch {
      return { kind: 'bad-request', path: rawPath, query };
    }
    return { ...this.#matchPath(method, path, query), path, query };
  }

  #matchPath(method: string, path: string, query: string): Match {
    const clean = cleanPath(path);
    if (clean !== path) return { kind: 'redirect', status: 301, location: encodeURI(clean) + query };
    const found = this.#find(path);
    const route = found?.methods.get(method);
    if (found !== undefined && route !== undefined) return { kind: 'route', route, rest: found.rest };
    const other = path.endsWith('/') ? path.slice(0, -1) : `${path}/`;
    if (path !== '/' && this.#find(other)?.methods.has(method)) {
      return { kind: 'redirect', status: method === 'GET' ? 301 : 307, location: encodeURI(other) + query };
    }
    if (found !== undefined) return { kind: 'method-not-allowed', allow: [...found.methods.keys()].join(', ') };
    return { kind: 'not-found' };
  }

  #find(path: string): { methods: Map<string, Route>; rest: string } | undefined {
    const methods = this.#exact.get(path);
    if (methods !== undefined) return { methods, rest: '' };
    for (const { prefix, methods: wild } of this.#prefixes) {
      const rest = path.slice(prefix.length);
      if (path.startsWith(prefix) && rest !== '' && !rest.includes('/')) return { methods: wild, rest };
    }
    return undefined;
  }

  #methodsFor(path: string): Map<string, Route> {
    if (!path.endsWith('*')) {
      const methods = this.#exact.get(path) ?? new Map<string, Route>();
      this.#exact.set(path, methods);
      return methods;
    }
    const prefix = path.slice(0, -1);
    const known = this.#prefixes.find((entry) => entry.prefix === prefix);
    if (known !== undefined) return known.methods;
    const methods = new Map<string, Route>();
    this.#prefixes.push({ prefix, methods });
    return methods;
  }
}

/** Without empty, `.` and `..` segments; a trailing slash stays. */
function cleanPath(path: string): string {
  const kept: string[] = [];
  for (const segment of path.split('/')) {
    if (segment === '..') kept.pop();
    else if (segment !== '' && segment !== '.') kept.push(segment);
  }
  const slash = path.endsWith('/') && kept.length > 0 ? '/' : '';
  return `/${kept.join('/')}${slash}`;
}
