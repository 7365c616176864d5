import { ApiError } from '../api-error.js';
import type { Exchange } from '../exchange.js';
import { BadBody, type BoundFields, bindBody, type Fields } from '../fields.js';
import { ollamaError } from '../wire/ollama.js';
import type { ErrorRenderer } from '../wire/wire.js';
import type { World } from '../world.js';

export interface RouteContext {
  world: World;
  exchange: Exchange;
  /** The part of the path behind a wildcard. */
  rest: string;
}

export interface Route {
  method: string;
  /** A trailing `*` takes one more path segment. */
  path: string;
  /** `inference` counts in the statistics, `health` suffers the health faults. */
  kind: 'inference' | 'health' | 'admin';
  renderError: ErrorRenderer;
  handle(context: RouteContext): Promise<void>;
}

/** A route that manages the server, whose errors are native. */
export function adminRoute(method: string, path: string, handle: Route['handle']): Route {
  return { method, path, kind: 'admin', renderError: ollamaError, handle };
}

/** Reads the body into `fields`; a bad one is answered with 400 and Go's text. */
export async function bind<T extends Fields>(
  exchange: Exchange,
  struct: string,
  fields: T,
  eof = 'missing request body',
): Promise<BoundFields<T>> {
  const body = await exchange.readBody();
  return bound(body, struct, fields, eof);
}

export function bound<T extends Fields>(body: Buffer, struct: string, fields: T, eof: string): BoundFields<T> {
  try {
    return bindBody(body, struct, fields, eof);
  } catch (error) {
    throw error instanceof BadBody ? new ApiError(400, error.message) : error;
  }
}
