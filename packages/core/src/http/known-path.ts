/**
 * Paths as dialects know them, wherever in a longer one they begin. A client writes as long a path as it likes, and before
 * anybody knows who it is: dialects are asked about so many of its ends, however many there are.
 */
import { type Dialect, isRefusal, pathSegmentsMax, type Route } from './dialect.js';
import { pathOf, writtenPath } from './target.js';

export interface RequestMeaning {
  readonly method: string;
  readonly target: string;
  /** What it means where its body is no prompt. */
  readonly otherwise?: RequestMeaning;
}

/** What a path is called where a dialect knows it. */
export interface Known {
  readonly method: string;
  readonly target: string;
  readonly route: Route;
}

/** A path may have a key before it, and a slash behind it. */
const startsMax = pathSegmentsMax + 3;
const wholeOnly = [0];

/** The first that takes a prompt, else the first. */
export function stricter(one: Known | undefined, other: Known | undefined): Known | undefined {
  return other?.route.body === 'json' ? other : (one ?? other);
}

/** What is asked of dialects. */
export interface Question {
  readonly methods: readonly string[];
  readonly dialects: readonly Dialect[];
  /** Which routes count. */
  readonly counts: (route: Route) => boolean;
}

/** What is known to a dialect when at most so many leading segments are dropped. */
export function findIn(target: string, depth: number, question: Question): Known | undefined {
  const written = writtenPath(target);
  if (written === undefined) return undefined;
  let known: Known | undefined;
  for (const from of startsIn(written, depth)) {
    known = stricter(known, knownAs(written.slice(from), question));
    if (known?.route.body === 'json') break;
  }
  if (known === undefined) return undefined;
  const query = target.search(/[?#]/);
  return query < 0 ? known : { ...known, target: known.target + target.slice(query) };
}

/** Where the path of an API may begin, the first place first. */
function startsIn(written: string, depth: number): Iterable<number> {
  if (depth === 0) return wholeOnly;
  if (depth === Number.POSITIVE_INFINITY) {
    const cut = written.search(/;|%3b/i);
    const ends = lastSlashes(written, written.length);
    // In order: what both have of the part before the semicolon is the same.
    return cut < 0 ? ends : new Set([...lastSlashes(written, cut), ...ends]);
  }
  const starts: number[] = [];
  for (let from = 0; from >= 0 && starts.length <= depth; from = written.indexOf('/', from + 1)) starts.push(from);
  return starts;
}

/** Where the last segments before `end` begin: as many as a path for a dialect can have. */
function lastSlashes(path: string, end: number): number[] {
  const slashes: number[] = [];
  for (let from = end; from > 0 && slashes.length < startsMax; ) {
    from = path.lastIndexOf('/', from - 1);
    if (from < 0) break;
    slashes.unshift(from);
  }
  return slashes;
}

/** As it was written, and as a router sees it that is generous. */
function knownAs(written: string, question: Question): Known | undefined {
  const path = pathOf(written);
  if (path === undefined) return undefined;
  const exact = knownPath(path, written, question);
  if (exact !== undefined) return exact;
  const loose = loosely(path);
  // It is decoded, and will be decoded once more.
  return loose === path ? undefined : knownPath(loose, loose.replace(/[%?#]/g, encodeURIComponent), question);
}

/** Without case, but for a key that stands in the path, without a slash at the end and what follows a semicolon. */
function loosely(path: string): string {
  const key = keyOf(path);
  const rest = path.slice(key.length).split(';', 1)[0]!.toLowerCase();
  return key + (rest.length > 1 && rest.endsWith('/') ? rest.slice(0, -1) : rest);
}

/** A key in the path with what stands before it, see `keyInPath`. */
export function keyOf(path: string): string {
  return path.startsWith('/k/') ? (/^\/k\/[^/]+(?=\/)/.exec(path)?.[0] ?? '') : '';
}

/** @param target what to call the path */
function knownPath(path: string, target: string, { methods, dialects, counts }: Question): Known | undefined {
  const bare = path.slice(keyOf(path).length);
  for (const method of methods) {
    const route = routeOf(method, bare, dialects);
    if (route !== undefined && counts(route)) return { method, target, route };
  }
  return undefined;
}

function routeOf(method: string, path: string, dialects: readonly Dialect[]): Route | undefined {
  for (const dialect of dialects) {
    const route = dialect.route(method, path);
    if (route !== undefined && !isRefusal(route)) return route;
  }
  return undefined;
}

/** A decoded path whose end is one that a dialect takes prompts under, or manages models: `/ai` and `/api/chat` of `/ai/api/chat`; undefined where there is none. */
export function apiIn(
  method: string,
  path: string,
  dialects: readonly Dialect[],
): { readonly before: string; readonly end: string } | undefined {
  const loose = loosely(path);
  for (const from of lastSlashes(loose, loose.length)) {
    if (from === 0) continue;
    const end = loose.slice(from);
    const route = routeOf(method === 'DELETE' ? method : 'POST', end, dialects);
    if (route?.body === 'json' || route?.operation === 'admin') return { before: path.slice(0, from), end };
  }
  return undefined;
}
