/**
 * What a request means to the dialects when the limiter stands in front of an application's own routes. Routers are
 * generous, and none of their generosity may lead around a limit:
 *
 *  - below a mount path, `/ai/api/chat` is `/api/chat` under a mount at `/ai`, and also under one at `/ai/api`: segments
 *    are dropped one by one until a dialect knows what is left, as many as the mount path has. What they say does not
 *    matter: `/%61i` is `/ai` to a router that decodes, and a parameter is whatever the client calls it;
 *  - `/API/Chat/` reaches the handler of `/api/chat`, and so does `/api/chat;x` where a router ends a path at a semicolon;
 *  - a target may be a whole URL, and a router may see another one than was sent;
 *  - a handler for every method gets a prompt with `PUT` as well as with `POST`.
 *
 * Of several ways to read a request the first that takes a prompt counts. Where no dialect knows the path, it counts as
 * it was sent; where one of its readings is no path that everybody reads alike, it counts as that one, which the gate refuses.
 */
import type { Dialect, Route } from './dialect.js';
import { isRefusal } from './dialect.js';
import { pathOf, writtenPath } from './target.js';

export interface RequestMeaning {
  readonly method: string;
  readonly target: string;
}

/** Where the limiter stands in the application, and how the request came to it. */
export interface Place {
  /**
   * Path or pattern below which the API may begin, such as `/ai` or `/ai/:team`. Its segments are counted, not compared;
   * one with `*` or an expression stands for any number of them. Of several the deepest counts.
   */
  readonly mount?: string | readonly string[] | undefined;
  /** Path and query below the mount, where the framework has cut it off. */
  readonly below?: string | undefined;
  /** Targets that the framework's router has before it, where they may be other than what was sent. */
  readonly routed?: readonly string[] | undefined;
  /** The router's pattern that has matched. */
  readonly pattern?: string | undefined;
}

type Known = RequestMeaning & { readonly body: Route['body'] };

/** @param hasBody whether the request brings a body, and with it perhaps a prompt */
export function meaningOf(
  sent: RequestMeaning,
  hasBody: boolean,
  { mount = '', below, routed = [], pattern }: Place,
  dialects: readonly Dialect[],
): RequestMeaning {
  const methods = hasBody && sent.method !== 'POST' ? [sent.method, 'POST'] : [sent.method];
  let known = below === undefined ? undefined : findIn(below, 0, methods, dialects);
  if (known?.body === 'json') return meant(known);
  const depth = typeof mount === 'string' ? depthOf(mount) : Math.max(0, ...mount.map(depthOf));
  const targets = routed.includes(sent.target) ? [...routed] : [...routed, sent.target];
  for (const target of targets) {
    if (depth === 0 && target === below) continue;
    known = stricter(known, findIn(target, depth, methods, dialects));
    if (known?.body === 'json') return meant(known);
  }
  // A pattern tells that a prompt is taken, and nothing else: its parameters are no values.
  const matched = pattern === undefined ? undefined : findIn(pattern, depth, methods, dialects);
  if (matched?.body === 'json') return meant(matched);
  if (known !== undefined) return meant(known);
  if (below !== undefined) targets.push(below);
  return { method: sent.method, target: targets.find((target) => pathOf(target) === undefined) ?? sent.target };
}

function meant({ method, target }: Known): RequestMeaning {
  return { method, target };
}

function stricter(one: Known | undefined, other: Known | undefined): Known | undefined {
  return other?.body === 'json' ? other : (one ?? other);
}

/** How many leading segments of a path a mount path stands for. */
function depthOf(mount: string): number {
  if (mount === '' || mount === '/') return 0;
  return /[*({]/.test(mount) ? Number.POSITIVE_INFINITY : mount.split('/').filter((segment) => segment !== '').length;
}

/** What is known to a dialect when at most so many leading segments are dropped. */
function findIn(
  target: string,
  depth: number,
  methods: readonly string[],
  dialects: readonly Dialect[],
): Known | undefined {
  const written = writtenPath(target);
  if (written === undefined) return undefined;
  let known: Known | undefined;
  for (let from = 0, dropped = 0; from >= 0 && dropped <= depth; dropped++, from = written.indexOf('/', from + 1)) {
    known = stricter(known, knownAs(written.slice(from), methods, dialects));
    if (known?.body === 'json') break;
  }
  if (known === undefined) return undefined;
  const query = target.search(/[?#]/);
  return query < 0 ? known : { ...known, target: known.target + target.slice(query) };
}

/** As it was written, and as a router sees it that is generous. */
function knownAs(written: string, methods: readonly string[], dialects: readonly Dialect[]): Known | undefined {
  const path = pathOf(written);
  if (path === undefined) return undefined;
  const exact = knownPath(path, written, methods, dialects);
  if (exact !== undefined) return exact;
  const loose = loosely(path);
  // It is decoded, and will be decoded once more.
  return loose === path ? undefined : knownPath(loose, loose.replace(/[%?#]/g, encodeURIComponent), methods, dialects);
}

/** Without case, but for a key that stands in the path, without a slash at the end and what follows a semicolon. */
function loosely(path: string): string {
  const key = keyOf(path);
  const rest = path.slice(key.length).split(';', 1)[0]!.toLowerCase();
  return key + (rest.length > 1 && rest.endsWith('/') ? rest.slice(0, -1) : rest);
}

/** A key in the path with what stands before it, see `keyInPath`. */
function keyOf(path: string): string {
  return path.startsWith('/k/') ? (/^\/k\/[^/]+(?=\/)/.exec(path)?.[0] ?? '') : '';
}

/** @param target what to call the path */
function knownPath(
  path: string,
  target: string,
  methods: readonly string[],
  dialects: readonly Dialect[],
): Known | undefined {
  const bare = path.slice(keyOf(path).length);
  for (const method of methods) {
    const route = routeOf(method, bare, dialects);
    if (route !== undefined) return { method, target, body: route.body };
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

/** A decoded path whose end is one that a dialect takes prompts under: `/ai` and `/api/chat` of `/ai/api/chat`; undefined where there is none. */
export function promptsIn(
  path: string,
  dialects: readonly Dialect[],
): { readonly before: string; readonly end: string } | undefined {
  const loose = loosely(path);
  for (let from = loose.indexOf('/', 1); from >= 0; from = loose.indexOf('/', from + 1)) {
    const end = loose.slice(from);
    if (routeOf('POST', end, dialects)?.body === 'json') return { before: path.slice(0, from), end };
  }
  return undefined;
}

/**
 * The leading part of a pattern of Hono's kind below which routes lie: `/ai/:team` of `/ai/:team/*`. A pattern without a
 * wildcard at its end stands for one route, in whose path the API may begin anywhere.
 */
export function mountOf(pattern: string): string {
  if (pattern === '' || pattern === '*') return '';
  if (!pattern.endsWith('/*')) return '*';
  return pattern.slice(0, -2).replace(/(?<=\/)\*(?=\/|$)/g, ':any');
}
