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
 *
 * What lies behind the limiter few routers tell: a proxy for `/ollama/*` may stand there. So a path that only ends as one for
 * prompts counts as one too, where its body may be a prompt: `/crm/v1/messages` is also what an application calls its own.
 */
import type { Dialect, Route } from './dialect.js';
import { findIn, type Known, keyOf, type Question, type RequestMeaning, stricter } from './known-path.js';
import { producesTokens } from './settlement.js';
import { pathOf } from './target.js';

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

/** How deep an API may begin where nothing is known of it. */
const anywhere = Number.POSITIVE_INFINITY;

/** @param hasBody whether the request brings a body, and with it perhaps a prompt */
export function meaningOf(
  sent: RequestMeaning,
  hasBody: boolean,
  place: Place,
  dialects: readonly Dialect[],
): RequestMeaning {
  const methods = hasBody && sent.method !== 'POST' ? [sent.method, 'POST'] : [sent.method];
  const targets = targetsOf(sent, place);
  const depth = deepest(place.mount);
  const own = knownIn(targets, depth, place, { methods, dialects, counts: everyRoute });
  if (own?.route.body === 'json') return meant(own);
  const certain = own === undefined ? unknown(sent, targets, place) : meant(own);
  const isPage = sent.method === 'GET' && !hasBody;
  if (isPage || depth === anywhere || pathOf(certain.target) === undefined) return certain;
  const prompt = knownIn(targets, anywhere, place, { methods, dialects, counts: takesPrompt });
  if (prompt === undefined) return certain;
  // Whoever brings a key in front of all of it is still who asks. Two keys would be a path that no dialect knows.
  const key = keyOf(prompt.target) === '' ? keyOf(certain.target) : '';
  return { method: prompt.method, target: key + prompt.target, otherwise: certain };
}

function targetsOf(sent: RequestMeaning, { routed = [] }: Place): readonly string[] {
  return routed.includes(sent.target) ? routed : [...routed, sent.target];
}

function knownIn(
  targets: readonly string[],
  depth: number,
  { below, pattern }: Place,
  question: Question,
): Known | undefined {
  let known = below === undefined ? undefined : findIn(below, 0, question);
  for (const target of targets) {
    if (known?.route.body === 'json') return known;
    if (depth > 0 || target !== below) known = stricter(known, findIn(target, depth, question));
  }
  if (known?.route.body === 'json' || pattern === undefined) return known;
  // A pattern tells that a prompt is taken, and nothing else: its parameters are no values.
  const matched = findIn(pattern, depth, question);
  return matched?.route.body === 'json' ? matched : known;
}

/** As it was sent, or as one of its readings that is no path. */
function unknown({ method, target }: RequestMeaning, targets: readonly string[], { below }: Place): RequestMeaning {
  const all = below === undefined ? targets : [...targets, below];
  return { method, target: all.find((each) => pathOf(each) === undefined) ?? target };
}

function meant({ method, target }: Known): RequestMeaning {
  return { method, target };
}

function everyRoute(): boolean {
  return true;
}

/** As opposed to listings and to what manages models, whose bodies may say anything. */
function takesPrompt({ body, operation }: Route): boolean {
  return body === 'json' && producesTokens(operation);
}

function deepest(mounts: string | readonly string[] = ''): number {
  return typeof mounts === 'string' ? depthOf(mounts) : Math.max(0, ...mounts.map(depthOf));
}

/** How many leading segments of a path a mount path stands for. */
function depthOf(mount: string): number {
  if (mount === '' || mount === '/') return 0;
  return /[*({]/.test(mount) ? anywhere : mount.split('/').filter((segment) => segment !== '').length;
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
