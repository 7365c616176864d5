/**
 * What a request means to the dialects when the limiter stands in front of an application's own routes. Routers are
 * generous, and none of their generosity may lead around a limit:
 *
 *  - below a mount path, `/ai/api/chat` is `/api/chat` under a mount at `/ai`, and also under one at `/ai/api`: segments
 *    of the mount path are dropped one by one until a dialect knows what is left;
 *  - `/API/Chat/` reaches the handler of `/api/chat`;
 *  - a handler for every method gets a prompt with `PUT` as well as with `POST`.
 *
 * Where no dialect knows the path, it counts as it was sent.
 */
import type { Dialect } from './dialect.js';
import { isRefusal } from './dialect.js';
import { pathOf } from './target.js';

export interface RequestMeaning {
  readonly method: string;
  readonly target: string;
}

/**
 * @param hasBody whether the request brings a body, and with it perhaps a prompt
 * @param mount the leading part of the target below which the application's routes begin
 */
export function meaningOf(
  sent: RequestMeaning,
  hasBody: boolean,
  mount: string,
  dialects: readonly Dialect[],
): RequestMeaning {
  const methods = hasBody && sent.method !== 'POST' ? [sent.method, 'POST'] : [sent.method];
  for (const cut of segmentEnds(mount)) {
    const target = sent.target.slice(cut);
    for (const spelling of spellings(target)) {
      const method = methods.find((one) => isKnown(one, spelling, dialects));
      if (method !== undefined) return { method, target: spelling };
    }
  }
  return sent;
}

/** Where a mount path may be cut: before it, after each of its segments. */
function segmentEnds(mount: string): number[] {
  const ends = [0];
  for (let end = mount.indexOf('/', 1); end > 0; end = mount.indexOf('/', end + 1)) ends.push(end);
  return mount.length > 1 ? [...ends, mount.length] : ends;
}

/** As it was sent, and as a router sees it that ignores case and a slash at the end. */
function spellings(target: string): readonly string[] {
  const loose = loosely(target);
  return loose === target ? [target] : [target, loose];
}

/** The path as a router sees it that ignores case and a slash at the end. */
function loosely(target: string): string {
  const query = target.search(/[?#]/);
  const path = query < 0 ? target : target.slice(0, query);
  return path.toLowerCase().replace(/(.)\/$/, '$1') + target.slice(path.length);
}

function isKnown(method: string, target: string, dialects: readonly Dialect[]): boolean {
  const path = target.startsWith('/') ? pathOf(target) : undefined;
  if (path === undefined) return false;
  const bare = path.replace(/^\/k\/[^/]+(?=\/)/, '');
  return dialects.some((dialect) => {
    const route = dialect.route(method, bare);
    return route !== undefined && !isRefusal(route);
  });
}

/**
 * The leading part of a path that a router's pattern stands for, up to its first wildcard: `/ai/:team/*` stands for
 * `/ai/red` of `/ai/red/api/chat`. A pattern without one stands for the whole path.
 */
export function mountOf(pattern: string, path: string): string {
  const wild = pattern.split('/').findIndex((segment) => segment.includes('*'));
  return wild < 0 ? path : path.split('/').slice(0, wild).join('/');
}
