/** The agent run that a request says it is made for: `x-run-id`, and how deep in it, `x-run-depth`. */
import type { HeaderRecord } from '../identity/identify.js';
import type { Refusal } from '../model.js';
import { refuse } from '../refusal.js';

/** What clients name ends up in keys and logs. */
const idShape = /^[\x21-\x7e]{1,128}$/;
const depthShape = /^\d{1,4}$/;

export interface RunPlace {
  readonly id: string;
  readonly depth: number;
}

/** Undefined without a run; a refusal for headers that cannot be meant. */
export function runOf(headers: HeaderRecord): RunPlace | Refusal | undefined {
  const { 'x-run-id': id, 'x-run-depth': depth } = headers;
  if (id === undefined) {
    return depth === undefined ? undefined : refuse('bad-request', 'x-run-depth needs an x-run-id beside it.');
  }
  if (typeof id !== 'string' || !idShape.test(id)) {
    return refuse('bad-request', 'x-run-id must be 1 to 128 printable characters without spaces.');
  }
  if (depth !== undefined && (typeof depth !== 'string' || !depthShape.test(depth))) {
    return refuse('bad-request', 'x-run-depth must be a whole number from 0, the depth of the agent in its run.');
  }
  return { id, depth: depth === undefined ? 0 : Number(depth) };
}
