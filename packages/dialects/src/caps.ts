/**
 * Output caps. Every API has its own word for one, servers obey different ones (Ollama ignores `max_completion_tokens`,
 * llama.cpp prefers `n_predict`), and a limiter that reads only one of them is walked around through another.
 * So all of them are read wherever they stand, the largest counts, and all of them are lowered.
 */
import type { JsonObject } from '@headgate/core';
import { copyOf, type Fields } from './fields.js';
import { fieldNames } from './keys.js';

const names = ['max_tokens', 'max_completion_tokens', 'max_output_tokens', 'num_predict', 'n_predict'] as const;
export const capNames = fieldNames(...names);

/** Most choices one request may ask for. */
const choicesMax = 128;

/**
 * The largest cap declared, for one choice; undefined when none is or when one of them is 0 or negative, which Ollama
 * and llama.cpp both read as "no end".
 */
export function declaredCap(...places: readonly (Fields | undefined)[]): number | undefined {
  let largest: number | undefined;
  let unlimited = false;
  for (const fields of places) {
    if (fields === undefined) continue;
    for (const name of names) {
      const cap = fields.integer(name);
      if (cap === undefined) continue;
      if (cap <= 0) unlimited = true;
      largest = Math.max(largest ?? cap, cap);
    }
  }
  return unlimited ? undefined : largest;
}

/** How many answers one request asks for, in any spelling. */
export function declaredChoices(fields: Fields): number {
  let choices = 1;
  for (const name of ['n', 'best_of', 'n_cmpl']) {
    const count = fields.integer(name);
    if (count === undefined) continue;
    if (count < 1 || count > choicesMax)
      fields.problems.bad(`'${fields.path(name)}' must be between 1 and ${choicesMax}`);
    else choices = Math.max(choices, count);
  }
  return choices;
}

/** The smaller of what the client declared and what the limiter grants, for one choice. */
export function capPerChoice(
  declared: number | undefined,
  grantedAll: number | undefined,
  choices: number,
): number | undefined {
  if (grantedAll === undefined) return declared;
  const granted = Math.max(1, Math.floor(grantedAll / choices));
  return declared === undefined ? granted : Math.min(declared, granted);
}

/** A copy in which every cap is at most `cap`, and `obeyed`, the one the backend reads, is there; without `cap` those that mean "no end" are gone. */
export function withCap(object: JsonObject, obeyed: string, cap: number | undefined): JsonObject {
  const copy = copyOf(object);
  lowerCaps(copy, cap);
  if (cap !== undefined && typeof copy[obeyed] !== 'number') copy[obeyed] = cap;
  return copy;
}

/** Lowers every cap that is there; none is added. */
export function lowerCaps(object: JsonObject, cap: number | undefined): void {
  for (const name of names) {
    const own = Object.hasOwn(object, name) ? object[name] : undefined;
    if (typeof own !== 'number') continue;
    if (cap === undefined) {
      if (own <= 0) delete object[name];
    } else object[name] = own > 0 ? Math.min(own, cap) : cap;
  }
}
