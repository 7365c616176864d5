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
import type { Dialect } from './dialect.js';
import { findIn, type Known, stricter } from './known-path.js';
import { pathOf } from './target.js';

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

/** @param hasBody whether the request brings a body, and with it perhaps a prompt */
export function meaningOf(
  sent: RequestMeaning,
  hasBody: boolean,
  { mount = '', below, routed = [], pattern }: Place,
  dialects: readonly Dialect[],
): RequestMeaning {
  const methods = hasBody && sent.method !== 'POST' ? [sent.method, 'POST'] : [sent.method];
  let known = below === undefined ? undefined : findIn(below, 0, methods, dialects);
  if (known?.route.body === 'json') return meant(known);
  const depth = typeof mount === 'string' ? depthOf(mount) : Math.max(0, ...mount.map(depthOf));
  const targets = routed.includes(sent.target) ? [...routed] : [...routed, sent.target];
  for (const target of targets) {
    if (depth === 0 && target === below) continue;
    known = stricter(known, findIn(target, depth, methods, dialects));
    if (known?.route.body === 'json') return meant(known);
  }
  // A pattern tells that a prompt is taken, and nothing else: its parameters are no values.
  const matched = pattern === undefined ? undefined : findIn(pattern, depth, methods, dialects);
  if (matched?.route.body === 'json') return meant(matched);
  if (known !== undefined) return meant(known);
  if (below !== undefined) targets.push(below);
  return { method: sent.method, target: targets.find((target) => pathOf(target) === undefined) ?? sent.target };
}

function meant({ method, target }: Known): RequestMeaning {
  return { method, target };
}

/** How many leading segments of a path a mount path stands for. */
function depthOf(mount: string): number {
  if (mount === '' || mount === '/') return 0;
  return /[*({]/.test(mount) ? Number.POSITIVE_INFINITY : mount.split('/').filter((segment) => segment !== '').length;
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
