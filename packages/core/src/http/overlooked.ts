/** Paths that look as if prompts went by the limits: told once, since the application works and nobody would notice. */
import type { Dialect } from './dialect.js';
import { apiIn } from './known-path.js';

/** A client that tries paths must not fill a log. */
const shapesMax = 16;
const shownMax = 120;

/** What each limiter was told of: how many segments stand before which path of a dialect. */
const told = new WeakMap<object, Set<string>>();

/** Where messages to the developer go: Node's warnings, or the console of other runtimes. */
interface Surroundings {
  readonly process?: { emitWarning?(message: string, options: { readonly type: string; readonly code: string }): void };
}

const code = 'HG_PATH_OTHER';

/** Warns, once for each limiter and shape of path, when a path counts as operation `other` whose end is one that prompts are sent to, or models managed by. */
export function warnOfPrompts(limiter: object, method: string, path: string, dialects: readonly Dialect[]): void {
  if (method === 'GET' || method === 'HEAD' || method === 'OPTIONS') return;
  const shapes = told.get(limiter) ?? new Set();
  if (shapes.size >= shapesMax) return;
  const api = apiIn(method, path, dialects);
  if (api === undefined) return;
  const { before, end } = api;
  const shape = `${before.split('/').length} ${end}`;
  if (shapes.has(shape)) return;
  told.set(limiter, shapes.add(shape));
  warn(
    `${method} ${shown(path)} counts as operation "other": no limit on models, tokens or output holds for it, and it may manage models. ` +
      `If a route of yours answers it as ${end}, let the limiter stand below ${shown(before)}, by the prefix, mount path or pattern ` +
      'that it is used with, or by the option `mount` of limiter.handler.',
  );
}

/** A client may have written it. */
function shown(path: string): string {
  const plain = path.slice(0, shownMax).replace(/[^!-~]/g, '?');
  return path.length > shownMax ? `${plain}...` : plain;
}

function warn(message: string): void {
  const { process } = globalThis as Surroundings;
  if (process?.emitWarning !== undefined) process.emitWarning(message, { type: 'HeadgateWarning', code });
  else console.warn(`${code}: ${message}`);
}
